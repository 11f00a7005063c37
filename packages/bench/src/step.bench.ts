// The engine's own work per step (C12): everything between two calls of a runner that answers at once. Decode with and without
// drafts, one row and many, short and long contexts; the cost must not grow with the context. Processor time of this process.
import type { ModelRunner, StepBatch, StepResult } from '@mimokit/protocol';
import { createEngine, fixedDraftDepth } from '@mimokit/runtime';
import { processorClock, publish, race } from './harness.ts';

const rounds = Number(process.env['MIMOKIT_BENCH_ROUNDS'] ?? 9);
const blockTokens = 32;

/** Answers with the same id and drafts for every row; accepts every draft. No arithmetic, no memory. */
class NullRunner implements ModelRunner {
  readonly info: ModelRunner['info'] = {
    vocabSize: 152_576,
    contextLength: 1 << 20,
    eosTokenIds: [0],
    layers: 48,
    moeLayers: 47,
    experts: 256,
    topK: 8,
    blockBytes: 1,
    windowBytes: 1,
  };
  readonly capacity: ModelRunner['capacity'] = { blockTokens, blocks: 1 << 16, windows: 80 };
  readonly maxDraft = 3;
  steps = 0;

  async step({ samples, draftLen, draftNext }: StepBatch): Promise<StepResult> {
    this.steps++;
    const rows = samples.length;
    const tokenStart = new Int32Array(rows + 1);
    const draftStart = new Int32Array(rows + 1);
    for (let row = 0; row < rows; row++) {
      tokenStart[row + 1] = tokenStart[row]! + (samples[row] === 1 ? draftLen[row]! + 1 : 0);
      draftStart[row + 1] = draftStart[row]! + draftNext[row]!;
    }
    return {
      tokens: new Int32Array(tokenStart[rows]!).fill(7),
      tokenStart,
      drafts: new Int32Array(draftStart[rows]!).fill(7),
      draftStart,
    };
  }

  async dispose(): Promise<void> {}
}

interface Shape {
  rows: number;
  context: number;
  depth: number;
  steps: number;
}

/** Answers of `rows` requests, `steps` decode steps each; microseconds of the engine per step, prefill left out. */
async function perStep({ rows, context, depth, steps }: Shape): Promise<number> {
  const runner = new NullRunner();
  await using engine = createEngine({
    runner,
    drafts: fixedDraftDepth(depth),
    tokenBudget: 1 << 20,
    prefixCache: true,
  });
  const maxTokens = 1 + steps * (1 + depth);
  let from = 0;
  let first = 0;
  let begun = 0;
  const request = async (row: number): Promise<void> => {
    const ids = Array.from({ length: context }, (_, index) => 1 + ((index * 31 + row) % 1000));
    let events = 0;
    for await (const event of engine.generate({ ids, maxTokens, ignoreEos: true })) {
      if (event.type !== 'tokens' || events++ > 0) continue;
      if (++begun < rows) continue;
      from = processorClock();
      first = runner.steps;
    }
  };
  await Promise.all(Array.from({ length: rows }, (_, row) => request(row)));
  return ((processorClock() - from) * 1000) / (runner.steps - first);
}

const shapes: Shape[] = [
  { rows: 1, context: 100, depth: 0, steps: 4000 },
  { rows: 1, context: 100, depth: 3, steps: 4000 },
  { rows: 1, context: 32_000, depth: 0, steps: 4000 },
  { rows: 8, context: 1000, depth: 3, steps: 1500 },
  { rows: 64, context: 1000, depth: 3, steps: 400 },
];

const results = [];
for (const shape of shapes) {
  const times: number[] = [];
  const [sample] = await race([{ name: 'engine', run: async () => void times.push(await perStep(shape)) }], rounds);
  void sample;
  const sorted = times.slice(1).toSorted((a, b) => a - b);
  const median = sorted[Math.floor(sorted.length / 2)]!;
  const { rows, context, depth } = shape;
  results.push({
    ...(rows === 1 ? { goal: 'C12', target: 30, atMost: true } : {}),
    op: 'engine step over a null runner',
    shape: `${rows} row${rows === 1 ? '' : 's'}, context ${context}, ${depth} drafts`,
    value: Number(median.toPrecision(4)),
    unit: 'µs',
    spread: (sorted[Math.floor(sorted.length * 0.75)]! - sorted[Math.floor(sorted.length * 0.25)]!) / 2 / median,
  });
}
if (process.env['MIMOKIT_BENCH_DRY'] === '1')
  console.table(results.map(({ shape, value, spread }) => ({ shape, value, spread })));
else publish('step', results);
