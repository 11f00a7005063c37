// What a context policy is given and gives back. The policies are none.ts, discard-results.ts and summarise.ts; yours may be
// an object of your own.
import type { ChatModel, Message } from '@mimokit/protocol';
import type { Measure } from './measure.ts';

export interface Fitting {
  /** The conversation in full. */
  readonly messages: readonly Message[];
  /** So many of them, from the first, are the same as in the last call. */
  readonly known: number;
  /** Most tokens that the prompt may take, and most of any prompt and its answer together. */
  readonly limitTokens: number;
  readonly budgetTokens: number;
  /** Tokens by the model's tokenizer and template, with the request's tools. */
  readonly measure: Measure;
  /** For a policy that wants something written; its prompts and answers obey the budget as well. */
  readonly model: ChatModel;
  /** Whether the request offers the archive tools, so that notes may point to them. */
  readonly canSearch: boolean;
  readonly signal: AbortSignal;
}

/** What was taken out of the prompt: nothing is lost silently. The archive has it in full. */
export interface Cut {
  kind: 'discarded' | 'shortened' | 'summarised';
  /** Messages of the conversation, the last one included. */
  from: number;
  to: number;
}

export interface Fitted {
  messages: readonly Message[];
  /** What was newly cut in this call. */
  cuts: readonly Cut[];
}

/** Keeps what it cut until now, so that prompts stay the same from turn to turn: one policy object per conversation. */
export interface ContextPolicy {
  readonly name: string;
  /** False: the archive tools are of no use to it. */
  readonly cuts: boolean;
  /** The messages to send instead. May give more than fits: then the request is refused, not sent. */
  fit(fitting: Fitting): Promise<Fitted>;
}
