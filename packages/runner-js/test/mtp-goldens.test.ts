// The MTP heads against the oracle: logits and block outputs at all positions, drafts, and whole self-speculation traces.
import { fixtureJson, fixturePath, readSafetensors } from '@mimokit/fixtures';
import { StepSequence, stepTogether } from '@mimokit/protocol/testing';
import { describe, expect, test } from 'vitest';
import { jsRunner } from '../src/node.ts';
import { expectWithin, golden, type MtpGolden, rowsAt, type TraceGolden } from './goldens.ts';

function argmaxRows(data: ArrayLike<number>, width: number, rows: number): number[] {
  return Array.from({ length: rows }, (_, row) => {
    let best = 0;
    for (let id = 1; id < width; id++) if (data[row * width + id] > data[row * width + best]) best = id;
    return best;
  });
}

for (const model of ['t1-bf16', 't1-fp8']) {
  const { cases } = fixtureJson<MtpGolden>('goldens', model, 'mtp.json');
  const { traces } = fixtureJson<TraceGolden>('goldens', model, 'traces.json');
  const tensors = readSafetensors('goldens', model, 'mtp.safetensors');

  describe(`${model}`, () => {
    for (const one of cases.filter(({ mode }) => mode === 'plain')) {
      test(`${one.prompt}: each head's logits agree within 1e-4, its argmax at every position exactly`, async () => {
        const runner = await jsRunner(fixturePath('models', model));
        // The heads see the prompt, the next token and the drafts, each head one further.
        const ids = Int32Array.from([...one.ids, one.next_token, ...one.drafts]);
        const taps = one.argmax_all.flatMap((_, head) => [`mtp.${head}.logits`, `mtp.${head}.block_out`]);
        const found = await runner.inspect(ids, taps);
        one.argmax_all.forEach((argmax, head) => {
          const logits = found[`mtp.${head}.logits`];
          expect(argmaxRows(logits.data, logits.shape[1], one.ids.length)).toEqual(argmax);
          for (const part of ['logits', 'block_out']) {
            const { data, shape } = found[`mtp.${head}.${part}`];
            const expected = golden(tensors, `plain.${one.prompt}.head${head}.${part}`);
            expectWithin(`head ${head} ${part}`, rowsAt(data, shape[1], one.positions), expected.data, 1e-4);
          }
        });
      });
    }

    for (const trace of traces.filter(({ kv }) => kv === 'exact')) {
      for (const chunk of [Number.POSITIVE_INFINITY, 3]) {
        test(`${trace.prompt} ${trace.mode}: the trace of drafts, accepted and emitted ids, prompt in chunks of ${chunk}`, async () => {
          const activations = trace.mode === 'dyn' ? 'fp8' : 'f32';
          const runner = await jsRunner(fixturePath('models', model), { blockTokens: 16, activations });
          const blocks = Array.from({ length: 8 }, (_, index) => 20 - index);
          const sequence = new StepSequence(trace.ids, { window: 2, blocks }, 16);
          const advance = async (size: number): Promise<void> => {
            await stepTogether(runner, [sequence], [sequence.row(size, 3)]);
          };
          while (sequence.emitted.length === 0) await advance(chunk);
          for (const step of trace.steps) {
            expect(sequence.contextLen).toBe(step.n);
            expect(sequence.tokens.at(-1)).toBe(step.last_token);
            expect(sequence.drafts).toEqual(step.drafts);
            const before = sequence.tokens.length;
            await advance(Number.POSITIVE_INFINITY);
            expect(sequence.tokens.slice(before)).toEqual(step.emitted);
            expect(sequence.tokens.length - before - 1).toBe(step.accepted);
          }
          expect(sequence.emitted.slice(0, trace.new_tokens)).toEqual(trace.output);
        });
      }
    }

    test('a step drafts what the goldens draft', async () => {
      const runner = await jsRunner(fixturePath('models', model));
      for (const { ids, next_token: next, drafts } of cases.filter(({ mode }) => mode === 'plain')) {
        const sequence = new StepSequence(ids, { window: 0, blocks: [0, 1, 2] }, 32);
        await stepTogether(runner, [sequence], [sequence.row(Number.POSITIVE_INFINITY, 3)]);
        expect(sequence.emitted).toEqual([next]);
        expect(sequence.drafts).toEqual(drafts);
      }
    });
  });
}
