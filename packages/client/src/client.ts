// createClient: a ChatModel over chat completions. Transport, retries and clocks are http-model.ts, which any route shares.
import type { ChatModel, ChatRequest } from '@mimokit/protocol';
import { chatCompletionChunkSchema, chatCompletionSchema } from '@mimokit/protocol/wire';
import { createAccumulator } from './accumulate.ts';
import { type AnswerReader, createHttpModel, type HttpOptions, type RouteContext } from './http-model.ts';
import { buildRequest } from './request.ts';
import { checkWire } from './wire-check.ts';

/** `extraBody` wins over what the client sends; `preset` says how the server spells things. */
export type ClientOptions = HttpOptions;

/**
 * A chat model behind an OpenAI-compatible server. Reasoning arrives by either wire name and goes back byte for byte.
 * A stream throws MimoError: `http-status`, `reasoning-missing`, `http-network`, `http-timeout`, `stream-malformed`; in
 * mid-answer with `details.partial`. An aborted `signal` ends the events with `finish` of reason `aborted` and what there
 * was, and rejects `message()`.
 */
export function createClient(options: ClientOptions): ChatModel {
  return createHttpModel(options, {
    path: '/chat/completions',
    open: (request: ChatRequest, { preset, stream, limits }: RouteContext) => ({
      body: buildRequest(request, { preset, model: options.model, stream }),
      reader: chatReader(limits.answerChars),
    }),
  });
}

function chatReader(maxChars: number): AnswerReader {
  const accumulator = createAccumulator({ maxChars });
  return {
    push: (value, where) => accumulator.push(checkWire(chatCompletionChunkSchema, value, where)),
    pushWhole: (value) => accumulator.pushWhole(checkWire(chatCompletionSchema, value, 'The answer')),
    end: (done) => accumulator.end(done),
    abort: () => accumulator.abort(),
    partial: () => accumulator.partial(),
  };
}
