// Picking on hand-made logits: ties, penalties, each filter alone, verification, log-probabilities.
import { randomAt } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { largestLogit, logProbabilities, pick, type PickRules } from './pick.ts';

function rules(changes: Partial<PickRules> = {}): PickRules {
  return {
    temperature: 0,
    topP: 1,
    topK: 0,
    minP: 0,
    repetitionPenalty: 1,
    frequencyPenalty: 0,
    presencePenalty: 0,
    seed: 1,
    counts: new Map(),
    bias: new Map(),
    pickableIds: 5,
    ...changes,
  };
}

const noDrafts = new Int32Array();
const one = (logits: number[], changes: Partial<PickRules> = {}, position = 0): number =>
  pick(
    Float32Array.from(logits),
    logits.length,
    position,
    noDrafts,
    rules({ pickableIds: logits.length, ...changes }),
  )[0];

/** How often each id comes up over many positions. */
function shares(logits: number[], changes: Partial<PickRules>, draws = 4000): number[] {
  const counts = logits.map(() => 0);
  for (let position = 0; position < draws; position++) counts[one(logits, { temperature: 1, ...changes }, position)]++;
  return counts.map((count) => count / draws);
}

test('the lowest id wins a tie, greedy or sampled with topK 1', () => {
  expect(one([1, 3, 3, 2])).toBe(1);
  expect(one([1, 3, 3, 2], { temperature: 1, topK: 1 })).toBe(1);
  expect(one([-0, 0, -1], { temperature: 1, topK: 1 })).toBe(0);
});

test('logits that are no numbers are an error, not an id', () => {
  expect(() => one([Number.NaN, Number.NaN])).toThrow(/no finite logit/);
  expect(() => one([Number.NaN, Number.NEGATIVE_INFINITY], { temperature: 1 })).toThrow(/no finite logit/);
  expect(one([Number.NaN, -5, -7])).toBe(1);
});

test('samples follow the softmax of logits over temperature', () => {
  const logits = [Math.log(0.5), Math.log(0.3), Math.log(0.2)];
  shares(logits, {}).forEach((share, id) => expect(share).toBeCloseTo([0.5, 0.3, 0.2][id], 1));
  const hot = shares(logits, { temperature: 2 });
  const roots = [0.5, 0.3, 0.2].map(Math.sqrt);
  const total = roots.reduce((sum, root) => sum + root);
  hot.forEach((share, id) => expect(share).toBeCloseTo(roots[id] / total, 1));
});

test('the id is the first whose cumulated probability exceeds the random number of (seed, position)', () => {
  for (let position = 0; position < 200; position++) {
    const random = randomAt(9, position);
    const expected = random < 0.5 ? 1 : random < 0.75 ? 0 : 2;
    expect(one([0, Math.log(2), 0], { temperature: 1, seed: 9 }, position)).toBe(expected);
  }
});

test('topK, topP and minP each cut the tail where they should', () => {
  const logits = [Math.log(0.4), Math.log(0.3), Math.log(0.2), Math.log(0.1)];
  const alive = (changes: Partial<PickRules>): number[] =>
    shares(logits, changes).flatMap((share, id) => (share > 0 ? [id] : []));
  expect(alive({})).toEqual([0, 1, 2, 3]);
  expect(alive({ topK: 2 })).toEqual([0, 1]);
  expect(alive({ topP: 0.65 })).toEqual([0, 1]);
  expect(alive({ topP: 0.75 })).toEqual([0, 1, 2]);
  expect(alive({ topP: 0 })).toEqual([0]);
  expect(alive({ minP: 0.6 })).toEqual([0, 1]);
  expect(alive({ minP: 1 })).toEqual([0]);
});

test('the repetition penalty shrinks every listed id, presence and frequency only those of the answer', () => {
  const counts = new Map([
    [0, 0],
    [1, 2],
  ]);
  expect(one([2, 1.9], { counts: new Map([[0, 0]]), repetitionPenalty: 1.5 })).toBe(1);
  expect(one([-2, -2.5], { counts: new Map([[0, 0]]), repetitionPenalty: 1.5 })).toBe(1);
  expect(one([2, 2.5, 1], { counts: new Map(counts), presencePenalty: 1 })).toBe(0);
  expect(one([2, 2.9, 1], { counts: new Map(counts), frequencyPenalty: 0.5 })).toBe(0);
  expect(one([2, 3.1, 1], { counts: new Map(counts), frequencyPenalty: 0.5 })).toBe(1);
});

test('bias comes last, and ids from pickableIds on are out of reach even with it', () => {
  expect(one([1, 2, 3], { bias: new Map([[0, 5]]) })).toBe(0);
  expect(one([1, 2, 3], { bias: new Map([[2, 100]]), pickableIds: 2 })).toBe(1);
});

test('a verify emits the accepted drafts and one id more', () => {
  const rows = Float32Array.from([0, 9, 0, 0, 0, /**/ 0, 0, 9, 0, 0, /**/ 0, 0, 0, 9, 0]);
  const verify = (...drafts: number[]): number[] => pick(rows, 5, 10, Int32Array.from(drafts), rules());
  expect(verify(1, 2)).toEqual([1, 2, 3]);
  expect(verify(1, 4)).toEqual([1, 2]);
  expect(verify(0, 2)).toEqual([1]);
});

test('ids that a verify emits count for the rows after them', () => {
  const rows = Float32Array.from([0, 9, 8, 0, 0, /**/ 0, 9, 8, 0, 0]);
  expect(pick(rows, 5, 0, Int32Array.of(1), rules({ presencePenalty: 2 }))).toEqual([1, 2]);
});

test('log-probabilities are of the plain logits; rivals come best first, lower ids first on a tie', () => {
  const logits = Float32Array.from([0, 2, 1, 2, -1]);
  const total = Math.log([0, 2, 1, 2, -1].reduce((sum, logit) => sum + Math.exp(logit), 0));
  const { logprobs, rivals } = logProbabilities(logits, 4, 3);
  expect(rivals).toEqual([1, 3, 2]);
  [-1, 2, 2, 1].forEach((logit, index) => expect(logprobs[index]).toBeCloseTo(logit - total, 12));
});

test('the largest logit may be the last or negative', () => {
  expect(largestLogit(Float32Array.of(-3, -2, -1))).toBe(2);
});
