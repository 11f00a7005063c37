// The one mutable record of a request while it lives: its tokens, what is committed, what it holds. No decisions here:
// scheduler, KvManager and apply.ts change it.
import type { Guide } from './guide.ts';
import type { SequenceKv } from './kv/kv-manager.ts';
import type { TokenStream } from './token-stream.ts';
import type { TokenCounts } from './sampling.ts';

/** Logit bias as parallel arrays in order of ids. */
export interface SparseBias {
  readonly ids: Int32Array;
  readonly values: Float32Array;
}

/** What a request asked for, checked and filled in. Never changes. */
export interface SequenceRequest {
  readonly prompt: Int32Array;
  readonly maxTokens: number;
  /** One row of StepBatch.sampling. */
  readonly sampling: Float32Array;
  readonly seed: number;
  readonly stopIds: ReadonlySet<number>;
  readonly bias: SparseBias;
  readonly topLogprobs: number;
  readonly wantRoutes: boolean;
  readonly wantProgress: boolean;
  readonly mtp: boolean;
  readonly namespace: string;
  readonly priority: number;
  readonly guide: Guide | undefined;
}

export interface Sequence {
  /** Counts up with arrival: the smaller came first. */
  readonly id: number;
  readonly request: SequenceRequest;
  /** Prompt and answer; ids are only appended. */
  readonly tokens: number[];
  /** `waiting`: holds no block and no window. `live`: holds a window. */
  state: 'waiting' | 'live' | 'finished';
  /** Positions committed to KV. */
  contextLen: number;
  /** Proposals for the positions after `tokens`. */
  drafts: number[];
  /** What has to come next; undefined: the answer is not guided. */
  guide: Guide | undefined;
  /** The request's bias and what the guide rules out, for the next draw. */
  bias: SparseBias;
  /** Ids emitted so far. */
  emitted: number;
  /** What it holds while live. */
  kv: SequenceKv | undefined;
  /** Positions where a step shall end, because keeping a window there is worth a step. */
  savePoints: readonly number[];
  /** While waiting: a live sequence that is about to compute the beginning of this one, and how much of it. */
  leader: { sequence: Sequence; length: number } | undefined;
  /** The last step that ran it, for fairness. */
  lastStep: number;
  /** Set from outside, seen at the next step. */
  aborted: boolean;
  /** The most positions it ever had committed, and how often memory was lost in a step of it since it came so far. */
  furthest: number;
  losses: number;
  /** Positions whose routes were handed out: recorded once, also when they are computed again. */
  routedLen: number;
  cachedTokens: number;
  /** Set at its first admission, so that a return after preemption does not count as a cache hit. */
  wasAdmitted: boolean;
  readonly acceptLengths: number[];
  /** Only for rows with penalties. */
  readonly counts: TokenCounts | undefined;
  readonly stream: TokenStream;
  /** Called once when it ends. */
  onEnd: () => void;
}

/** A waiting sequence. */
export function createSequence(
  id: number,
  request: SequenceRequest,
  counts: TokenCounts | undefined,
  stream: TokenStream,
): Sequence {
  return {
    id,
    request,
    tokens: Array.from(request.prompt),
    state: 'waiting',
    contextLen: 0,
    drafts: [],
    guide: request.guide,
    bias: request.bias,
    emitted: 0,
    kv: undefined,
    savePoints: [],
    leader: undefined,
    lastStep: -1,
    aborted: false,
    furthest: 0,
    losses: 0,
    routedLen: 0,
    cachedTokens: 0,
    wasAdmitted: false,
    acceptLengths: [],
    counts,
    stream,
    onEnd: () => {},
  };
}

/** Ids it may still emit. */
export function remainingTokens(sequence: Sequence): number {
  return sequence.request.maxTokens - sequence.emitted;
}
