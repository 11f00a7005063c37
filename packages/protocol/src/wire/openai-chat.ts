// The OpenAI Chat Completions wire as MiMo's servers speak it: request, answer, stream chunk, usage, error envelope. Loose
// where servers differ (nulls, missing fields, further fields pass), strict where a wrong type would be believed. Shapes
// only: mapping to messages lives in openai-messages.ts, merging of deltas in the client.
import { z } from 'zod';

type Nullable<T> = T | null | undefined;

export interface ChatCompletionPart {
  type: string;
  text?: string | undefined;
  [extra: string]: unknown;
}

export interface ChatCompletionToolCall {
  id: string;
  type: 'function';
  function: { name: string; arguments: string };
}

/** One message of a request. Reasoning goes by either name; a server that wants one is sent that one. */
export interface ChatCompletionMessage {
  role: 'system' | 'developer' | 'user' | 'assistant' | 'tool';
  content?: Nullable<string | ChatCompletionPart[]>;
  reasoning_content?: Nullable<string>;
  reasoning?: Nullable<string>;
  tool_calls?: Nullable<ChatCompletionToolCall[]>;
  tool_call_id?: Nullable<string>;
}

export interface ChatCompletionTool {
  type: 'function';
  function: { name: string; description?: Nullable<string>; parameters?: unknown; [extra: string]: unknown };
}

export type ChatCompletionToolChoice = 'auto' | 'none' | 'required' | { type: 'function'; function: { name: string } };

export interface ChatCompletionRequest {
  model: string;
  messages: ChatCompletionMessage[];
  tools?: Nullable<ChatCompletionTool[]>;
  tool_choice?: Nullable<ChatCompletionToolChoice>;
  thinking?: Nullable<{ type: 'enabled' | 'disabled' }>;
  chat_template_kwargs?: Nullable<Record<string, unknown>>;
  max_completion_tokens?: Nullable<number>;
  max_tokens?: Nullable<number>;
  temperature?: Nullable<number>;
  top_p?: Nullable<number>;
  top_k?: Nullable<number>;
  min_p?: Nullable<number>;
  repetition_penalty?: Nullable<number>;
  frequency_penalty?: Nullable<number>;
  presence_penalty?: Nullable<number>;
  stop?: Nullable<string | string[]>;
  seed?: Nullable<number>;
  stream?: Nullable<boolean>;
  stream_options?: Nullable<{ include_usage?: Nullable<boolean> }>;
  [extra: string]: unknown;
}

export interface ChatCompletionUsage {
  prompt_tokens?: Nullable<number>;
  completion_tokens?: Nullable<number>;
  total_tokens?: Nullable<number>;
  prompt_tokens_details?: Nullable<{ cached_tokens?: Nullable<number> }>;
  completion_tokens_details?: Nullable<{
    reasoning_tokens?: Nullable<number>;
    accepted_prediction_tokens?: Nullable<number>;
    rejected_prediction_tokens?: Nullable<number>;
  }>;
  /** SGLang counts here, beside the details. */
  reasoning_tokens?: Nullable<number>;
}

/** A tool call as it arrives: any part may be missing, the arguments may be an object already. */
export interface ChatCompletionToolCallDelta {
  index?: Nullable<number>;
  id?: Nullable<string>;
  type?: Nullable<string>;
  function?: Nullable<{ name?: Nullable<string>; arguments?: Nullable<string | Record<string, unknown>> }>;
}

/** A stream's delta, and equally the message of an answer in one piece. */
export interface ChatCompletionDelta {
  role?: Nullable<string>;
  content?: Nullable<string>;
  reasoning_content?: Nullable<string>;
  reasoning?: Nullable<string>;
  tool_calls?: Nullable<ChatCompletionToolCallDelta[]>;
}

export interface ChatCompletionChunk {
  id?: Nullable<string>;
  model?: Nullable<string>;
  choices?: Nullable<
    { index?: Nullable<number>; delta?: Nullable<ChatCompletionDelta>; finish_reason?: Nullable<string> }[]
  >;
  usage?: Nullable<ChatCompletionUsage>;
  prompt_progress?: Nullable<ChatPromptProgress>;
}

/** llama.cpp's, asked for by `return_progress`. `processed` counts cached tokens too. */
export interface ChatPromptProgress {
  total: number;
  cache: number;
  processed: number;
  time_ms?: Nullable<number>;
}

export interface ChatCompletion {
  id?: Nullable<string>;
  model?: Nullable<string>;
  choices: { index?: Nullable<number>; message: ChatCompletionDelta; finish_reason?: Nullable<string> }[];
  usage?: Nullable<ChatCompletionUsage>;
}

/** `{ error }` of OpenAI, MiMo and llama.cpp; `{ object: 'error', message, … }` of SGLang and older vLLM; `{ detail }` of FastAPI. */
export interface ChatErrorEnvelope {
  message: string;
  type?: string;
  param?: string;
  code?: string;
}

const text = z.string().nullish();
const count = z.number().int().nonnegative();
const finite = z.number();

const toolCallSchema = z.object({
  id: z.string(),
  type: z.literal('function'),
  function: z.looseObject({ name: z.string(), arguments: z.string() }),
});

const messageSchema = z.looseObject({
  role: z.enum(['system', 'developer', 'user', 'assistant', 'tool']),
  content: z.union([z.string(), z.array(z.looseObject({ type: z.string(), text: z.string().optional() }))]).nullish(),
  reasoning_content: text,
  reasoning: text,
  tool_calls: z.array(toolCallSchema).nullish(),
  tool_call_id: text,
});

const toolSchema = z.object({
  type: z.literal('function'),
  function: z.looseObject({ name: z.string().min(1), description: text, parameters: z.unknown().optional() }),
});

/** What a server accepts. Bounds of the sampling parameters are the sampler's business, types are checked here. */
export const chatCompletionRequestSchema: z.ZodType<ChatCompletionRequest> = z.looseObject({
  model: z.string(),
  messages: z.array(messageSchema).min(1),
  tools: z.array(toolSchema).nullish(),
  tool_choice: z
    .union([
      z.enum(['auto', 'none', 'required']),
      z.object({ type: z.literal('function'), function: z.object({ name: z.string() }) }),
    ])
    .nullish(),
  thinking: z.object({ type: z.enum(['enabled', 'disabled']) }).nullish(),
  chat_template_kwargs: z.record(z.string(), z.unknown()).nullish(),
  max_completion_tokens: count.nullish(),
  max_tokens: count.nullish(),
  temperature: finite.nullish(),
  top_p: finite.nullish(),
  top_k: finite.nullish(),
  min_p: finite.nullish(),
  repetition_penalty: finite.nullish(),
  frequency_penalty: finite.nullish(),
  presence_penalty: finite.nullish(),
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  seed: z.number().int().nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
});

const usageSchema = z.looseObject({
  prompt_tokens: count.nullish(),
  completion_tokens: count.nullish(),
  total_tokens: count.nullish(),
  prompt_tokens_details: z.looseObject({ cached_tokens: count.nullish() }).nullish(),
  completion_tokens_details: z
    .looseObject({
      reasoning_tokens: count.nullish(),
      accepted_prediction_tokens: count.nullish(),
      rejected_prediction_tokens: count.nullish(),
    })
    .nullish(),
  reasoning_tokens: count.nullish(),
});

const deltaSchema = z.looseObject({
  role: text,
  content: text,
  reasoning_content: text,
  reasoning: text,
  tool_calls: z
    .array(
      z.looseObject({
        index: count.nullish(),
        id: text,
        type: text,
        function: z
          .looseObject({
            name: text,
            arguments: z.union([z.string(), z.record(z.string(), z.unknown())]).nullish(),
          })
          .nullish(),
      }),
    )
    .nullish(),
});

export const chatCompletionChunkSchema: z.ZodType<ChatCompletionChunk> = z.looseObject({
  id: text,
  model: text,
  choices: z
    .array(z.looseObject({ index: count.nullish(), delta: deltaSchema.nullish(), finish_reason: text }))
    .nullish(),
  usage: usageSchema.nullish(),
  prompt_progress: z
    .looseObject({ total: count, cache: count, processed: count, time_ms: z.number().nullish() })
    .nullish(),
});

export const chatCompletionSchema: z.ZodType<ChatCompletion> = z.looseObject({
  id: text,
  model: text,
  choices: z.array(z.looseObject({ index: count.nullish(), message: deltaSchema, finish_reason: text })),
  usage: usageSchema.nullish(),
});

const scalar = z.union([z.string(), z.number()]).nullish();
const errorFields = z.looseObject({ message: text, type: scalar, param: scalar, code: scalar });
const errorBody = z.looseObject({ error: z.union([errorFields, z.string()]).nullish() });
const detailBody = z.looseObject({ detail: z.unknown() });

/** Reads any of the known error bodies; undefined when `body` is none. */
export function readChatError(body: unknown): ChatErrorEnvelope | undefined {
  const wrapped = errorBody.safeParse(body);
  const inner = wrapped.success ? wrapped.data.error : undefined;
  if (typeof inner === 'string') return { message: inner };
  if (inner) return envelope(inner);
  const flat = errorFields.safeParse(body);
  if (flat.success && typeof flat.data.message === 'string') return envelope(flat.data);
  const detail = detailBody.safeParse(body);
  if (!detail.success || detail.data.detail === undefined) return undefined;
  const { detail: said } = detail.data;
  return { message: typeof said === 'string' ? said : JSON.stringify(said) };
}

function envelope(fields: z.infer<typeof errorFields>): ChatErrorEnvelope {
  const out: ChatErrorEnvelope = { message: fields.message ?? '' };
  if (fields.type != null && fields.type !== '') out.type = String(fields.type);
  if (fields.param != null && fields.param !== '') out.param = String(fields.param);
  if (fields.code != null && fields.code !== '') out.code = String(fields.code);
  return out;
}
