// Aborts, failures, dispose: what stops a request, and what is left afterwards.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { type GenerateEvent, MimoError } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { createScheduler, fixedDraftDepth } from '../src/index.ts';
import { collect } from '../src/testing/index.ts';
import { engineOf, plain, prompt } from './mock-engine.ts';

describe('cancelling', () => {
  test('an abort takes effect at the next step and frees everything', async () => {
    const controller = new AbortController();
    const { engine } = engineOf({}, { drafts: fixedDraftDepth(0), prefixCache: false });
    const ids: number[] = [];
    let last: GenerateEvent | undefined;
    for await (const event of engine.generate({
      ids: prompt,
      maxTokens: 50,
      ignoreEos: true,
      signal: controller.signal,
    })) {
      last = event;
      if (event.type === 'tokens' && ids.push(...event.ids) === 3) controller.abort();
    }
    expect(last).toMatchObject({ type: 'finish', reason: 'aborted', usage: { completionTokens: ids.length } });
    expect(ids.length).toBeLessThanOrEqual(4);
    expect(engine.stats().kv).toMatchObject({ blocksFree: 64, windowsFree: 8 });
  });

  test('leaving the loop cancels', async () => {
    const { engine, runner } = engineOf();
    for await (const event of engine.generate({ ids: prompt, maxTokens: 200, ignoreEos: true })) {
      if (event.type === 'tokens') break;
    }
    await collect(engine.generate({ ids: [1], maxTokens: 1 }));
    expect(runner.steps).toBeLessThan(6);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  test('a signal that is aborted already runs nothing', async () => {
    const { engine, runner } = engineOf();
    const answer = await collect(engine.generate({ ids: prompt, signal: AbortSignal.abort() }));
    expect(answer).toMatchObject({ reason: 'aborted', ids: [], usage: { completionTokens: 0 } });
    expect(runner.steps).toBe(0);
  });

  test('a long prompt is aborted between chunks', async () => {
    const controller = new AbortController();
    const { engine, runner } = engineOf(
      { beforeStep: (_, step) => void (step === 3 && controller.abort()) },
      { tokenBudget: 2 },
    );
    const ids = Array.from({ length: 100 }, (_, index) => index % 40);
    const answer = await collect(engine.generate({ ids, signal: controller.signal }));
    expect(answer).toMatchObject({ reason: 'aborted', ids: [] });
    expect(runner.steps).toBe(3);
  });

  test('nothing starts before the first next()', async () => {
    const { engine, runner } = engineOf();
    engine.generate({ ids: prompt });
    await new Promise((resolve) => setImmediate(resolve));
    expect(runner.steps).toBe(0);
    expect(engine.stats().waiting).toBe(0);
  });
});

describe('a failing step', () => {
  test('rejects the requests in it with a typed error, and the engine goes on', async () => {
    const failure = new MimoError('runner-failed', 'out of luck');
    let fails = true;
    const { engine } = engineOf({
      beforeStep: (_, step) => {
        if (step === 3 && fails) throw failure;
      },
    });
    const broken = [1, 2].map((id) =>
      collect(engine.generate({ ids: [...prompt, id], maxTokens: 40, ignoreEos: true })),
    );
    for (const result of await Promise.allSettled(broken))
      expect(result).toEqual({ status: 'rejected', reason: failure });
    expect(engine.stats()).toMatchObject({ running: 0, kv: { windowsLive: 0, blocksAvailable: 64 } });
    fails = false;
    const answer = await collect(engine.generate({ ids: prompt, maxTokens: 12 }));
    expect(answer.ids).toEqual(await plain({ ids: prompt, maxTokens: 12 }));
  });

  test('only rejects the requests in it', async () => {
    let fails = true;
    const { engine } = engineOf(
      {
        beforeStep: (batch) => {
          if (fails && batch.tokens.includes(33)) throw new Error('no 33 today');
        },
      },
      // Two sequences never share a step here: one token a step.
      { tokenBudget: 1, drafts: fixedDraftDepth(0) },
    );
    const good = collect(engine.generate({ ids: [2, 3, 4], maxTokens: 10, bias: new Map([[33, -1000]]) }));
    const bad = collect(engine.generate({ ids: [5, 33], maxTokens: 10 }));
    await expect(bad).rejects.toMatchObject({ code: 'runner-failed', message: expect.stringContaining('no 33 today') });
    fails = false;
    expect((await good).ids).toEqual(await plain({ ids: [2, 3, 4], maxTokens: 10, bias: new Map([[33, -1000]]) }));
  });

  test('also when the runner answers nonsense', async () => {
    const { runner, engine } = engineOf();
    const step = runner.step.bind(runner);
    runner.step = async (batch) => ({ ...(await step(batch)), tokens: Int32Array.of(999) });
    await expect(collect(engine.generate({ ids: prompt }))).rejects.toMatchObject({ code: 'runner-failed' });
    expect(engine.stats().kv.windowsLive).toBe(0);
  });

  test('a scheduler with impossible rows is named', async () => {
    const scheduler = createScheduler({
      compare: () => 0,
      rows: (live) => live.map((sequence) => ({ sequence, start: 0, end: 999, samples: true })),
    });
    const { engine } = engineOf({}, { scheduler });
    await expect(collect(engine.generate({ ids: prompt }))).rejects.toMatchObject({
      code: 'invalid-argument',
      message: expect.stringContaining('scheduler'),
    });
  });
});

describe('disposing', () => {
  test('rejects what runs, waits for the step, and refuses what comes later', async () => {
    const { engine, runner } = engineOf();
    const running = collect(engine.generate({ ids: prompt, maxTokens: 200, ignoreEos: true }));
    const outcome = running.catch((error: unknown) => error);
    await new Promise((resolve) => setImmediate(resolve));
    await engine.dispose();
    await engine.dispose();
    expect(await outcome).toMatchObject({ code: 'runner-disposed' });
    const { steps } = runner;
    await new Promise((resolve) => setTimeout(resolve, 5));
    expect(runner.steps).toBe(steps);
    expect(engine.stats().kv.windowsLive).toBe(0);
    await expect(collect(engine.generate({ ids: prompt }))).rejects.toMatchObject({ code: 'runner-disposed' });
  });
});

describe('the process', () => {
  const exits = (body: string) =>
    spawnSync(process.execPath, ['--conditions=mimokit-source', '--input-type=module', '-e', `${imports}${body}`], {
      cwd: fileURLToPath(new URL('.', import.meta.url)),
      encoding: 'utf8',
    });
  const imports = `
    import { createEngine } from '../src/index.ts';
    import { collect, MockRunner } from '../src/testing/index.ts';
    const engine = createEngine({ runner: new MockRunner() });
    const request = { ids: [1, 2, 3], maxTokens: 100, ignoreEos: true };
  `;

  test.each([
    ['an answer, even without dispose', 'console.log((await collect(engine.generate(request))).ids.length);', '100\n'],
    [
      'a loop that was left',
      "for await (const event of engine.generate(request)) break; console.log('left');",
      'left\n',
    ],
    [
      'a dispose in the middle',
      "const it = engine.generate(request)[Symbol.asyncIterator](); await it.next(); await engine.dispose(); console.log('gone');",
      'gone\n',
    ],
  ])('ends by itself after %s', (_, body, stdout) => {
    expect(exits(body)).toMatchObject({ status: 0, stdout, stderr: '' });
  });
});
