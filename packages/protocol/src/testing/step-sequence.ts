// One sequence driven through a runner by hand: the least that an engine does, for tests. No scheduling, no cache.
import type { ModelRunner } from '../step.ts';
import { packRows, type StepRow, type StepRowResult, unpackRows } from './step-rows.ts';

export interface SequencePlace {
  window: number;
  /** Block ids in order; as many as the sequence will need. */
  blocks: readonly number[];
}

export type RowOptions = Pick<StepRow, 'sampling' | 'seed' | 'topLogprobs' | 'wantRoutes' | 'bias'>;

export class StepSequence {
  /** Prompt and emitted ids; those from contextLen on have not run yet. */
  readonly tokens: number[];
  readonly promptLength: number;
  contextLen = 0;
  drafts: number[] = [];
  place: SequencePlace;
  readonly #options: RowOptions;
  readonly #blockTokens: number;

  constructor(prompt: readonly number[], place: SequencePlace, blockTokens: number, options: RowOptions = {}) {
    this.tokens = [...prompt];
    this.promptLength = prompt.length;
    this.place = place;
    this.#blockTokens = blockTokens;
    this.#options = options;
  }

  get emitted(): number[] {
    return this.tokens.slice(this.promptLength);
  }

  /** The next row: at most `chunk` tokens; drafts are verified when everything known fits. */
  row(chunk: number = Number.POSITIVE_INFINITY, draftNext = 0, extra: Partial<StepRow> = {}): StepRow {
    const pending = this.tokens.slice(this.contextLen, this.contextLen + chunk);
    const samples = this.contextLen + pending.length === this.tokens.length;
    const drafts = samples ? this.drafts : [];
    const tokens = [...pending, ...drafts];
    const blocks = this.place.blocks.slice(0, Math.ceil((this.contextLen + tokens.length) / this.#blockTokens));
    return {
      tokens,
      contextLen: this.contextLen,
      draftLen: drafts.length,
      samples,
      draftNext: samples ? draftNext : 0,
      blocks,
      window: this.place.window,
      ...this.#options,
      counts: this.#counts(),
      ...extra,
    };
  }

  #counts(): [number, number][] {
    const { repetitionPenalty = 1, frequencyPenalty = 0, presencePenalty = 0 } = this.#options.sampling ?? {};
    if (repetitionPenalty === 1 && frequencyPenalty === 0 && presencePenalty === 0) return [];
    const counts = new Map<number, number>();
    this.tokens.forEach((id, index) => counts.set(id, (counts.get(id) ?? 0) + (index < this.promptLength ? 0 : 1)));
    return [...counts];
  }

  /** Commits what the row has done. */
  apply(row: StepRow, result: StepRowResult): void {
    const sure = row.tokens.length - (row.draftLen ?? 0);
    this.contextLen += sure + Math.max(0, result.tokens.length - 1);
    this.tokens.push(...result.tokens);
    this.drafts = result.drafts;
  }
}

/** Sequences, advanced together: one row each in one step. Returns the results, after applying them. */
export async function stepTogether(
  runner: ModelRunner,
  sequences: readonly StepSequence[],
  rows: readonly StepRow[],
): Promise<StepRowResult[]> {
  const results = unpackRows(rows, await runner.step(packRows(rows)));
  sequences.forEach((sequence, index) => sequence.apply(rows[index], results[index]));
  return results;
}
