// The forward pass against transformers: every layer, router and logit of every golden prompt, and greedy text by step().
import { fixtureJson, fixturePath, readSafetensors } from '@mimokit/fixtures';
import type { Inspector, ModelRunner, RunnerOptions } from '@mimokit/protocol';
import { StepSequence, stepTogether } from '@mimokit/protocol/testing';
import { describe, expect, test } from 'vitest';
import { jsRunner } from '../src/node.ts';
import { cosine, expectWithin, type ForwardGolden, golden, rowsAt } from './goldens.ts';

const tolerance = 1e-4;

async function greedy(runner: ModelRunner, prompt: readonly number[], count: number, depth: number): Promise<number[]> {
  const blocks = Array.from({ length: runner.capacity.blocks }, (_, block) => block);
  const sequence = new StepSequence(prompt, { window: 0, blocks }, runner.capacity.blockTokens);
  while (sequence.emitted.length < count) await stepTogether(runner, [sequence], [sequence.row(64, depth)]);
  return sequence.emitted.slice(0, count);
}

for (const model of ['t1-bf16', 't1-fp8', 't2-fp8']) {
  const { prompts, new_tokens: newTokens } = fixtureJson<ForwardGolden>('goldens', model, 'forward.json');
  const open = (options: RunnerOptions = {}): Promise<ModelRunner & Inspector> =>
    jsRunner(fixturePath('models', model), options);

  describe(`${model}`, () => {
    for (const { name, ids, positions, plain, dyn, wplus1 } of prompts) {
      const tensors = readSafetensors('goldens', model, `${name}.safetensors`);
      const taps = [...tensors.keys()].filter((tap) => !tap.startsWith('dyn.') && !tap.startsWith('wplus1.'));

      test(`${name}: embedding, residual stream after each layer and logits agree within 1e-4, experts exactly`, async () => {
        const found = await (await open()).inspect(Int32Array.from(ids), taps);
        for (const tap of taps) {
          const expected = golden(tensors, tap);
          const width = expected.shape[1];
          const rows = tap.startsWith('router.') ? ids.map((_, row) => row) : positions;
          const rowsFound = rowsAt(found[tap].data, width, rows);
          if (tap.endsWith('.ids')) expect({ tap, ids: [...rowsFound] }).toEqual({ tap, ids: [...expected.data] });
          else expectWithin(tap, rowsFound, expected.data, tolerance);
        }
      });

      test(`${name}: one more key in the window gives the other golden logits and text`, async () => {
        const config = fixtureJson<{ sliding_window: number }>('models', model, 'config.json');
        const runner = await open({ windowKeys: config.sliding_window + 1 });
        const { logits } = await runner.inspect(Int32Array.from(ids), ['logits']);
        const expected = golden(tensors, 'wplus1.logits');
        expectWithin('wplus1.logits', rowsAt(logits.data, expected.shape[1], positions), expected.data, tolerance);
        expect(await greedy(runner, ids, newTokens, runner.maxDraft)).toEqual(wplus1.greedy);
      });

      test(`${name}: ${newTokens} greedy ids, without and with drafts`, async () => {
        const runner = await open();
        expect(await greedy(runner, ids, newTokens, 0)).toEqual(plain.greedy);
        expect(await greedy(runner, ids, newTokens, runner.maxDraft)).toEqual(plain.greedy);
      });

      if (dyn === undefined) continue;

      test(`${name}: logits with quantised activations point the same way`, async () => {
        const runner = await open({ activations: 'fp8' });
        const { logits } = await runner.inspect(Int32Array.from(ids), ['logits']);
        const expected = golden(tensors, 'dyn.logits');
        const width = expected.shape[1];
        positions.forEach((position, row) => {
          const similarity = cosine(rowsAt(logits.data, width, [position]), rowsAt(expected.data, width, [row]));
          if (!(similarity > 0.99)) throw new Error(`position ${position}: the cosine is ${similarity}`);
        });
      });
    }
  });
}
