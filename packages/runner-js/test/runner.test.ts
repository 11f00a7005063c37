// Opening and using a runner through its public entry: options, capacity, progress, sharing the event loop.
import { readFileSync } from 'node:fs';
import { fixtureJson, fixturePath } from '@mimokit/fixtures';
import type { RunnerOptions } from '@mimokit/protocol';
import { packRows, unpackRows } from '@mimokit/protocol/testing';
import { expect, test } from 'vitest';
import { createJsRunner } from '../src/index.ts';
import { jsRunner } from '../src/node.ts';
import { cosine, type ForwardGolden } from './goldens.ts';

const tiny = fixturePath('models', 't1-bf16');
const bytesOf = (name: string): Uint8Array => new Uint8Array(readFileSync(fixturePath('models', 't1-bf16', name)));

test('files in memory give the same bytes as the directory', async () => {
  const ids = Int32Array.of(5, 6, 7, 8);
  const files = new Map(['config.json', 'model.safetensors'].map((name) => [name, bytesOf(name)]));
  const [a, b] = [await createJsRunner(files), await jsRunner(tiny)];
  expect(await a.inspect(ids, ['logits', 'mtp.2.logits'])).toEqual(await b.inspect(ids, ['logits', 'mtp.2.logits']));
  expect(a.info).toEqual(b.info);
});

test('the info and the number of heads come from config and tensors', async () => {
  const runner = await jsRunner(tiny, { blockTokens: 16 });
  expect(runner.maxDraft).toBe(3);
  expect(runner.info).toEqual({
    vocabSize: 512,
    contextLength: 4096,
    eosTokenIds: [511],
    layers: 6,
    moeLayers: 5,
    experts: 8,
    topK: 2,
    // 2 global layers x 16 positions x 1 head x (48 + 32) x 4 bytes
    blockBytes: 10240,
    // (4 sliding layers + 3 heads) x ring of 8 + 3 - 1 x 2 heads x 80 x 4 bytes, and 3 hidden rows of 64
    windowBytes: 7 * 10 * 640 + 768,
  });
  expect((await jsRunner(fixturePath('models', 't2-fp8'))).maxDraft).toBe(0);
});

test('capacity: a whole context by default, exact sizes on request, or what kvBytes holds', async () => {
  expect((await jsRunner(tiny)).capacity).toEqual({ blockTokens: 32, blocks: 128, windows: 32 });
  expect((await jsRunner(tiny, { blocks: 3, windows: 2, blockTokens: 8 })).capacity).toEqual({
    blockTokens: 8,
    blocks: 3,
    windows: 2,
  });
  const { capacity, info } = await jsRunner(tiny, { kvBytes: 1_000_000 });
  expect(capacity.blocks * info.blockBytes + capacity.windows * info.windowBytes).toBeLessThanOrEqual(1_000_000);
  expect(capacity.blocks * info.blockBytes + capacity.windows * info.windowBytes).toBeGreaterThan(900_000);
  await expect(jsRunner(tiny, { kvBytes: 10_000 })).rejects.toMatchObject({ code: 'kv-too-small' });
});

test('narrow storage takes fewer bytes; fp8 has a scale per position, head and tensor', async () => {
  const bytes = await Promise.all(
    (['f32', 'bf16', 'fp8'] as const).map(async (kv) => (await jsRunner(tiny, { kv })).info.blockBytes),
  );
  expect(bytes).toEqual([20480, 10240, 2 * 32 * (80 + 8)]);
});

test('keys and values in narrow storage: other numbers, the same direction', async () => {
  const { prompts } = fixtureJson<ForwardGolden>('goldens', 't1-fp8', 'forward.json');
  const ids = Int32Array.from(prompts[1].ids);
  const logitsOf = async (kv: 'f32' | 'bf16' | 'fp8'): Promise<ArrayLike<number>> => {
    const runner = await jsRunner(fixturePath('models', 't1-fp8'), { kv });
    return (await runner.inspect(ids, ['logits'])).logits.data;
  };
  const exact = await logitsOf('f32');
  const [bf16, fp8] = [cosine(await logitsOf('bf16'), exact), cosine(await logitsOf('fp8'), exact)];
  expect(bf16).toBeGreaterThan(0.9999);
  expect(fp8).toBeGreaterThan(0.99);
  expect(bf16).toBeLessThan(1 - 1e-12);
  expect(fp8).toBeLessThan(bf16);
});

const wrongOptions: RunnerOptions[] = [
  { blocks: 0 },
  { windows: 1.5 },
  { kvBytes: -1 },
  { windowKeys: 0 },
  { pickableIds: 513 },
];
test.each(wrongOptions)('option %j is refused', async (options) => {
  const [option] = Object.keys(options);
  await expect(jsRunner(tiny, options)).rejects.toMatchObject({ code: 'invalid-argument', details: { option } });
});

test('loading tells its progress and can be aborted', async () => {
  const seen: [number, number][] = [];
  await jsRunner(tiny, { onProgress: (loaded, total) => seen.push([loaded, total]) });
  expect(seen.at(-1)?.[0]).toBe(seen.at(-1)?.[1]);
  expect(seen.every(([loaded], index) => index === 0 || loaded > seen[index - 1][0])).toBe(true);
  await expect(jsRunner(tiny, { signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'aborted' });
  const controller = new AbortController();
  const opening = jsRunner(tiny, { signal: controller.signal, onProgress: () => controller.abort() });
  await expect(opening).rejects.toMatchObject({ code: 'aborted' });
});

test('a long prompt leaves the event loop turns of its own', async () => {
  const runner = await jsRunner(tiny);
  const tokens = Array.from({ length: 800 }, (_, index) => (index * 7) % 500);
  const row = { tokens, contextLen: 0, blocks: Array.from({ length: 25 }, (_, block) => block), window: 0 };
  let turns = 0;
  let isDone = false;
  const count = (): void => {
    turns++;
    if (!isDone) setImmediate(count);
  };
  setImmediate(count);
  const result = await runner.step(packRows([row]));
  isDone = true;
  expect(unpackRows([row], result)[0].tokens).toHaveLength(1);
  expect(turns).toBeGreaterThan(3);
});

test('inspect refuses what it cannot run', async () => {
  const runner = await jsRunner(tiny);
  await expect(runner.inspect(Int32Array.of(1), ['hidden.6'])).rejects.toMatchObject({
    code: 'invalid-argument',
    details: { tap: 'hidden.6' },
  });
  await expect(runner.inspect(Int32Array.of(), ['logits'])).rejects.toMatchObject({ code: 'invalid-argument' });
  await expect(runner.inspect(Int32Array.of(512), ['logits'])).rejects.toMatchObject({ code: 'token-out-of-range' });
  await expect(runner.inspect(new Int32Array(4097), ['logits'])).rejects.toMatchObject({ code: 'context-overflow' });
});

test('routes list the experts of all MoE layers as the single layers do', async () => {
  const runner = await jsRunner(tiny);
  const { routes, ...layers } = await runner.inspect(Int32Array.of(9, 8, 7), [
    'routes',
    ...[1, 2, 3, 4, 5].map((layer) => `router.${layer}.ids`),
  ]);
  expect(routes.shape).toEqual([3, 5, 2]);
  for (let row = 0; row < 3; row++) {
    const expected = [1, 2, 3, 4, 5].flatMap((layer) => [
      ...layers[`router.${layer}.ids`].data.subarray(row * 2, row * 2 + 2),
    ]);
    expect([...routes.data.subarray(row * 10, row * 10 + 10)]).toEqual(expected);
  }
});

test('a row over the context is refused', async () => {
  const runner = await jsRunner(tiny, { blocks: 200 });
  const blocks = Array.from({ length: 129 }, (_, block) => block);
  const row = { tokens: [1, 2], contextLen: 4095, blocks, window: 0 };
  await expect(runner.step(packRows([row]))).rejects.toMatchObject({ code: 'context-overflow' });
});
