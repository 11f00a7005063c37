// A chat completion request → ChatRequest, with every field that would change the answer either understood or refused by name.
import {
  type ChatRequest,
  isJsonObject,
  jsonGet,
  type JsonValue,
  type Message,
  type Sampling,
  type ToolChoice,
} from '@mimokit/protocol';
import {
  type ChatCompletionRequest,
  chatCompletionRequestSchema,
  fromOpenAIMessages,
  fromOpenAITools,
} from '@mimokit/protocol/wire';
import { checkCount, checkedBody, type JsonBody } from '../body.ts';
import { refuseConstraints } from '../constraints.ts';
import { badField } from '../http-error.ts';
import type { Limits } from '../limits.ts';
import { wantsProgress } from '../progress.ts';
import { checkTools } from '../tool-schema.ts';

export interface ChatIn {
  model: string;
  chat: ChatRequest;
  choices: number;
  stream: boolean;
  includeUsage: boolean;
  /** Rivals of each token that were asked for; undefined: no log-probabilities at all. */
  topLogprobs: number | undefined;
}

/** Throws `invalid-argument`, `invalid-message` or `invalid-tool`, each with its field. */
export function readChatRequest({ plain, lossless }: JsonBody, limits: Limits): ChatIn {
  checkCount(plain, 'messages', limits.messages);
  checkCount(plain, 'tools', limits.tools);
  const body = checkedBody(chatCompletionRequestSchema, plain);
  refuseUnknown(body);
  const messages = fromOpenAIMessages(jsonGet(lossless, 'messages')).map((message, index) =>
    withReasoningDetails(message, body, index),
  );
  const tools = fromOpenAITools(jsonGet(lossless, 'tools'));
  checkTools(tools, limits, (index) => `tools[${index}].function.parameters`);
  const chat: ChatRequest = { messages };
  if (tools.length > 0) chat.tools = tools;
  const toolChoice = toolChoiceOf(body, tools);
  if (toolChoice !== undefined) chat.toolChoice = toolChoice;
  const thinking = thinkingOf(body);
  if (thinking !== undefined) chat.thinking = thinking;
  const budget = body['thinking_token_budget'] ?? body['thinking_budget'];
  if (budget !== undefined && budget !== null) chat.thinkingBudget = thinkingBudgetOf(budget, 'thinking_token_budget');
  const keep = body.chat_template_kwargs?.['keep_all_reasoning'];
  if (typeof keep === 'boolean') chat.keepAllReasoning = keep;
  const maxTokens = maxTokensOf(body.max_completion_tokens ?? body.max_tokens, limits, 'max_tokens');
  if (maxTokens !== undefined) chat.maxTokens = maxTokens;
  const sampling = samplingOf(body);
  if (sampling !== undefined) chat.sampling = sampling;
  const stop = stopOf(body.stop);
  if (stop !== undefined) chat.stop = stop;
  if (typeof body.seed === 'number') chat.seed = body.seed;
  if (body['mtp'] === false) chat.mtp = false;
  const topLogprobs = topLogprobsOf(body);
  if (topLogprobs !== undefined) chat.topLogprobs = Math.max(1, topLogprobs);
  const bias = biasOf(body['logit_bias']);
  if (bias !== undefined) chat.bias = bias;
  if (wantsProgress(body) && body.stream === true) chat.wantProgress = true;
  const choices = choicesOf(body['n'], limits);
  const stream = body.stream ?? false;
  return {
    model: body.model,
    chat,
    choices,
    stream,
    includeUsage: body.stream_options?.include_usage ?? false,
    topLogprobs,
  };
}

/** Fields that change the answer and that no model here can follow. */
function refuseUnknown(body: ChatCompletionRequest): void {
  refuseConstraints(body);
  const functions = body['functions'];
  if (Array.isArray(functions) && functions.length > 0) throw badField('functions', 'is the old form', 'Use tools.');
  const modalities = body['modalities'];
  if (Array.isArray(modalities) && modalities.some((each) => each !== 'text')) {
    throw badField('modalities', "other than ['text'] are not supported");
  }
}

function topLogprobsOf(body: ChatCompletionRequest): number | undefined {
  const { logprobs, top_logprobs: top = null } = body;
  if (logprobs !== undefined && logprobs !== null && typeof logprobs !== 'boolean') {
    throw badField('logprobs', 'must be true or false');
  }
  if (top !== null && (typeof top !== 'number' || !Number.isInteger(top) || top < 0 || top > 20)) {
    throw badField('top_logprobs', 'must be a whole number from 0 to 20');
  }
  if (logprobs === true) return top ?? 0;
  if (top !== null) throw badField('top_logprobs', 'needs logprobs: true');
  return undefined;
}

/** Ids as the keys of an object, as OpenAI writes them. Which ids there are is the model's business. */
export function biasOf(bias: unknown): Map<number, number> | undefined {
  if (bias === undefined || bias === null) return undefined;
  if (!isJsonObject(bias)) throw badField('logit_bias', 'must be an object of ids and numbers');
  const entries = Object.entries(bias).map(([id, value]): [number, number] => {
    if (typeof value !== 'number' || !(value >= -100 && value <= 100)) {
      throw badField(`logit_bias.${id.slice(0, 20)}`, 'must be a number from -100 to 100');
    }
    return [Number(id), value];
  });
  return entries.length > 0 ? new Map(entries) : undefined;
}

/** OpenRouter's form of reasoning, for messages that have no other. */
function withReasoningDetails(message: Message, body: ChatCompletionRequest, index: number): Message {
  if (message.role !== 'assistant' || message.reasoning !== undefined) return message;
  const source: object = body.messages[index];
  if (!('reasoning_details' in source) || !Array.isArray(source.reasoning_details)) return message;
  let reasoning = '';
  for (const detail of source.reasoning_details) {
    const text = jsonGet(detail as JsonValue, 'text');
    if (typeof text === 'string') reasoning += text;
  }
  return reasoning === '' ? message : { ...message, reasoning };
}

function toolChoiceOf(body: ChatCompletionRequest, tools: readonly { name: string }[]): ToolChoice | undefined {
  const choice = body.tool_choice;
  if (choice === null || choice === undefined) return undefined;
  return checkedToolChoice(typeof choice === 'string' ? choice : { name: choice.function.name }, tools);
}

/** A call can only be asked for when there is something to call. Throws `invalid-argument`. */
export function checkedToolChoice(choice: ToolChoice, tools: readonly { name: string }[]): ToolChoice {
  if (choice === 'auto' || choice === 'none') return choice;
  if (tools.length === 0) throw badField('tool_choice', 'asks for a call and there are no tools');
  if (choice !== 'required' && !tools.some(({ name }) => name === choice.name)) {
    throw badField('tool_choice', `names ${choice.name.slice(0, 64)}, which is not among the tools`);
  }
  return choice;
}

/** The switches of the MiMo platform, of SGLang and vLLM, and of OpenAI; the first that is there counts. */
function thinkingOf(body: ChatCompletionRequest): boolean | undefined {
  if (body.thinking) return body.thinking.type === 'enabled';
  for (const [key, value] of Object.entries(body.chat_template_kwargs ?? {})) {
    if (key !== 'enable_thinking' && key !== 'thinking' && key !== 'keep_all_reasoning') {
      throw badField(`chat_template_kwargs.${key.slice(0, 64)}`, 'is not known to the template');
    }
    if (typeof value !== 'boolean') throw badField(`chat_template_kwargs.${key}`, 'must be true or false');
  }
  const kwargs = body.chat_template_kwargs;
  const flag = kwargs?.['enable_thinking'] ?? kwargs?.['thinking'] ?? body['enable_thinking'];
  if (typeof flag === 'boolean') return flag;
  return effortOf(body['reasoning_effort'], 'reasoning_effort');
}

/** Any effort but `none` lets the model think; how long is its own business. */
export function effortOf(effort: unknown, field: string): boolean | undefined {
  if (effort === undefined || effort === null) return undefined;
  if (typeof effort !== 'string') throw badField(field, 'must be a string');
  return effort !== 'none';
}

/** Tokens of reasoning after which the model answers. Throws `invalid-argument`. */
function thinkingBudgetOf(budget: unknown, field: string): number {
  if (typeof budget === 'number' && Number.isSafeInteger(budget) && budget >= 0) return budget;
  throw badField(field, 'must be a count of tokens');
}

/** Undefined: what fits. More than the server gives is cut to that. Throws `invalid-argument` for less than 1. */
export function maxTokensOf(wanted: number | null | undefined, limits: Limits, field: string): number | undefined {
  if (wanted !== null && wanted !== undefined && (!Number.isSafeInteger(wanted) || wanted < 1)) {
    throw badField(field, `is ${wanted}; it must be a count of at least 1`);
  }
  const most = limits.maxTokens === Number.MAX_SAFE_INTEGER ? undefined : limits.maxTokens;
  if (wanted === null || wanted === undefined) return most;
  return most === undefined ? wanted : Math.min(wanted, most);
}

export type SamplingFields = Pick<
  ChatCompletionRequest,
  'temperature' | 'top_p' | 'top_k' | 'min_p' | 'repetition_penalty' | 'frequency_penalty' | 'presence_penalty'
>;

const samplingNames: readonly (readonly [keyof SamplingFields, keyof Sampling])[] = [
  ['temperature', 'temperature'],
  ['top_p', 'topP'],
  ['top_k', 'topK'],
  ['min_p', 'minP'],
  ['repetition_penalty', 'repetitionPenalty'],
  ['frequency_penalty', 'frequencyPenalty'],
  ['presence_penalty', 'presencePenalty'],
];

/** The sampling parameters that were sent; bounds are the sampler's business. */
export function samplingOf(body: SamplingFields): Partial<Sampling> | undefined {
  const sampling: Partial<Sampling> = {};
  for (const [wire, name] of samplingNames) {
    const value = body[wire];
    if (typeof value !== 'number') continue;
    // SGLang and vLLM write -1 for "all ids".
    sampling[name] = name === 'topK' && value === -1 ? 0 : value;
  }
  return Object.keys(sampling).length > 0 ? sampling : undefined;
}

export function stopOf(stop: string | readonly string[] | null | undefined): readonly string[] | undefined {
  if (stop === null || stop === undefined) return undefined;
  const texts = typeof stop === 'string' ? [stop] : stop;
  return texts.length > 0 ? texts : undefined;
}

export function choicesOf(n: unknown, limits: Limits): number {
  if (n === undefined || n === null) return 1;
  if (typeof n !== 'number' || !Number.isInteger(n) || n < 1 || n > limits.choices) {
    throw badField('n', `must be a whole number from 1 to ${limits.choices}`);
  }
  return n;
}
