// Which rows run in the next step. Decides order and length only: blocks are reserved and sequences preempted in
// placement.ts, ids are packed in batch.ts, results are applied in apply.ts.
import { remainingTokens, type Sequence } from './sequence.ts';

/** A sequence's share of a step: it runs [start, end), and the positions from tokens.length on are drafts. */
export interface ScheduledRow {
  sequence: Sequence;
  start: number;
  end: number;
  /** Whether it reaches its last token, so that ids are wanted. */
  samples: boolean;
}

/** Plug your own: the engine only asks these questions. */
export interface Scheduler {
  add(sequence: Sequence): void;
  remove(sequence: Sequence): void;
  /** All sequences, the most important first: admitted in this order, preempted from the end. */
  order(): readonly Sequence[];
  /** Whether a waiting sequence may take the place of a live one. */
  displaces(waiting: Sequence, live: Sequence): boolean;
  /** Rows of live sequences with at most `tokenBudget` tokens together; at least one if any is live. */
  schedule(tokenBudget: number): ScheduledRow[];
}

/** The one formula of prefill, chunk, decode and verify. `budget` must be at least 1. */
export function rowOf(sequence: Sequence, budget: number): ScheduledRow {
  const known = sequence.tokens.length;
  const start = sequence.contextLen;
  const drafts = Math.min(sequence.drafts.length, remainingTokens(sequence) - 1);
  let end = Math.min(known + drafts, start + budget);
  // A step that ends where a window is worth keeping.
  for (const point of sequence.savePoints) if (start < point && point < end) end = point;
  return { sequence, start, end, samples: end >= known };
}

/**
 * Fair shares, as a pure function: decode rows first, least recently run first; then prompts in order of arrival, with at
 * least a quarter of the budget while one waits. `live` is in order of importance.
 */
export function fairRows(live: readonly Sequence[], tokenBudget: number): ScheduledRow[] {
  const isDecode = (sequence: Sequence): boolean => sequence.tokens.length - sequence.contextLen === 1;
  const prompts = live.filter((sequence) => !isDecode(sequence));
  const decodes = live.filter(isDecode).sort((a, b) => a.lastStep - b.lastStep);
  const share = prompts.length === 0 ? tokenBudget : tokenBudget - Math.ceil(tokenBudget / 4);
  if (share === 0) {
    // Too small to share within a step, so it is shared over steps.
    const next = [...live].sort((a, b) => a.lastStep - b.lastStep)[0];
    return [rowOf(next, tokenBudget)];
  }
  const rows: ScheduledRow[] = [];
  let left = tokenBudget;
  const add = (sequence: Sequence, budget: number): void => {
    const row = rowOf(sequence, budget);
    left -= row.end - row.start;
    rows.push(row);
  };
  for (const sequence of decodes) {
    const budget = share - (tokenBudget - left);
    if (budget <= 0) break;
    add(sequence, budget);
  }
  for (const sequence of prompts) {
    if (left <= 0) break;
    add(sequence, left);
  }
  return rows;
}

/** What makes a scheduler: who comes first, and optionally who may push out whom and how a step is filled. */
export interface SchedulingPolicy {
  /** Negative if `a` is more important. Ties go to the earlier arrival. */
  compare(a: Sequence, b: Sequence): number;
  displaces?(waiting: Sequence, live: Sequence): boolean;
  rows?(live: readonly Sequence[], tokenBudget: number): ScheduledRow[];
}

/** A scheduler from a policy of pure functions. */
export function createScheduler(policy: SchedulingPolicy): Scheduler {
  const sequences: Sequence[] = [];
  const precedes = (a: Sequence, b: Sequence): number => policy.compare(a, b) || a.id - b.id;
  return {
    add(sequence) {
      sequences.push(sequence);
    },
    remove(sequence) {
      const index = sequences.indexOf(sequence);
      if (index >= 0) sequences.splice(index, 1);
    },
    order: () => sequences.sort(precedes),
    displaces: (waiting, live) => policy.displaces?.(waiting, live) ?? false,
    schedule(tokenBudget) {
      const live = sequences.sort(precedes).filter((sequence) => sequence.state === 'live');
      if (live.length === 0) return [];
      return (policy.rows ?? fairRows)(live, tokenBudget);
    },
  };
}

/** First come, first served; every live sequence gets its turn. */
export function fairScheduler(): Scheduler {
  return createScheduler({ compare: () => 0 });
}

/** Higher `priority` first, also in place of a running one; equal priorities are treated fairly. */
export function priorityScheduler(): Scheduler {
  return createScheduler({
    compare: (a, b) => b.request.priority - a.request.priority,
    displaces: (waiting, live) => waiting.request.priority > live.request.priority,
    rows: (live, tokenBudget) => {
      // Within the budget the higher class is served completely before the next.
      const rows: ScheduledRow[] = [];
      let left = tokenBudget;
      for (let from = 0; from < live.length && left > 0;) {
        const { priority } = live[from].request;
        let to = from;
        while (to < live.length && live[to].request.priority === priority) to++;
        const added = fairRows(live.slice(from, to), left);
        for (const row of added) left -= row.end - row.start;
        rows.push(...added);
        from = to;
      }
      return rows;
    },
  });
}
