// Biases of q, k and v through the whole forward pass and the MTP heads, against logits computed in float64.
import { attentionBiasGolden } from '@mimokit/fixtures';
import { expect, test } from 'vitest';
import { createJsRunner } from '../src/index.ts';
import { expectWithin } from './goldens.ts';

test('a model with attention_bias gives the golden logits', async () => {
  const { files, ids, taps } = attentionBiasGolden();
  const runner = await createJsRunner(files);
  const found = await runner.inspect(ids, [...taps.keys()]);
  expect(taps.size).toBe(4);
  for (const [tap, expected] of taps) expectWithin(tap, found[tap].data, expected, 1e-4);
});
