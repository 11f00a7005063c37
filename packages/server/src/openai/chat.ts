// POST /v1/chat/completions: read, prepare, start, write.
import type { Exchange } from '../exchange.ts';
import type { JsonBody } from '../body.ts';
import type { FindModel } from '../find-model.ts';
import { failureBody } from '../http-error.ts';
import { readChatRequest } from './chat-in.ts';
import { chatCompletion, chatFrames, type ChatOutContext, type ReasoningField } from './chat-out.ts';

export async function answerChat(
  exchange: Exchange,
  body: JsonBody,
  options: { findModel: FindModel; reasoningField: ReasoningField },
): Promise<Response> {
  const {
    model: name,
    chat,
    choices,
    stream,
    includeUsage,
    topLogprobs,
  } = readChatRequest(body, exchange.shared.limits);
  const model = options.findModel(name);
  const answering = await exchange.start(model, exchange.prepare(chat), choices);
  const context: ChatOutContext = {
    id: `chatcmpl-${exchange.requestId.slice(4)}`,
    model: model.modelId,
    created: Math.floor(Date.now() / 1000),
    choices,
    includeUsage,
    reasoningField: options.reasoningField,
    topLogprobs,
    onMessage: (message) => exchange.remember(message),
  };
  if (!stream) return exchange.json(await chatCompletion(answering, context));
  return exchange.stream(
    chatFrames(answering, context),
    answering,
    (failure) => `data: ${JSON.stringify(failureBody(failure, 'openai', exchange.requestId))}\n\n`,
  );
}
