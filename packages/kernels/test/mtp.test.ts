// The native MTP heads against the oracle: logits and block outputs, drafts, and whole traces of self-speculation.
import { fixturePath, readSafetensors } from '@mimokit/fixtures';
import { openNativeRunner } from '@mimokit/kernels';
import { StepSequence, stepTogether } from '@mimokit/protocol/testing';
import { describe, expect, test } from 'vitest';
import { expectClose, mtpCasesOf, rowsOf, tracesOf } from './goldens.ts';

for (const model of ['t1-bf16', 't1-fp8']) {
  const directory = fixturePath('models', model);
  const tensors = readSafetensors('goldens', model, 'mtp.safetensors');

  describe(model, () => {
    for (const one of mtpCasesOf(model).filter(({ mode }) => mode === 'plain')) {
      test(`${one.prompt}: each head's logits and block output agree within 1e-4`, async () => {
        await using runner = await openNativeRunner(directory);
        // Head i sees ids shifted by i + 1: the prompt, the next id and the drafts.
        const ids = Int32Array.from([...one.ids, one.next_token, ...one.drafts]);
        for (let head = 0; head < runner.maxDraft; head++) {
          const taps = [`mtp.${head}.logits`, `mtp.${head}.block_out`];
          const found = await runner.inspect(ids, taps);
          for (const part of ['logits', 'block_out']) {
            const { data, shape } = found[`mtp.${head}.${part}`];
            const expected = tensors.get(`plain.${one.prompt}.head${head}.${part}`);
            if (expected === undefined) throw new Error(`no golden for head ${head} ${part}`);
            expectClose(rowsOf(data, shape[1], one.positions), expected, `head ${head} ${part}`);
          }
        }
      });

      test(`${one.prompt}: a step proposes the golden drafts`, async () => {
        await using runner = await openNativeRunner(directory);
        const sequence = new StepSequence(one.ids, { window: 0, blocks: [0, 1, 2, 3] }, 32);
        await stepTogether(runner, [sequence], [sequence.row(Number.POSITIVE_INFINITY, 3)]);
        expect(sequence.emitted).toEqual([one.next_token]);
        expect(sequence.drafts).toEqual(one.drafts);
      });
    }

    for (const trace of tracesOf(model).filter(({ mode, kv }) => mode === 'plain' && kv === 'exact')) {
      for (const chunk of [Number.POSITIVE_INFINITY, 3]) {
        test(`${trace.prompt}: the exact trace, prompt in chunks of ${chunk}`, async () => {
          await using runner = await openNativeRunner(directory, { blockTokens: 16, blocks: 24, windows: 4 });
          const blocks = Array.from({ length: 9 }, (_, index) => 22 - index);
          const sequence = new StepSequence(trace.ids, { window: 3, blocks }, 16);
          while (sequence.emitted.length === 0) await stepTogether(runner, [sequence], [sequence.row(chunk, 3)]);
          for (const step of trace.steps) {
            expect(sequence.contextLen).toBe(step.n);
            expect(sequence.tokens.at(-1)).toBe(step.last_token);
            expect(sequence.drafts).toEqual(step.drafts);
            const before = sequence.tokens.length;
            await stepTogether(runner, [sequence], [sequence.row(Number.POSITIVE_INFINITY, 3)]);
            expect(sequence.tokens.slice(before)).toEqual(step.emitted);
            expect(step.accepted).toBe(step.emitted.length - 1);
          }
          expect(sequence.emitted.slice(0, trace.output.length)).toEqual(trace.output);
        });
      }
    }
  });
}
