// Rows as objects to a StepBatch and back: what tests of runners speak instead of flat arrays.
import { none, type StepBatch, type StepResult } from '../step.ts';
import { resolveSampling, type Sampling } from '../sampling.ts';

export interface StepRow {
  tokens: readonly number[];
  contextLen: number;
  draftLen?: number;
  /** Default true. */
  samples?: boolean;
  draftNext?: number;
  blocks: readonly number[];
  window: number;
  copyWindow?: number;
  saveWindow?: number;
  copyBlock?: readonly [from: number, to: number];
  /** Greedy unless given. */
  sampling?: Partial<Sampling>;
  seed?: number;
  topLogprobs?: number;
  wantRoutes?: boolean;
  bias?: readonly (readonly [id: number, value: number])[];
  counts?: readonly (readonly [id: number, count: number])[];
}

export interface StepRowResult {
  tokens: number[];
  drafts: number[];
  /** Per emitted token: its log-probability, then those of the rivals. */
  logprobs: number[];
  rivals: number[];
  /** [tokens of the row, moeLayers, topK] */
  routes: number[];
}

/** Packs rows into the arrays of one step. */
export function packRows(rows: readonly StepRow[]): StepBatch {
  const starts = (lengths: readonly number[]): Int32Array => {
    const out = new Int32Array(lengths.length + 1);
    lengths.forEach((length, row) => (out[row + 1] = out[row] + length));
    return out;
  };
  const bias = rows.flatMap((row) => row.bias ?? []);
  const counts = rows.flatMap((row) => row.counts ?? []);
  return {
    tokens: Int32Array.from(rows.flatMap((row) => row.tokens)),
    rowStart: starts(rows.map((row) => row.tokens.length)),
    contextLen: Int32Array.from(rows, (row) => row.contextLen),
    draftLen: Int32Array.from(rows, (row) => row.draftLen ?? 0),
    samples: Uint8Array.from(rows, (row) => (row.samples === false ? 0 : 1)),
    draftNext: Int32Array.from(rows, (row) => row.draftNext ?? 0),
    blockTable: Int32Array.from(rows.flatMap((row) => row.blocks)),
    blockStart: starts(rows.map((row) => row.blocks.length)),
    windows: Int32Array.from(rows, (row) => row.window),
    copyWindow: Int32Array.from(rows, (row) => row.copyWindow ?? none),
    saveWindow: Int32Array.from(rows, (row) => row.saveWindow ?? none),
    copyBlock: Int32Array.from(rows.flatMap((row) => row.copyBlock ?? [none, none])),
    sampling: Float32Array.from(rows.flatMap((row) => samplingNumbers(row.sampling))),
    seeds: Uint32Array.from(rows, (row) => row.seed ?? 0),
    topLogprobs: Uint8Array.from(rows, (row) => row.topLogprobs ?? 0),
    wantRoutes: Uint8Array.from(rows, (row) => (row.wantRoutes === true ? 1 : 0)),
    biasStart: starts(rows.map((row) => row.bias?.length ?? 0)),
    biasIds: Int32Array.from(bias, ([id]) => id),
    biasValues: Float32Array.from(bias, ([, value]) => value),
    countStart: starts(rows.map((row) => row.counts?.length ?? 0)),
    countIds: Int32Array.from(counts, ([id]) => id),
    countValues: Int32Array.from(counts, ([, count]) => count),
  };
}

function samplingNumbers(partial: Partial<Sampling> | undefined): number[] {
  const sampling = resolveSampling(partial);
  const { temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty } = sampling;
  return [temperature, topP, topK, minP, repetitionPenalty, frequencyPenalty, presencePenalty];
}

/** The result of each row. */
export function unpackRows(rows: readonly StepRow[], result: StepResult): StepRowResult[] {
  const routedTokens = rows.reduce((sum, row) => sum + (row.wantRoutes === true ? row.tokens.length : 0), 0);
  const routesPerToken = routedTokens === 0 ? 0 : (result.routes?.length ?? 0) / routedTokens;
  let logprobAt = 0;
  let rivalAt = 0;
  let routeAt = 0;
  return rows.map((row, index) => {
    const tokens = [...result.tokens.subarray(result.tokenStart[index], result.tokenStart[index + 1])];
    const best = row.topLogprobs ?? 0;
    const logprobs = best === 0 ? 0 : tokens.length * (best + 1);
    const routes = row.wantRoutes === true ? row.tokens.length * routesPerToken : 0;
    const unpacked: StepRowResult = {
      tokens,
      drafts: [...result.drafts.subarray(result.draftStart[index], result.draftStart[index + 1])],
      logprobs: Array.from(result.logprobs?.subarray(logprobAt, logprobAt + logprobs) ?? []),
      rivals: Array.from(result.rivals?.subarray(rivalAt, rivalAt + tokens.length * best) ?? []),
      routes: Array.from(result.routes?.subarray(routeAt, routeAt + routes) ?? []),
    };
    logprobAt += logprobs;
    rivalAt += tokens.length * best;
    routeAt += routes;
    return unpacked;
  });
}
