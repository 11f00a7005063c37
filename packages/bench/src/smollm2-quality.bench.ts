// Is it the same model? SmolLM2's greedy texts and perplexity against the goldens of transformers: ids equal up to where the golden's two
// best logits are closer than 1e-2, perplexity to four digits. With INT8 too, which is held to nothing. Fails when the exact ones differ.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fixtureJsonl, fixturePath } from '@mimokit/fixtures';
import { openNativeRunner } from '@mimokit/kernels';
import type { Inspector, ModelRunner } from '@mimokit/protocol';
import { createEngine } from '@mimokit/runtime';
import { createTokenizer } from '@mimokit/tokenizer';
import { checkpoints } from './smollm2/folders.ts';

interface GreedyGolden {
  id: string;
  prompt_ids: number[];
  tokens: number[];
  margins: number[];
}
interface PerplexityGolden {
  directory: string;
  window: number | null;
  perplexity: number;
}

const smallMargin = 1e-2;
const directory = checkpoints();

/** How many prompts give the golden's ids up to the end or to a tiny margin, and the largest margin at which one does not. */
async function greedy(runner: ModelRunner, goldens: readonly GreedyGolden[]): Promise<{ same: number; worst: number }> {
  await using engine = createEngine({ runner });
  let same = 0;
  let worst = 0;
  for (const golden of goldens) {
    const ids: number[] = [];
    const request = { ids: golden.prompt_ids, maxTokens: golden.tokens.length, ignoreEos: true };
    for await (const event of engine.generate(request)) if (event.type === 'tokens') ids.push(...event.ids);
    const at = golden.tokens.findIndex((token, index) => token !== ids[index]);
    const margin = at < 0 ? 0 : golden.margins[at]!;
    if (margin < smallMargin) same++;
    worst = Math.max(worst, margin);
  }
  return { same, worst };
}

/** exp of the mean negative log-probability of every id but the first, in one context. */
async function perplexity(runner: Inspector, ids: Int32Array): Promise<number> {
  const { logits } = await runner.inspect(ids, ['logits']);
  const [rows, vocab] = logits!.shape as [number, number];
  const values = logits!.data as Float32Array;
  let sum = 0;
  for (let row = 0; row + 1 < rows; row++) {
    const own = values.subarray(row * vocab, (row + 1) * vocab);
    let largest = -Infinity;
    for (const value of own) if (value > largest) largest = value;
    let total = 0;
    for (const value of own) total += Math.exp(value - largest);
    sum += largest + Math.log(total) - own[ids[row + 1]!]!;
  }
  return Math.exp(sum / (rows - 1));
}

const expected = fixtureJsonl<PerplexityGolden>('smollm2/perplexity.jsonl');
let isEqual = true;
for (const [checkpoint, activations] of [
  ['bf16-dense', 'f32'],
  ['fp8-dense', 'f32'],
  ['bf16-dense', 'int8'],
  ['fp8-dense', 'int8'],
] as const) {
  const folder = join(directory, checkpoint);
  await using runner = await openNativeRunner(folder, { activations, blocks: 256, windows: 8 });
  const goldens = fixtureJsonl<GreedyGolden>(`smollm2/greedy-${checkpoint}.jsonl`);
  const { same, worst } = await greedy(runner, goldens);
  const tokenizer = createTokenizer(readFileSync(join(folder, 'tokenizer.json'), 'utf8'));
  const text = readFileSync(fixturePath('smollm2/perplexity.txt'), 'utf8');
  const found = await perplexity(runner, Int32Array.from(tokenizer.encode(text)));
  const golden = expected.find((line) => line.directory === checkpoint && line.window === null)!.perplexity;
  const digits = (value: number): string => value.toPrecision(4);
  if (activations === 'f32' && (same < goldens.length || digits(found) !== digits(golden))) isEqual = false;
  console.log(
    `${checkpoint} ${activations}: greedy ${same} of ${goldens.length} as the goldens` +
      `${worst > smallMargin ? ` (a difference at a margin of ${worst})` : ''}; ` +
      `perplexity ${found.toFixed(4)}, golden ${golden} (${digits(found)} and ${digits(golden)})`,
  );
}
process.exit(isEqual ? 0 : 1);
