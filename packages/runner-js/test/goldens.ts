// Shapes of the golden files (fixtures README) and the comparisons that the tests share.
import type { FixtureTensor } from '@mimokit/fixtures';

export interface ForwardGolden {
  model: string;
  new_tokens: number;
  prompts: {
    name: string;
    ids: number[];
    /** Rows of the tensors. */
    positions: number[];
    plain: { greedy: number[] };
    dyn?: { greedy: number[] };
    wplus1: { greedy: number[] };
  }[];
}

export interface MtpGolden {
  heads: number;
  cases: {
    prompt: string;
    mode: 'plain' | 'dyn';
    ids: number[];
    next_token: number;
    drafts: number[];
    positions: number[];
    /** [head][position] */
    argmax_all: number[][];
  }[];
}

export interface TraceGolden {
  traces: {
    prompt: string;
    mode: 'plain' | 'dyn';
    kv: 'exact' | 'stale';
    ids: number[];
    new_tokens: number;
    output: number[];
    steps: { n: number; last_token: number; drafts: number[]; accepted: number; emitted: number[] }[];
  }[];
}

/** A golden tensor that must be there. */
export function golden(tensors: ReadonlyMap<string, FixtureTensor>, name: string): FixtureTensor {
  const tensor = tensors.get(name);
  if (tensor === undefined) throw new Error(`the golden file has no ${name}`);
  return tensor;
}

/** Rows `positions` of a [n, width] array. */
export function rowsAt(data: ArrayLike<number>, width: number, positions: readonly number[]): Float32Array {
  const out = new Float32Array(positions.length * width);
  positions.forEach((position, row) => {
    for (let index = 0; index < width; index++) out[row * width + index] = data[position * width + index];
  });
  return out;
}

/** Largest absolute difference; NaN counts as infinite. */
export function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) throw new Error(`lengths differ: ${a.length} and ${b.length}`);
  let largest = 0;
  for (let index = 0; index < a.length; index++) {
    const difference = Math.abs(a[index] - b[index]);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Number.POSITIVE_INFINITY : difference;
  }
  return largest;
}

/** Throws when values differ by more than `tolerance`. */
export function expectWithin(
  what: string,
  found: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
): void {
  const largest = largestDifference(found, expected);
  if (!(largest <= tolerance)) throw new Error(`${what}: the largest difference is ${largest}, over ${tolerance}`);
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  let aa = 0;
  let bb = 0;
  for (let index = 0; index < a.length; index++) {
    dot += a[index] * b[index];
    aa += a[index] * a[index];
    bb += b[index] * b[index];
  }
  return dot / Math.sqrt(aa * bb);
}
