// Room for the next step: admits waiting sequences, reserves blocks for the scheduled rows, preempts when there is not
// enough for all. Who is important is the scheduler's say.
import { MimoError, none } from '@mimokit/protocol';
import type { KvManager } from './kv/kv-manager.ts';
import { rowOf, type ScheduledRow, type Scheduler } from './scheduler.ts';
import { remainingTokens, type Sequence } from './sequence.ts';

/** A row with everything the batch needs to know. */
export interface PlacedRow extends ScheduledRow {
  /** How many of its last tokens are drafts. */
  draftLen: number;
  /** Drafts wanted afterwards. */
  draftNext: number;
  saveWindow: number;
}

export interface PlacementLimits {
  maxRows: number;
  /** Whether prefixes are kept and used again, and whether a window is kept at the end of a prompt. */
  prefixCache: boolean;
  keepsPrompts: boolean;
}

/** From so many uncomputed blocks on, a step of its own for the last token of a prompt costs next to nothing. */
const longPromptBlocks = 4;

/** Sequences of one engine in their pools. */
export class Placement {
  readonly #kv: KvManager;
  readonly #scheduler: Scheduler;
  readonly #limits: PlacementLimits;
  preemptions = 0;

  constructor(kv: KvManager, scheduler: Scheduler, limits: PlacementLimits) {
    this.#kv = kv;
    this.#scheduler = scheduler;
    this.#limits = limits;
  }

  /** The rows of the next step, with blocks and windows reserved. Throws `invalid-argument` for a scheduler's impossible row. */
  plan(tokenBudget: number): PlacedRow[] {
    this.#admitWaiting();
    const rows = this.#scheduler.schedule(tokenBudget);
    let tokens = 0;
    const seen = new Set<Sequence>();
    for (const row of rows) {
      if (seen.has(row.sequence)) throw impossible(`sequence ${row.sequence.id} has two rows`);
      seen.add(row.sequence);
      tokens += checkedTokens(row);
    }
    if (tokens > tokenBudget) throw impossible(`${tokens} tokens are over the budget of ${tokenBudget}`);

    const rank = new Map(this.#scheduler.order().map((sequence, index) => [sequence, index]));
    const placed: PlacedRow[] = [];
    for (const row of rows.sort((a, b) => rank.get(a.sequence)! - rank.get(b.sequence)!)) {
      // A row may have lost its place to a more important one above.
      if (row.sequence.state === 'live' && this.#makeRoom(row)) placed.push(this.#place(row));
    }
    if (placed.length > 0) return placed;
    // All scheduled rows have to wait for blocks. The most important sequence can always have them, and goes on.
    const first = this.#scheduler.order().find((sequence) => sequence.state === 'live');
    if (first === undefined) return [];
    const row = rowOf(first, tokenBudget);
    return this.#makeRoom(row) ? [this.#place(row)] : [];
  }

  /** Gives back what a live sequence holds; it waits again and computes what is not cached by then a second time. */
  preempt(sequence: Sequence): void {
    this.#release(sequence, true);
    this.preemptions++;
  }

  /** The runner lost all it had written: live sequences wait and start anew from their tokens, and nothing is cached. */
  loseMemory(): void {
    for (const sequence of this.#scheduler.order()) if (sequence.state === 'live') this.#release(sequence, false);
    this.#kv.clear();
  }

  #release(sequence: Sequence, keeps: boolean): void {
    this.#kv.release(sequence, keeps);
    sequence.state = 'waiting';
    sequence.drafts = [];
    sequence.savePoints = [];
  }

  #admitWaiting(): void {
    const order = [...this.#scheduler.order()];
    let live = order.filter((sequence) => sequence.state === 'live').length;
    for (const sequence of order) {
      if (sequence.state !== 'waiting') continue;
      // Who would find no row anyway need not look for company.
      if ((sequence.leader !== undefined || live < this.#limits.maxRows) && this.#followsLeader(sequence, order))
        continue;
      // Nobody overtakes: a large prompt would wait for ever behind small ones.
      while (live >= this.#limits.maxRows || !this.#admit(sequence)) {
        const victim = order.findLast((other) => other.state === 'live' && this.#scheduler.displaces(sequence, other));
        if (victim === undefined) return;
        this.preempt(victim);
        live--;
      }
      live++;
    }
  }

  /**
   * Whether the sequence had better wait: a live one before it is about to compute what both begin with. It is told to keep a
   * window there. So samples of one prompt, and prompts with the same tools, compute it once.
   */
  #followsLeader(sequence: Sequence, order: readonly Sequence[]): boolean {
    const { leader } = sequence;
    if (leader !== undefined) {
      if (leader.sequence.state === 'live' && leader.sequence.contextLen < leader.length) return true;
      // It came that far, or it never will.
      sequence.leader = undefined;
      return false;
    }
    const { prefixCache } = this.#limits;
    const { request, tokens } = sequence;
    if (!prefixCache || request.wantRoutes) return false;
    // Where no step need end for it, one block is worth waiting for.
    const worthwhile = (this.#kv.hasWindows ? longPromptBlocks : 1) * this.#kv.capacity.blockTokens;
    let longest = this.#kv.match(tokens, request.namespace).tokens + worthwhile - 1;
    for (const other of order) {
      if (other === sequence) break;
      if (other.state !== 'live' || other.request.namespace !== request.namespace) continue;
      const length = sharedLength(tokens, other.tokens, tokens.length - 1);
      if (length <= longest || other.contextLen >= length) continue;
      longest = length;
      sequence.leader = { sequence: other, length };
    }
    if (sequence.leader === undefined) return false;
    if (!this.#kv.hasWindows) return true;
    const { savePoints } = sequence.leader.sequence;
    if (!savePoints.includes(longest)) sequence.leader.sequence.savePoints = [...savePoints, longest];
    return true;
  }

  #admit(sequence: Sequence): boolean {
    const { request, tokens } = sequence;
    // Routes are recorded when a position runs, so a cached prefix would leave a gap.
    const limit = request.wantRoutes ? Math.min(sequence.routedLen, tokens.length - 1) : tokens.length - 1;
    const match = this.#kv.match(tokens, request.namespace, limit);
    if (!this.#kv.admit(sequence, match)) return false;
    if (!sequence.wasAdmitted) sequence.cachedTokens = Math.min(match.tokens, request.prompt.length);
    sequence.wasAdmitted = true;
    sequence.savePoints = [];
    if (!this.#kv.hasWindows) return true;
    // Others computed the same prefix, but no window was kept at its end: the next one to come will find one there.
    const isWorthAStep = match.knownTokens - match.tokens >= this.#kv.capacity.blockTokens;
    if (isWorthAStep && match.knownTokens < tokens.length) sequence.savePoints = [match.knownTokens];
    // The same prompt once more can resume before its last token at most, which must run to say what follows.
    const last = request.prompt.length - 1;
    const isLong = last - match.tokens >= longPromptBlocks * this.#kv.capacity.blockTokens;
    if (this.#limits.keepsPrompts && isLong) sequence.savePoints = [...sequence.savePoints, last];
    return true;
  }

  #makeRoom(row: ScheduledRow): boolean {
    const { sequence } = row;
    if (this.#kv.reserve(sequence, row.end)) return true;
    if (row.samples && row.end > sequence.tokens.length) {
      // Speculation must not cost another sequence its place.
      row.end = sequence.tokens.length;
      if (this.#kv.reserve(sequence, row.end)) return true;
    }
    for (;;) {
      const victim = this.#scheduler.order().findLast((other) => other.state === 'live');
      // The least important one waits where it is.
      if (victim === undefined || victim === sequence) return false;
      this.preempt(victim);
      if (this.#kv.reserve(sequence, row.end)) return true;
    }
  }

  #place(row: ScheduledRow): PlacedRow {
    const { sequence, end, samples } = row;
    const { length } = sequence.request.prompt;
    const isSavePoint = sequence.savePoints.includes(end);
    // Where the last but one was kept, this one would save a single token.
    const isPromptEnd = this.#limits.keepsPrompts && end === length && sequence.emitted === 0 && row.start < length - 1;
    return {
      ...row,
      draftLen: samples ? end - sequence.tokens.length : 0,
      draftNext: 0,
      saveWindow: isSavePoint || isPromptEnd ? this.#kv.saveTarget() : none,
    };
  }
}

/** How many tokens both begin with, at most `limit`. */
function sharedLength(a: readonly number[], b: readonly number[], limit: number): number {
  const most = Math.min(b.length, limit);
  let length = 0;
  while (length < most && a[length] === b[length]) length++;
  return length;
}

function checkedTokens({ sequence, start, end, samples }: ScheduledRow): number {
  const known = sequence.tokens.length;
  const isValid =
    sequence.state === 'live' &&
    start === sequence.contextLen &&
    end > start &&
    end <= known + Math.min(sequence.drafts.length, remainingTokens(sequence) - 1) &&
    samples === end >= known;
  if (!isValid) throw impossible(`sequence ${sequence.id} cannot run [${start}, ${end})`);
  return end - start;
}

function impossible(problem: string): MimoError {
  return new MimoError('invalid-argument', `The scheduler returned an impossible step: ${problem}.`, {
    hint: 'Build rows of live sequences with rowOf(sequence, budget).',
  });
}
