// Stream events of a chat. Names are the AI SDK's, so that an adapter renames nothing.
import type { AssistantMessage, ToolCall } from './message.ts';

export type FinishReason = 'stop' | 'length' | 'tool-calls' | 'content-filter' | 'aborted' | 'error' | 'other';

/** Token counts of one answer. */
export interface Usage {
  promptTokens: number;
  /** Prompt tokens that were found in the prefix cache. */
  cachedTokens: number;
  completionTokens: number;
  reasoningTokens: number;
  /** One number per step after the prefill's own token: accepted drafts + 1. Local engines only. */
  acceptLengths?: readonly number[];
}

/** The log-probability of a token of the answer, with its best rivals, as text. */
export interface TextLogprob {
  id: number;
  text: string;
  logprob: number;
  rivals: readonly { id: number; text: string; logprob: number }[];
}

/** How much of a prompt has been run; asked for by `wantProgress`. */
export interface PromptProgress {
  type: 'prompt-progress';
  /** Of the prompt's tokens, cached ones included. */
  processedTokens: number;
  promptTokens: number;
  cachedTokens: number;
}

export type StreamEvent =
  /** Before the first delta, after every step that ran a part of the prompt. */
  | PromptProgress
  /** `logprobs`: of the tokens behind this text, when they were asked for. */
  | { type: 'reasoning-delta' | 'text-delta'; text: string; logprobs?: readonly TextLogprob[] }
  | { type: 'tool-input-start'; id: string; name: string }
  /** JSON text as it grows; strings stream, other values come whole. */
  | { type: 'tool-input-delta'; id: string; text: string }
  | { type: 'tool-input-end'; id: string }
  /** It was no call after all: `text` is content. */
  | { type: 'tool-input-cancelled'; id: string; text: string }
  | { type: 'tool-call'; call: ToolCall }
  | {
      type: 'finish';
      reason: FinishReason;
      usage: Usage;
      message: AssistantMessage;
      /** The text of `stop` that ended the answer. */
      stopText?: string;
    };
