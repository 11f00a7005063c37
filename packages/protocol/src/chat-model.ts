// ChatModel: the one noun on both sides of the wire. TokenModel: what a local engine offers beside it.
import type { FinishReason, PromptProgress, StreamEvent, Usage } from './event.ts';
import type { AssistantMessage, Message } from './message.ts';
import type { Sampling } from './sampling.ts';
import type { Tool, ToolChoice } from './tool.ts';

export interface ChatRequest {
  messages: readonly Message[];
  tools?: readonly Tool[];
  toolChoice?: ToolChoice;
  /** Whether the model may think first; the default is the model's. */
  thinking?: boolean;
  /** Tokens of reasoning after which `</think>` is written for the model, so that it answers. Local engines only. */
  thinkingBudget?: number;
  maxTokens?: number;
  sampling?: Partial<Sampling>;
  /** Texts that end the answer; they are not part of it. */
  stop?: readonly string[];
  seed?: number;
  /** Additive logit bias by id. Local engines only. */
  bias?: ReadonlyMap<number, number>;
  /** 0 = none, n = log-probabilities of text and reasoning with their n best rivals, in the deltas. Local engines only. */
  topLogprobs?: number;
  /** MTP self-speculation, on by default. It never changes the text. */
  mtp?: boolean;
  /** Whether the reasoning of every past turn stays in the prompt; the default is the model's. Local engines only. */
  keepAllReasoning?: boolean;
  /** Tells of the prompt as it is run, in `prompt-progress` events. Local engines, and servers that tell. */
  wantProgress?: boolean;
  /** Cache tenant: prefixes are shared only within one namespace. Local engines only. */
  namespace?: string;
  signal?: AbortSignal;
}

export interface ChatStream extends AsyncIterable<StreamEvent> {
  /** Runs the stream to its end (or joins a running one) and returns the whole message. */
  message(): Promise<AssistantMessage>;
}

export interface ChatModel {
  readonly modelId: string;
  /** Leaving a `for await` loop over the stream cancels the request. */
  chat(request: ChatRequest): ChatStream;
}

export interface GenerateRequest {
  ids: ArrayLike<number>;
  /** Default: what still fits into the context. */
  maxTokens?: number;
  sampling?: Partial<Sampling>;
  seed?: number;
  /** Ids that end the sequence; default: the model's end-of-sequence ids. */
  stopIds?: readonly number[];
  /** Goes on past stop ids up to maxTokens. */
  ignoreEos?: boolean;
  /** Additive logit bias by id. */
  bias?: ReadonlyMap<number, number>;
  /** 0 = none, n = the chosen token's log-probability and its n best rivals. */
  topLogprobs?: number;
  /** Return the experts of every token of prompt and answer. */
  wantRoutes?: boolean;
  /** Tells of the prompt as it is run, in `prompt-progress` events. */
  wantProgress?: boolean;
  /** MTP self-speculation, on by default. It never changes the ids. */
  mtp?: boolean;
  /** Cache tenant: prefixes are shared only within one namespace. */
  namespace?: string;
  /** Higher runs first under the priority policy. */
  priority?: number;
  signal?: AbortSignal;
}

export interface TokenLogprob {
  id: number;
  logprob: number;
  rivals: readonly { id: number; logprob: number }[];
}

export type GenerateEvent =
  | PromptProgress
  | {
      type: 'tokens';
      ids: readonly number[];
      logprobs?: readonly TokenLogprob[];
      /** [tokens run in this step, moeLayers, topK] */
      routes?: Uint8Array | Uint16Array;
    }
  | { type: 'finish'; reason: FinishReason; usage: Usage };

/** Ids in, ids out, with what belongs to them. */
export interface TokenModel {
  generate(request: GenerateRequest): AsyncIterable<GenerateEvent>;
  tokenize(text: string): Int32Array;
  detokenize(ids: ArrayLike<number>): string;
  render(request: ChatRequest): { text: string; ids: Int32Array };
}
