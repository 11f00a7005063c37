// POST /v1/responses: read, take up a previous response, prepare, start, write, keep. GET and DELETE of kept ones.
import { type ChatRequest, type Message, MimoError } from '@mimokit/protocol';
import type { ResponsesRequest } from '@mimokit/protocol/wire';
import type { AnswerStore } from '../answer-store.ts';
import type { JsonBody } from '../body.ts';
import type { Exchange } from '../exchange.ts';
import type { FindModel } from '../find-model.ts';
import { failureBody } from '../http-error.ts';
import { readResponsesRequest, type ResponsesIn } from './responses-in.ts';
import { responseFrames, type ResponsesOutContext, wholeResponse } from './responses-out.ts';

export async function answerResponses(
  exchange: Exchange,
  body: JsonBody,
  { findModel, answers }: { findModel: FindModel; answers: AnswerStore },
): Promise<Response> {
  const request = readResponsesRequest(body, exchange.shared.limits);
  const model = findModel(request.body.model);
  const chat = exchange.prepare(takenUp(request, exchange.tenant, answers));
  const answering = await exchange.start(model, chat, 1);
  const suffix = exchange.requestId.slice(4);
  const id = `resp_${suffix}`;
  const context: ResponsesOutContext = {
    base: { id, ...baseOf(request.body, model.modelId) },
    suffix: suffix.slice(0, 24),
    onDone: (message, response) => {
      exchange.remember(message);
      if (request.body.store === false) return;
      // Instructions are for this response only; the next one brings its own.
      const messages: Message[] = [...chat.messages.slice(instructionsOf(request.body).length), message];
      answers.keep(exchange.tenant, id, { messages, tools: [], response });
    },
  };
  if (request.body.stream !== true) return exchange.json(await wholeResponse(answering, context));
  return exchange.stream(responseFrames(answering, context), answering, (failure) => {
    const { error } = failureBody(failure, 'openai', exchange.requestId) as { error: Record<string, unknown> };
    return `event: error\ndata: ${JSON.stringify({ ...error, type: 'error', sequence_number: 0 })}\n\n`;
  });
}

/** Throws `not-found`. */
export function keptResponse(answers: AnswerStore, tenant: string, id: string): Record<string, unknown> {
  const response = answers.get(tenant, id)?.response;
  if (response !== undefined) return response;
  throw new MimoError('not-found', `There is no response ${id.slice(0, 80)}.`, { field: 'previous_response_id' });
}

function takenUp({ body, chat }: ResponsesIn, tenant: string, answers: AnswerStore): ChatRequest {
  const messages = [...instructionsOf(body)];
  if (typeof body.previous_response_id === 'string') {
    keptResponse(answers, tenant, body.previous_response_id);
    messages.push(...(answers.get(tenant, body.previous_response_id)?.messages ?? []));
  }
  messages.push(...chat.messages);
  return { ...chat, messages };
}

function instructionsOf({ instructions }: ResponsesRequest): Message[] {
  return instructions ? [{ role: 'system', content: instructions }] : [];
}

function baseOf(body: ResponsesRequest, model: string): Record<string, unknown> {
  return {
    object: 'response',
    created_at: Math.floor(Date.now() / 1000),
    background: false,
    error: null,
    incomplete_details: null,
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    model,
    parallel_tool_calls: true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: body.store ?? true,
    temperature: body.temperature ?? null,
    text: { format: { type: 'text' } },
    tool_choice: body.tool_choice ?? 'auto',
    tools: body.tools ?? [],
    top_p: body.top_p ?? null,
    truncation: 'disabled',
    metadata: body['metadata'] ?? {},
  };
}
