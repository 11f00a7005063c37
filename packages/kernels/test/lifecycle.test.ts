// Opening, progress, aborting, disposing: nothing is left running, and the event loop is never held.
import { readdirSync } from 'node:fs';
import { fixturePath } from '@mimokit/fixtures';
import { type NativeModelRunner, openNativeRunner } from '@mimokit/kernels';
import { packRows } from '@mimokit/protocol/testing';
import { expect, test } from 'vitest';

const directory = fixturePath('models', 't2-fp8');

/** A prompt chunk long enough to take a while. */
function longStep(runner: NativeModelRunner, count = 1500): Parameters<NativeModelRunner['step']>[0] {
  const tokens = Array.from({ length: count }, (_, index) => (index * 7) % 200);
  const blocks = Array.from({ length: Math.ceil(count / runner.capacity.blockTokens) }, (_, block) => block);
  return packRows([{ tokens, contextLen: 0, window: 0, blocks }]);
}

const threadsOfProcess = (): number => (process.platform === 'linux' ? readdirSync('/proc/self/task').length : 0);

test('timers fire while a step runs', async () => {
  await using runner = await openNativeRunner(directory);
  let ticks = 0;
  let isRunning = true;
  const tick = (): void => {
    ticks += 1;
    if (isRunning) setImmediate(tick);
  };
  setImmediate(tick);
  const result = await runner.step(longStep(runner));
  isRunning = false;
  expect(result.tokens.length).toBe(1);
  // One turn of the loop would mean that the step had held it.
  expect(ticks).toBeGreaterThan(3);
});

test('dispose finishes the running step and may be called again', async () => {
  const runner = await openNativeRunner(directory);
  const step = runner.step(longStep(runner));
  const order: string[] = [];
  const done = [
    step.then(() => order.push('step')),
    runner.dispose().then(() => order.push('dispose')),
    runner.dispose().then(() => order.push('dispose again')),
  ];
  await Promise.all(done);
  expect(order).toEqual(['step', 'dispose', 'dispose again']);
  await runner.dispose();
  await expect(runner.step(longStep(runner))).rejects.toMatchObject({ name: 'MimoError', code: 'runner-disposed' });
  await expect(runner.inspect(Int32Array.of(1), ['argmax'])).rejects.toMatchObject({ code: 'runner-disposed' });
});

test('many runners can be opened and disposed; no thread stays', async () => {
  const warm = await openNativeRunner(directory, { threads: 3 });
  await warm.dispose();
  const before = threadsOfProcess();
  for (let round = 0; round < 10; round++) {
    const runners = await Promise.all([1, 2, 3, 4].map((threads) => openNativeRunner(directory, { threads })));
    const found = await Promise.all(runners.map((runner) => runner.inspect(Int32Array.of(3, 1, 4, 1, 5), ['argmax'])));
    for (const { argmax } of found) expect([...argmax.data]).toEqual([...found[0]['argmax'].data]);
    await Promise.all(runners.map((runner) => runner.dispose()));
  }
  expect(threadsOfProcess()).toBeLessThanOrEqual(before);
});

test('progress rises to the whole', async () => {
  const calls: [number, number][] = [];
  const runner = await openNativeRunner(directory, { onProgress: (loaded, total) => calls.push([loaded, total]) });
  await runner.dispose();
  expect(calls.length).toBeGreaterThan(0);
  const loaded = calls.map(([bytes]) => bytes);
  expect(loaded).toEqual([...loaded].sort((a, b) => a - b));
  for (const [bytes, total] of calls) expect(bytes).toBeLessThanOrEqual(total);
});

test('loading can be aborted', async () => {
  const aborted = AbortSignal.abort(new Error('changed my mind'));
  await expect(openNativeRunner(directory, { signal: aborted })).rejects.toMatchObject({ code: 'aborted' });
  const controller = new AbortController();
  const opening = openNativeRunner(directory, { signal: controller.signal });
  controller.abort();
  await expect(opening).rejects.toMatchObject({ code: 'aborted' });
});

test('arrays may be changed as soon as step has been called', async () => {
  await using runner = await openNativeRunner(directory);
  const expected = await runner.step(longStep(runner, 40));
  const batch = longStep(runner, 40);
  const running = runner.step(batch);
  batch.tokens.fill(0);
  batch.blockTable.fill(0);
  expect([...(await running).tokens]).toEqual([...expected.tokens]);
});
