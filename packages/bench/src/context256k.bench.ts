// A prompt of 262,144 tokens on a made checkpoint: one global and five sliding layers. It is prefilled and decoded in pools of
// exactly the bytes that the formula gives; what the process really takes is held against the same formula, and a step of
// sliding layers alone must cost the same at any position. Ends in minutes because the dims are small (context/checkpoint.ts).
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getHeapStatistics } from 'node:v8';
import { type NativeModelRunner, openNativeRunner } from '@mimokit/kernels';
import { createEngine, fixedDraftDepth } from '@mimokit/runtime';
import { bytesPerPosition, dims, writeCheckpoint } from './context/checkpoint.ts';
import { publish, quantile } from './harness.ts';
import type { BenchResult } from './row.ts';

const blockTokens = 32;
const tokenBudget = 512;
const slidingLayers = 5;
const scratch = mkdtempSync(join(tmpdir(), 'mimokit-context-'));

/** The formula: positions of the global layer in whole blocks, and one ring of the window for every sliding layer. */
function predictedBytes(globalLayers: number, positions: number): number {
  const blocks = Math.ceil(positions / blockTokens);
  return (globalLayers * blocks * blockTokens + slidingLayers * dims.window) * bytesPerPosition;
}

const idsOf = (length: number): Int32Array =>
  Int32Array.from({ length }, (_, index) => (Math.imul(index, 2654435761) >>> 7) % dims.vocabulary);

/** Bytes of this process in memory that V8 has nothing to do with: weights, pools, the core's working memory. */
function nativeBytes(): number {
  const { rss, external } = process.memoryUsage();
  // What of the heap is in memory, not what is reserved for it: the two part by megabytes.
  return rss - getHeapStatistics().total_physical_size - external;
}

const open = (directory: string, globalLayers: number, windows: number): Promise<NativeModelRunner> => {
  const positions = dims.prompt + dims.answer - 1;
  const blocks = globalLayers === 0 ? 1 : Math.ceil(positions / blockTokens);
  return openNativeRunner(directory, { blocks, windows, blockTokens });
};

interface LongRun {
  accountedBytes: number;
  residentBytes: number;
  prefillSeconds: number;
  decodeMs: number;
}

/** The whole way through the engine. Memory is read after every step, its base before the prompt and after a short one. */
async function longPrompt(directory: string): Promise<LongRun> {
  await using runner = await open(directory, 1, 1);
  let accountedBytes = 0;
  let peak = 0;
  const times: number[] = [];
  const engine = createEngine({
    runner,
    tokenBudget,
    prefixCache: false,
    drafts: fixedDraftDepth(0),
    onStep: ({ milliseconds, tokens }) => {
      accountedBytes = Math.max(accountedBytes, engine.stats().kv.bytesUsed);
      peak = Math.max(peak, nativeBytes());
      if (tokens === 1) times.push(milliseconds);
    },
  });
  const run = async (length: number, maxTokens: number): Promise<number> => {
    const from = performance.now();
    let first = 0;
    for await (const event of engine.generate({ ids: idsOf(length), maxTokens, ignoreEos: true })) {
      if (event.type === 'tokens' && first === 0) first = performance.now() - from;
    }
    return first / 1000;
  };
  // Threads, their working memory, code: everything that has nothing to do with the length.
  const warmUp = 16 * tokenBudget;
  await run(warmUp, 2);
  const base = nativeBytes() - predictedBytes(1, warmUp);
  accountedBytes = 0;
  peak = 0;
  times.length = 0;
  const prefillSeconds = await run(dims.prompt, dims.answer);
  await engine.dispose();
  const decodeMs = quantile(
    times.toSorted((a, b) => a - b),
    0.5,
  );
  return { accountedBytes, residentBytes: peak - base, prefillSeconds, decodeMs };
}

/** Milliseconds of steps of one token at each position, sliding layers only; the positions take turns. */
async function windowSteps(directory: string, positions: readonly number[], rounds: number): Promise<number[][]> {
  await using runner = await open(directory, 0, positions.length);
  const lengths = positions.map(() => 0);
  const step = async (row: number, tokens: Int32Array): Promise<void> => {
    await runner.step(batchOf(row, tokens, lengths[row]!));
    lengths[row]! += tokens.length;
  };
  for (const [row, position] of positions.entries()) {
    const ids = idsOf(position);
    for (let at = 0; at < position; at += tokenBudget) await step(row, ids.slice(at, at + tokenBudget));
  }
  const times = positions.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const row of positions.keys()) {
      const from = performance.now();
      // Sixteen steps, so that a tick of the clock and a crossing of threads do not count.
      for (let index = 0; index < 16 && lengths[row]! < dims.prompt + dims.answer; index++) {
        await runner.step(batchOf(row, Int32Array.of(7), lengths[row]!));
      }
      times[row]!.push((performance.now() - from) / 16);
    }
  }
  return times;
}

/** One row without blocks: the window is the row's number. The position is not committed, so a step can be made again. */
function batchOf(window: number, tokens: Int32Array, contextLen: number): Parameters<NativeModelRunner['step']>[0] {
  const none = new Int32Array();
  return {
    tokens,
    rowStart: Int32Array.of(0, tokens.length),
    contextLen: Int32Array.of(contextLen),
    draftLen: Int32Array.of(0),
    samples: Uint8Array.of(1),
    draftNext: Int32Array.of(0),
    blockTable: none,
    blockStart: Int32Array.of(0, 0),
    windows: Int32Array.of(window),
    copyWindow: Int32Array.of(-1),
    saveWindow: Int32Array.of(-1),
    copyBlock: Int32Array.of(-1, -1),
    sampling: Float32Array.of(0, 1, 0, 0, 1, 0, 0),
    seeds: Uint32Array.of(0),
    topLogprobs: Uint8Array.of(0),
    wantRoutes: Uint8Array.of(0),
    biasStart: Int32Array.of(0, 0),
    biasIds: none,
    biasValues: new Float32Array(),
    countStart: Int32Array.of(0, 0),
    countIds: none,
    countValues: none,
  };
}

try {
  const sliding = Array.from({ length: slidingLayers }, () => true);
  const whole = writeCheckpoint(join(scratch, 'whole'), [false, ...sliding]);
  const windows = writeCheckpoint(join(scratch, 'windows'), sliding);
  const { heads, qkDim, prompt, answer } = dims;
  const shape = `${prompt} + ${answer} tokens, 1 global and ${slidingLayers} sliding layers, ${heads} heads of ${qkDim}, KV in FP32`;
  const predicted = predictedBytes(1, prompt + answer - 1);
  const percent = (bytes: number): number => Math.abs(bytes / predicted - 1) * 100;
  const { accountedBytes, residentBytes, prefillSeconds, decodeMs } = await longPrompt(whole);
  const results: BenchResult[] = [
    { op: 'KV bytes by the formula', shape, value: predicted / 1e6, unit: 'MB' },
    {
      op: 'KV bytes in use, off the formula',
      shape,
      value: percent(accountedBytes),
      unit: '%',
      target: 2,
      atMost: true,
    },
    {
      op: 'resident growth, off the formula',
      shape,
      value: percent(residentBytes),
      unit: '%',
      target: 2,
      atMost: true,
    },
    { op: 'prefill', shape: `${prompt} tokens in steps of ${tokenBudget}`, value: prefillSeconds, unit: 's' },
    { op: 'decode behind it', shape: '1 row', value: decodeMs, unit: 'ms a token' },
  ];
  const positions = [1024, 16_384, 131_072, prompt].filter((position) => position <= prompt);
  const medians = (await windowSteps(windows, positions, 25)).map((times) =>
    quantile(
      times.toSorted((a, b) => a - b),
      0.5,
    ),
  );
  for (const [index, position] of positions.entries()) {
    results.push({
      op: 'sliding layers only, a step',
      shape: `position ${position}`,
      value: medians[index]! * 1000,
      unit: 'µs',
    });
  }
  const worst = Math.max(...medians.map((time) => Math.abs(time / medians[0]! - 1))) * 100;
  results.push({
    op: 'sliding layers only, off the first',
    shape: positions.join(', '),
    value: worst,
    unit: '%',
    target: 3,
    atMost: true,
  });
  if (process.env['MIMOKIT_BENCH_DRY'] === '1')
    console.table(results.map(({ op, value, unit }) => ({ op, value, unit })));
  else publish('context', results);
} finally {
  rmSync(scratch, { recursive: true });
}
