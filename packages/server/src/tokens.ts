// Ids and prompts for callers who want to see them: /tokenize, /detokenize, /apply-template. Nothing is run.
import { z } from 'zod';
import { checkedBody, type JsonBody } from './body.ts';
import type { Exchange } from './exchange.ts';
import type { FindModel } from './find-model.ts';
import { badField } from './http-error.ts';
import { readChatRequest } from './openai/chat-in.ts';
import { tokenModel } from './token-model.ts';

interface Parts {
  findModel: FindModel;
  firstModel: string;
}

const tokenizeBody = z.looseObject({
  model: z.string().nullish(),
  prompt: z.string().nullish(),
  content: z.string().nullish(),
  messages: z.array(z.unknown()).nullish(),
});

/** `{ prompt }` (vLLM, SGLang) or `{ content }` (llama.cpp), or a chat: its ids as the model would get them. */
export async function answerTokenize(
  exchange: Exchange,
  body: JsonBody,
  { findModel, firstModel }: Parts,
): Promise<Response> {
  const request = checkedBody(tokenizeBody, body.plain);
  const model = tokenModel(findModel(request.model ?? firstModel));
  if (request.messages) return exchange.json(idsBody(renderOf(exchange, body, { findModel, firstModel }).ids, model));
  const text = request.prompt ?? request.content;
  if (typeof text !== 'string') throw badField('prompt', 'is missing');
  return exchange.json(idsBody(model.tokenize(text), model));
}

const detokenizeBody = z.looseObject({
  model: z.string().nullish(),
  tokens: z.array(z.number().int().nonnegative()),
});

/** What is taken, for the OpenAPI document. */
export const tokenizeSchema: z.ZodType = tokenizeBody;
export const detokenizeSchema: z.ZodType = detokenizeBody;

export async function answerDetokenize(
  exchange: Exchange,
  body: JsonBody,
  { findModel, firstModel }: Parts,
): Promise<Response> {
  const { model: name, tokens } = checkedBody(detokenizeBody, body.plain);
  const text = tokenModel(findModel(name ?? firstModel)).detokenize(tokens);
  return exchange.json({ prompt: text, content: text, text });
}

/** The prompt of a chat request, as text and as ids. */
export async function answerApplyTemplate(exchange: Exchange, body: JsonBody, parts: Parts): Promise<Response> {
  const { text, ids } = renderOf(exchange, body, parts);
  return exchange.json({ prompt: text, tokens: [...ids], count: ids.length });
}

function renderOf(
  exchange: Exchange,
  body: JsonBody,
  { findModel, firstModel }: Parts,
): { text: string; ids: Int32Array } {
  const named = typeof body.plain === 'object' && body.plain !== null && 'model' in body.plain;
  const plain = named ? body.plain : { ...(body.plain as object), model: firstModel };
  const { model, chat } = readChatRequest({ ...body, plain }, exchange.shared.limits);
  return tokenModel(findModel(model)).render(exchange.prepare(chat));
}

function idsBody(ids: Int32Array, model: object): Record<string, unknown> {
  const contextLength = (model as { info?: { contextLength?: number } }).info?.contextLength;
  return {
    tokens: [...ids],
    count: ids.length,
    ...(contextLength === undefined ? {} : { max_model_len: contextLength }),
  };
}
