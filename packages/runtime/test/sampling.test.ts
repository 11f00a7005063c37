// Ids drawn while drafts are verified are distributed as the model says, on a small trained model: Pearson's chi-square of the
// second id of an answer, given the first, against softmax(logits / temperature). Every draw is a request of its own seed;
// MIMOKIT_DRAWS sets their number, MIMOKIT_DRAFTS the drafts of a verify: fewer of them end a million draws sooner.
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { fixedDraftDepth, openModel } from '../src/index.ts';
import { collect } from '../src/testing/index.ts';
import { loadRunners } from './runners.ts';

const nano = fileURLToPath(new URL('../../nano/', import.meta.url));
const hasNano = existsSync(`${nano}model.safetensors`) && existsSync(`${nano}tokenizer.json`);
const { runners } = await loadRunners();
const { name, open } = runners.at(-1)!;
const draws = Number(process.env.MIMOKIT_DRAWS ?? (name === 'native' ? 1500 : 200));
const drafts = Number(process.env.MIMOKIT_DRAFTS ?? 3);
const temperature = 3;
const blockTokens = 8;
const atOnce = 64;

describe.skipIf(!hasNano)(`${draws} draws on the ${name} runner`, () => {
  test('of a verified position fit the model', { timeout: 3_600_000 }, async () => {
    await using model = await openModel(nano, {
      runner: (directory, options) =>
        open(directory, { ...options, threads: 1, blockTokens, blocks: 400, windows: 2 * atOnce }),
      drafts: fixedDraftDepth(drafts),
    });
    // One id more than whole blocks: the prefix cache leaves a single id of every prompt to compute.
    const prompt = ['', ...Array.from({ length: 4 * blockTokens }, (_, index) => ' '.repeat(index + 1))]
      .map((filling) => model.tokenize(`${filling}<|im_start|>assistant\n<think></think>Hello! How`))
      .find(({ length }) => length % blockTokens === 1)!;
    const logitsAfter = async (ids: ArrayLike<number>): Promise<Float32Array> => {
      const { 'logits.last': logits } = await model.inspect(Int32Array.from(ids), ['logits.last']);
      return logits.data as Float32Array;
    };
    // Two positions: the first id of an answer is drawn by a prefill, the second while drafts for it are verified.
    const after = softmax(await logitsAfter(prompt), temperature);
    const likeliest = after.indexOf(after.reduce((a, b) => Math.max(a, b)));
    const behind = softmax(await logitsAfter([...prompt, likeliest]), temperature);

    const firsts = new Float64Array(after.length);
    const seconds = new Float64Array(after.length);
    let accepted = 0;
    const draw = async (seed: number): Promise<void> => {
      const request = { ids: prompt, maxTokens: drafts + 2, ignoreEos: true, seed, sampling: { temperature } };
      const { ids, usage } = await collect(model.generate(request));
      firsts[ids[0]]++;
      if (ids[0] !== likeliest) return;
      seconds[ids[1]]++;
      if (usage.acceptLengths![0] > 1) accepted++;
    };
    for (let at = 0; at < draws; at += atOnce) {
      await Promise.all(Array.from({ length: Math.min(atOnce, draws - at) }, (_, index) => draw(at + index)));
    }
    const given = firsts[likeliest];
    // Some drafts came true and some did not, or nothing was tested.
    expect(accepted).toBeGreaterThan(given / 20);
    expect(accepted).toBeLessThan(given);
    const deviations = [deviation(firsts, after, draws), deviation(seconds, behind, given)];
    if (process.env.MIMOKIT_DRAWS !== undefined) {
      console.log({ draws, given, accepted, deviations });
    }
    // In standard deviations; the seeds are fixed, so this is no gamble.
    for (const sigmas of deviations) expect(Math.abs(sigmas)).toBeLessThan(3.5);
  });
});

function softmax(logits: Float32Array, divisor: number): Float64Array {
  const top = logits.reduce((a, b) => Math.max(a, b));
  const weights = Float64Array.from(logits, (logit) => Math.exp((logit - top) / divisor));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
}

/**
 * Pearson's chi-square as a standard normal deviation (Wilson and Hilferty 1931). Ids expected fewer than 5 times are one
 * class together.
 */
function deviation(seen: Float64Array, expected: Float64Array, total: number): number {
  let sum = 0;
  let classes = 0;
  const rare = { seen: 0, expected: 0 };
  const add = (found: number, wanted: number): void => {
    sum += (found - wanted) ** 2 / wanted;
    classes++;
  };
  for (const [id, share] of expected.entries()) {
    if (share * total >= 5) add(seen[id], share * total);
    else {
      rare.seen += seen[id];
      rare.expected += share * total;
    }
  }
  if (rare.expected > 0) add(rare.seen, rare.expected);
  const freedom = classes - 1;
  return (Math.cbrt(sum / freedom) - (1 - 2 / (9 * freedom))) / Math.sqrt(2 / (9 * freedom));
}
