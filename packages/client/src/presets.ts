// What differs between servers of MiMo, as data: how to sign, which spelling to send, which parameters exist. Reading is
// never preset-dependent: both spellings of reasoning and all delta shapes are understood from everyone.
import type { Sampling } from '@mimokit/protocol';

export type ReasoningField = 'reasoning_content' | 'reasoning';

export interface Preset {
  readonly name: string;
  /** Where it is found when the caller names no baseURL. */
  readonly baseURL?: string;
  /** The header that carries the key: `api-key: KEY` or `Authorization: Bearer KEY`. */
  readonly auth: 'api-key' | 'bearer';
  /** The name under which past reasoning is sent back. */
  readonly reasoningField: ReasoningField;
  /** `thinking: {type}`, `chat_template_kwargs: {enable_thinking}`, or `reasoning_effort` with `none` for off. */
  readonly thinking: 'thinking-type' | 'chat-template-kwargs' | 'reasoning-effort';
  readonly maxTokensField: 'max_completion_tokens' | 'max_tokens';
  /** Wire name of each sampling parameter; one that is missing here is unknown to the server. */
  readonly sampling: Readonly<Partial<Record<keyof Sampling, string>>>;
  readonly seed: boolean;
  /** Whether `mtp: false` means something to the server. */
  readonly mtp: boolean;
  /** Whether the server tells of the prompt as it runs it (`return_progress`). */
  readonly progress?: boolean;
  /** Most stop texts in one request. */
  readonly maxStops?: number;
  /** What `/completions` of this server wants beside the prompt; left out: the server has no such route. */
  readonly completions?: CompletionsDialect;
  /** How long the response headers may take. Servers that send them with the first token need the time of a prefill. */
  readonly connectMs: number;
}

export interface CompletionsDialect {
  /** Fields of every request. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** The field that takes ids which end the answer; left out: the server knows its end-of-sequence ids alone. */
  readonly stopIdsField?: string;
  /** False: prompts are text only. */
  readonly promptIds: boolean;
}

/** The think and tool tags are text of the answer; a checkpoint that marks them as special would lose them without this. */
const keepTags = { skip_special_tokens: false, spaces_between_special_tokens: false };

const openaiSampling = {
  temperature: 'temperature',
  topP: 'top_p',
  frequencyPenalty: 'frequency_penalty',
  presencePenalty: 'presence_penalty',
} as const;
const engineSampling = { ...openaiSampling, topK: 'top_k', minP: 'min_p', repetitionPenalty: 'repetition_penalty' };

export type PresetName = 'mimo' | 'sglang' | 'vllm' | 'llama.cpp' | 'transformers' | 'mimokit' | 'openai';

export const presets: Readonly<Record<PresetName, Preset>> = {
  /** The hosted Xiaomi MiMo platform. */
  mimo: {
    name: 'mimo',
    baseURL: 'https://api.xiaomimimo.com/v1',
    auth: 'api-key',
    reasoningField: 'reasoning_content',
    thinking: 'thinking-type',
    maxTokensField: 'max_completion_tokens',
    sampling: openaiSampling,
    seed: false,
    mtp: false,
    maxStops: 4,
    connectMs: 60_000,
  },
  sglang: {
    name: 'sglang',
    auth: 'bearer',
    reasoningField: 'reasoning_content',
    thinking: 'chat-template-kwargs',
    maxTokensField: 'max_completion_tokens',
    sampling: engineSampling,
    seed: true,
    mtp: false,
    completions: { fields: keepTags, stopIdsField: 'stop_token_ids', promptIds: true },
    connectMs: 60_000,
  },
  /** Since 2026 vLLM writes `reasoning` and reads both names. */
  vllm: {
    name: 'vllm',
    auth: 'bearer',
    reasoningField: 'reasoning',
    thinking: 'chat-template-kwargs',
    maxTokensField: 'max_completion_tokens',
    sampling: engineSampling,
    seed: true,
    mtp: false,
    // Without this a text prompt gets a second begin-of-sequence token where the tokenizer has one.
    completions: {
      fields: { ...keepTags, add_special_tokens: false },
      stopIdsField: 'stop_token_ids',
      promptIds: true,
    },
    connectMs: 60_000,
  },
  /** llama-server, started with --jinja. Its headers come with the first token. */
  'llama.cpp': {
    name: 'llama.cpp',
    progress: true,
    auth: 'bearer',
    reasoningField: 'reasoning_content',
    thinking: 'chat-template-kwargs',
    maxTokensField: 'max_tokens',
    sampling: { ...engineSampling, repetitionPenalty: 'repeat_penalty' },
    seed: true,
    mtp: false,
    completions: { fields: { cache_prompt: true }, promptIds: true },
    connectMs: 600_000,
  },
  /** `transformers serve`. It takes no temperature (greedy unless the checkpoint says otherwise) and refuses unknown fields. */
  transformers: {
    name: 'transformers',
    auth: 'bearer',
    reasoningField: 'reasoning_content',
    thinking: 'chat-template-kwargs',
    maxTokensField: 'max_tokens',
    sampling: {},
    seed: true,
    mtp: false,
    completions: { fields: {}, promptIds: false },
    connectMs: 600_000,
  },
  /** A MimoKit server; also the best guess for an unknown one. */
  mimokit: {
    name: 'mimokit',
    progress: true,
    auth: 'bearer',
    reasoningField: 'reasoning_content',
    thinking: 'thinking-type',
    maxTokensField: 'max_completion_tokens',
    sampling: engineSampling,
    seed: true,
    mtp: true,
    completions: { fields: {}, promptIds: true },
    connectMs: 60_000,
  } /** The narrowest common form, for gateways that check every field against OpenAI's own. */,
  openai: {
    name: 'openai',
    auth: 'bearer',
    reasoningField: 'reasoning_content',
    thinking: 'reasoning-effort',
    maxTokensField: 'max_completion_tokens',
    sampling: openaiSampling,
    seed: true,
    mtp: false,
    completions: { fields: {}, promptIds: true },
    maxStops: 4,
    connectMs: 600_000,
  },
};
