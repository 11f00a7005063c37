// {"ids"} → logits of the last row, the largest id of every row, the experts of every row and MoE layer.
import { MimoError } from '@mimokit/protocol';
import { defineCommand } from 'citty';
import { logitsLine, readLine } from '../fields.ts';
import { runLineFilter } from '../line-filter.ts';
import { modelArgs, modelDirectory, runnerOptions } from '../model-options.ts';
import { pickRunner } from '../pick-runner.ts';

export const logits = defineCommand({
  meta: { name: 'logits', description: '{"ids"} → {"logits","argmax","routes"}' },
  args: { ...modelArgs, json: { type: 'boolean', default: true, description: 'JSON lines (the only form)' } },
  async run({ args }) {
    const { open } = await pickRunner(args.runner);
    const runner = await open(await modelDirectory(args), runnerOptions(args));
    try {
      process.exitCode = await runLineFilter({
        async answer(line) {
          const { ids } = readLine(logitsLine, line);
          checkIds(ids, runner.info.vocabSize);
          if (ids.length > runner.info.contextLength) {
            throw new MimoError(
              'context-overflow',
              `${ids.length} ids do not fit into a context of ${runner.info.contextLength}.`,
              {
                hint: 'Send fewer ids.',
              },
            );
          }
          const taps = await runner.inspect(Int32Array.from(ids), ['logits.last', 'argmax', 'routes']);
          const { shape, data } = taps['routes']!;
          const logits = [...taps['logits.last']!.data];
          checkLogits(logits);
          return {
            logits,
            argmax: [...taps['argmax']!.data],
            routes: nest(data, shape[1]!, shape[2]!),
          };
        },
      });
    } finally {
      await runner.dispose();
    }
  },
});

/** Before they become 32-bit integers, where 2^32 + 1 would pass for 1. */
function checkIds(ids: readonly number[], vocabSize: number): void {
  const index = ids.findIndex((id) => id < 0 || id >= vocabSize);
  if (index < 0) return;
  throw new MimoError(
    'token-out-of-range',
    `ids[${index}] is ${ids[index]}; the vocabulary has ids 0 to ${vocabSize - 1}.`,
    { hint: 'Encode with the tokenizer of this model.', index },
  );
}

/** JSON has no NaN: it would print null, and exit code 0 would say that all is well. */
function checkLogits(logits: readonly number[]): void {
  const id = logits.findIndex((value) => !Number.isFinite(value));
  if (id < 0) return;
  throw new MimoError('runner-failed', `The logit of id ${id} is ${logits[id]}.`, {
    hint: 'The weights hold NaN or values too large for FP32: download them again.',
    id,
  });
}

/** [rows * layers * k] → [rows][layers][k] */
function nest(flat: ArrayLike<number>, layers: number, k: number): number[][][] {
  const rows: number[][][] = [];
  if (layers === 0 || k === 0) return rows;
  for (let at = 0; at < flat.length; at += layers * k) {
    rows.push(
      Array.from({ length: layers }, (_, layer) => Array.from({ length: k }, (_, j) => flat[at + layer * k + j]!)),
    );
  }
  return rows;
}
