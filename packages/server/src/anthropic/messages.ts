// POST /v1/messages and /v1/messages/count_tokens: read, take up a thread, prepare, start, write.
import { type ChatRequest, type Message, MimoError } from '@mimokit/protocol';
import type { AnswerStore } from '../answer-store.ts';
import type { JsonBody } from '../body.ts';
import type { Exchange } from '../exchange.ts';
import type { FindModel } from '../find-model.ts';
import { badField, failureBody } from '../http-error.ts';
import { checkedToolChoice } from '../openai/chat-in.ts';
import { tokenModel } from '../token-model.ts';
import { type MessagesIn, readMessagesRequest } from './messages-in.ts';
import { messageFrames, type MessagesOutContext, wholeMessage } from './messages-out.ts';

interface Parts {
  findModel: FindModel;
  answers: AnswerStore;
}

export async function answerMessages(
  exchange: Exchange,
  body: JsonBody,
  { findModel, answers }: Parts,
): Promise<Response> {
  const request = readMessagesRequest(body, exchange.shared.limits);
  if (request.chat.maxTokens === undefined) throw badField('max_tokens', 'is missing');
  const model = findModel(request.model);
  const chat = exchange.prepare(takenUp(request, exchange.tenant, answers));
  const answering = await exchange.start(model, chat, 1);
  const context: MessagesOutContext = {
    id: `msg_${exchange.requestId.slice(4)}`,
    model: model.modelId,
    onMessage: (message) => {
      exchange.remember(message);
      if (request.thread === undefined) return;
      const messages: Message[] = [...chat.messages, message];
      answers.keep(exchange.tenant, context.id, { messages, tools: chat.tools ?? [] });
    },
  };
  if (!request.stream) return exchange.json(await wholeMessage(answering, context));
  return exchange.stream(
    messageFrames(answering, context),
    answering,
    (failure) => `event: error\ndata: ${JSON.stringify(failureBody(failure, 'anthropic', exchange.requestId))}\n\n`,
  );
}

/** The prompt's tokens, for models that run here. */
export async function countMessageTokens(
  exchange: Exchange,
  body: JsonBody,
  { findModel, answers }: Parts,
): Promise<Response> {
  const request = readMessagesRequest(body, exchange.shared.limits);
  const model = tokenModel(findModel(request.model));
  const chat = exchange.prepare(takenUp(request, exchange.tenant, answers));
  return exchange.json({ input_tokens: model.render(chat).ids.length });
}

/** The request with what its thread holds: earlier messages, the system text among them, and tools. */
function takenUp({ chat, thread }: MessagesIn, tenant: string, answers: AnswerStore): ChatRequest {
  if (thread?.type !== 'continue') return chat;
  const kept = answers.get(tenant, thread.previousId);
  if (kept === undefined) {
    throw new MimoError('not-found', `There is no thread at ${thread.previousId.slice(0, 80)}.`, {
      hint: 'Send the whole conversation as a new thread.',
      field: 'thread.previous_message_id',
      errorCode: 'thread_not_found',
    });
  }
  if (chat.tools !== undefined) throw badField('tools', 'cannot change on a thread');
  if (chat.messages[0]?.role === 'system') throw badField('system', 'cannot change on a thread');
  const messages = [...kept.messages, ...chat.messages];
  if (messages.at(-1)?.role === 'assistant') throw badField('messages', 'must have something new to answer');
  const { tools } = kept;
  const continued: ChatRequest = { ...chat, messages };
  if (tools.length > 0) continued.tools = tools;
  if (chat.toolChoice !== undefined) continued.toolChoice = checkedToolChoice(chat.toolChoice, tools);
  return continued;
}
