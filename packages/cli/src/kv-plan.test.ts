// KV arithmetic, checked against the published figures of the 309B model.
import type { CheckpointInfo } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { fitOf, kvPlan } from './kv-plan.ts';

const attention = { heads: 64, qkDim: 192, vDim: 128, rotaryDim: 64, ropeTheta: 5e6, windowKeys: 128, sinks: true };
const config = {
  hiddenSize: 4096,
  contextLength: 262144,
  mtpHeads: 3,
  global: { ...attention, layers: 9, kvHeads: 4 },
  sliding: { ...attention, layers: 39, kvHeads: 8 },
} as CheckpointInfo['config'];

test('the global layers of MiMo-V2-Flash take 23,040 bytes a token in bf16, about 6.0 GB at full context', () => {
  const plan = kvPlan(config);
  expect(plan.tokenBytes).toEqual({ f32: 46080, bf16: 23040, fp8: 11520 });
  expect(plan.contexts.at(-1)!.tokens).toBe(262144);
  expect(plan.contexts.at(-1)!.bytes.bf16 / 1e9).toBeCloseTo(6.07, 1);
});

test('a window of 130 positions holds sliding layers, MTP heads and three hidden rows', () => {
  expect(kvPlan(config).windowBytes.bf16).toBe(130 * 42 * 8 * 320 * 2 + 3 * 4096 * 4);
});

test('what fits counts whole sequences beside the weights', () => {
  const plan = kvPlan(config);
  const full = plan.contexts.at(-1)!.bytes.bf16;
  const fits = fitOf({ totalBytes: 1000 } as CheckpointInfo, plan, 1000 + 2.5 * full);
  expect(fits.at(-1)!.sequences.bf16).toBe(2);
  expect(fitOf({ totalBytes: 1000 } as CheckpointInfo, plan, 10).at(-1)!.sequences.bf16).toBe(0);
});
