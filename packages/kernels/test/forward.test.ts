// The native forward pass against transformers: embedding, every layer, every router and all logits of every golden prompt, on every
// instruction set of this machine.
import { fixturePath, readSafetensors } from '@mimokit/fixtures';
import { machineReport, openNativeRunner } from '@mimokit/kernels';
import { describe, expect, test } from 'vitest';
import { cosine, expectClose, greedyIds, models, promptsOf, rowsOf } from './goldens.ts';

for (const model of models) {
  const directory = fixturePath('models', model);
  describe(model, () => {
    for (const prompt of promptsOf(model)) {
      const ids = Int32Array.from(prompt.ids);
      const every = prompt.ids.map((_, row) => row);
      const tensors = readSafetensors('goldens', model, `${prompt.name}.safetensors`);
      const golden = (name: string): NonNullable<ReturnType<typeof tensors.get>> => {
        const tensor = tensors.get(name);
        if (tensor === undefined) throw new Error(`${name} is missing`);
        return tensor;
      };
      const taps = [...tensors.keys()].filter((tap) => !/^(dyn|wplus1)\./.test(tap));

      for (const level of machineReport().levels) {
        test(`${prompt.name} on ${level}: all taps agree within 1e-4, experts exactly`, async () => {
          await using runner = await openNativeRunner(directory, { level });
          const found = await runner.inspect(ids, taps);
          for (const tap of taps) {
            const expected = golden(tap);
            const rows = rowsOf(
              found[tap].data,
              expected.shape[1],
              tap.startsWith('router.') ? every : prompt.positions,
            );
            if (tap.endsWith('.ids')) expect(rows, tap).toEqual([...expected.data]);
            else expectClose(rows, expected, tap);
          }
        });
      }

      test(`${prompt.name}: the greedy text, without and with drafts, in chunks of 1, 7 and all`, async () => {
        await using runner = await openNativeRunner(directory);
        for (const chunk of [Number.POSITIVE_INFINITY, 7, 1]) {
          for (const depth of [0, runner.maxDraft]) {
            const found = await greedyIds(runner, prompt.ids, prompt.plain.greedy.length, { depth, chunk });
            expect(found).toEqual(prompt.plain.greedy);
          }
        }
      });

      test(`${prompt.name}: one more key in the window gives the other golden logits and text`, async () => {
        const { windowKeys } = await windowOf(directory);
        await using runner = await openNativeRunner(directory, { windowKeys: windowKeys + 1 });
        const { logits } = await runner.inspect(ids, ['logits']);
        expectClose(rowsOf(logits.data, logits.shape[1], prompt.positions), golden('wplus1.logits'), 'wplus1');
        expect(await greedyIds(runner, prompt.ids, prompt.wplus1.greedy.length)).toEqual(prompt.wplus1.greedy);
      });

      if (prompt.dyn === undefined) continue;

      test(`${prompt.name}: quantised activations, layer by layer and logits by direction`, async () => {
        await using runner = await openNativeRunner(directory, { activations: 'fp8' });
        const { logits } = await runner.inspect(ids, ['logits']);
        const expected = golden('dyn.logits');
        const width = logits.shape[1];
        prompt.positions.forEach((position, row) => {
          const similarity = cosine(rowsOf(logits.data, width, [position]), rowsOf(expected.data, width, [row]));
          expect(similarity, `position ${position}`).toBeGreaterThan(0.99);
        });
        if (prompt.positions.length !== prompt.ids.length) return;
        for (let layer = 1; layer < runner.info.layers; layer++) {
          const before = Float32Array.from(golden(`dyn.hidden.${layer - 1}`).data);
          const found = await runner.inspectLayer(layer, before);
          const after = golden(`dyn.hidden.${layer}`);
          const wide = after.shape[1];
          every.forEach((position) => {
            const similarity = cosine(rowsOf(found, wide, [position]), rowsOf(after.data, wide, [position]));
            expect(similarity, `layer ${layer}, position ${position}`).toBeGreaterThan(0.999);
          });
        }
      });
    }
  });
}

async function windowOf(directory: string): Promise<{ windowKeys: number }> {
  const { checkpointInfo } = await import('@mimokit/kernels');
  const { config } = await checkpointInfo(directory);
  return { windowKeys: config.sliding?.windowKeys ?? 0 };
}
