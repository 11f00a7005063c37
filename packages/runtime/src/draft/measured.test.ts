// The measured policy in made-up worlds: what a step costs and how often drafts come true is known here, and only told in samples.
import { describe, expect, test } from 'vitest';
import { expertCost, measuredDraftDepth, type StepCost } from './measured.ts';
import { type DraftPolicy, fixedDraftDepth } from './policy.ts';

interface World {
  cost: StepCost;
  /** Acceptance of each head. */
  rates: number[];
}

function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Ids per time over 6,000 steps of `rows` rows; times are noisy, now and then something holds a step up. */
function speed(policy: DraftPolicy, { cost, rates }: World, rows = 1): number {
  const random = randomFrom(7);
  let ids = 0;
  let time = 0;
  for (let step = 0; step < 6000; step++) {
    const depth = policy.depth({ rows, maxDraft: 3 });
    for (let row = 0; row < rows; row++) {
      let accepted = 0;
      while (accepted < depth && random() < rates[accepted]) accepted++;
      ids += accepted + 1;
      policy.observe({ proposed: depth, accepted });
    }
    const exact = 10 * cost(rows, depth);
    time += exact;
    const milliseconds = exact * (0.9 + 0.2 * random()) * (random() < 0.01 || step < 3 ? 20 : 1);
    policy.observeStep?.({ rows, tokens: rows * (1 + depth), drafts: rows * depth, milliseconds });
  }
  return ids / time;
}

const worlds: [string, World][] = [
  ['drafts that are free', { cost: () => 1, rates: [0.7, 0.6, 0.5] }],
  ['drafts that cost a step each', { cost: (_, depth) => 1 + depth, rates: [0.9, 0.9, 0.9] }],
  ['a bad drafter', { cost: (_, depth) => 1 + 0.3 * depth, rates: [0.05, 0.05, 0.05] }],
  [
    'a first head that is worth it and others that are not',
    { cost: (_, depth) => 1 + 0.25 * depth, rates: [0.8, 0.1, 0.1] },
  ],
  ['the second draft for free', { cost: (_, depth) => [1, 1.5, 1.52, 2.6][depth], rates: [0.7, 0.7, 0.7] }],
  ['few experts in many', { cost: expertCost({ experts: 256, topK: 8, expertShare: 0.8 }), rates: [0.8, 0.7, 0.6] }],
];

describe.each(worlds)('with %s', (_, world) => {
  test.each([1, 4])('it comes close to the best fixed depth at %i rows', (rows) => {
    const best = Math.max(...[0, 1, 2, 3].map((depth) => speed(fixedDraftDepth(depth), world, rows)));
    expect(speed(measuredDraftDepth(), world, rows)).toBeGreaterThan(0.95 * best);
  });
});

test('it follows when the text changes', () => {
  const policy = measuredDraftDepth();
  const cost: StepCost = (_, depth) => 1 + 0.2 * depth;
  speed(policy, { cost, rates: [0.95, 0.9, 0.9] });
  expect(policy.depth({ rows: 1, maxDraft: 3 })).toBe(3);
  speed(policy, { cost, rates: [0.02, 0.02, 0.02] });
  expect(policy.depth({ rows: 1, maxDraft: 3 })).toBe(0);
  speed(policy, { cost, rates: [0.95, 0.9, 0.9] });
  expect(policy.depth({ rows: 1, maxDraft: 3 })).toBe(3);
});

test('steps with prompts in them are not mistaken for slow drafts', () => {
  const policy = measuredDraftDepth();
  for (let step = 0; step < 400; step++) {
    policy.depth({ rows: 2, maxDraft: 3 });
    policy.observe({ proposed: 3, accepted: 3 });
    policy.observeStep?.({ rows: 2, tokens: 400, drafts: 3, milliseconds: 9000 });
  }
  expect(policy.depth({ rows: 2, maxDraft: 3 })).toBe(3);
  expect(policy.depth({ rows: 1, maxDraft: 0 })).toBe(0);
});

test('experts touched by a token are topK, by very many all', () => {
  const cost = expertCost({ experts: 16, topK: 2, expertShare: 1 });
  expect(cost(1, 0)).toBeCloseTo(1, 12);
  expect(cost(1, 1)).toBeCloseTo(2 - 2 / 16, 12);
  expect(cost(1000, 3)).toBeCloseTo(8, 6);
});
