// Shapes of the golden files (see the fixtures' README) and how their tensors are compared.
import { type FixtureTensor, fixtureJson } from '@mimokit/fixtures';
import type { ModelRunner } from '@mimokit/protocol';
import { StepSequence, stepTogether } from '@mimokit/protocol/testing';
import { expect } from 'vitest';

export const models = ['t1-bf16', 't1-fp8', 't2-fp8'] as const;
export const tolerance = 1e-4;

export interface PromptGolden {
  name: string;
  ids: number[];
  /** Which rows of the prompt the tensors hold. */
  positions: number[];
  plain: { greedy: number[] };
  dyn?: { greedy: number[] };
  wplus1: { greedy: number[] };
}

export interface MtpCase {
  prompt: string;
  mode: 'plain' | 'dyn';
  ids: number[];
  next_token: number;
  drafts: number[];
  positions: number[];
}

export interface Trace {
  prompt: string;
  mode: 'plain' | 'dyn';
  kv: 'exact' | 'stale';
  ids: number[];
  output: number[];
  steps: { n: number; last_token: number; drafts: number[]; accepted: number; emitted: number[] }[];
}

export const promptsOf = (model: string): PromptGolden[] =>
  fixtureJson<{ prompts: PromptGolden[] }>('goldens', model, 'forward.json').prompts;
export const mtpCasesOf = (model: string): MtpCase[] =>
  fixtureJson<{ cases: MtpCase[] }>('goldens', model, 'mtp.json').cases;
export const tracesOf = (model: string): Trace[] =>
  fixtureJson<{ traces: Trace[] }>('goldens', model, 'traces.json').traces;

/** Rows `positions` of [n, width] values. */
export function rowsOf(values: ArrayLike<number>, width: number, positions: readonly number[]): number[] {
  return positions.flatMap((position) => Array.from({ length: width }, (_, index) => values[position * width + index]));
}

/** No element differs by more than the tolerance, and none is NaN. */
export function expectClose(found: ArrayLike<number>, expected: FixtureTensor, what: string): void {
  expect(found.length, what).toBe(expected.data.length);
  let largest = 0;
  for (let index = 0; index < found.length; index++) {
    const difference = Math.abs(found[index] - expected.data[index]);
    if (!(difference <= largest)) largest = Number.isNaN(difference) ? Infinity : difference;
  }
  expect(largest, what).toBeLessThanOrEqual(tolerance);
}

export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let [ab, aa, bb] = [0, 0, 0];
  for (let index = 0; index < a.length; index++) {
    ab += a[index] * b[index];
    aa += a[index] ** 2;
    bb += b[index] ** 2;
  }
  return ab / Math.sqrt(aa * bb);
}

/** `count` greedy ids after a prompt, by step(), with drafts of `depth`. */
export async function greedyIds(
  runner: ModelRunner,
  prompt: readonly number[],
  count: number,
  { depth = 0, chunk = Number.POSITIVE_INFINITY }: { depth?: number; chunk?: number } = {},
): Promise<number[]> {
  const blocks = Array.from({ length: runner.capacity.blocks }, (_, block) => block);
  const sequence = new StepSequence(prompt, { window: 0, blocks }, runner.capacity.blockTokens);
  while (sequence.emitted.length < count) await stepTogether(runner, [sequence], [sequence.row(chunk, depth)]);
  return sequence.emitted.slice(0, count);
}
