// A runner that dies: the requests go on with the same ids, and what cannot go on ends with a typed error.
import { fixturePath } from '@mimokit/fixtures';
import { afterEach, describe, expect, test } from 'vitest';
import { createEngine, fixedDraftDepth, type StepRecord } from '../src/index.ts';
import {
  processRunner,
  type ProcessRunner,
  supervised,
  type SupervisedRunner,
  type SupervisionEvent,
} from '../src/process.ts';
import { collect } from '../src/testing/index.ts';
import { fragile } from './fragile-runner.ts';
import { plain, prompt } from './mock-engine.ts';
import { randomGuide } from './random-guide.ts';
import { loadRunners } from './runners.ts';

const quick = { firstPauseMs: 1, longestPauseMs: 4 };
const request = { ids: prompt, maxTokens: 30, ignoreEos: true };
const disposals: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const dispose of disposals.splice(0).toReversed()) await dispose();
});

/** Whole numbers below `limit`, the same every time. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}

describe('a lost runner', () => {
  test('is started again, and every request goes on with the ids of an undisturbed run', async () => {
    for (let seed = 1; seed <= 40; seed++) {
      const random = randomFrom(seed);
      const loss = 12 + random(20);
      let steps = 0;
      const runners = fragile({
        blocks: 30 + random(60),
        windows: 1 + random(5),
        draftQuality: 0.8,
        // In a step before it wrote anything, after it, or between two.
        beforeStep: async () => {
          if (++steps % loss === 0) [runners.lose, () => void setImmediate(runners.lose)][random(2)]();
          if (random(3) === 0) await new Promise((resolve) => setImmediate(resolve));
        },
      });
      const runner = await supervised(runners.open, quick)('.');
      await using engine = createEngine({
        runner,
        verify: true,
        drafts: fixedDraftDepth(random(4)),
        tokenBudget: 4 + random(30),
      });
      const requests = Array.from({ length: 5 }, (_, index) => ({
        ids: [...prompt.slice(0, 4 + random(7)), random(40)],
        maxTokens: 4 + random(16),
        sampling: { temperature: index % 2, frequencyPenalty: index % 3 === 0 ? 0.4 : 0 },
        seed: index,
        ...(index % 2 === 0 && { guide: randomGuide(seed + index, 48) }),
      }));
      const answers = await Promise.all(
        requests.map((one) => collect(engine.generate({ ...one, ignoreEos: true, wantRoutes: true }))),
      );
      for (const [index, { ids, usage }] of answers.entries()) {
        expect(ids).toEqual(await plain({ ...requests[index], stopIds: [] }));
        expect(usage.promptTokens).toBe(requests[index].ids.length);
      }
      expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, kv: { windowsLive: 0 } });
      expect(runner.restarts).toBeGreaterThanOrEqual(engine.stats().memoryLosses - 1);
      await runner.dispose();
    }
  });

  test('takes the prefix cache with it', async () => {
    const runners = fragile();
    const runner = await supervised(runners.open, quick)('.');
    await using engine = createEngine({ runner, verify: true });
    await collect(engine.generate(request));
    expect(engine.explainCache([...prompt, 1]).cachedTokens).toBe(prompt.length);
    runners.lose();
    const again = await collect(engine.generate(request));
    expect(again.usage.cachedTokens).toBe(0);
    expect(again.ids).toEqual(await plain({ ...request, stopIds: [] }));
    expect(engine.stats()).toMatchObject({ memoryLosses: 1, finished: 2 });
  });

  test('is told of', async () => {
    const events: SupervisionEvent[] = [];
    const runners = fragile({}, (opening) => opening === 2);
    const runner = await supervised(runners.open, { ...quick, onEvent: (event) => events.push(event) })('.');
    await using engine = createEngine({ runner });
    expect(runner.state).toBe('running');
    runners.lose();
    await collect(engine.generate(request));
    expect(events.map(({ type }) => type)).toEqual(['lost', 'start-failed', 'restarted']);
    expect(runner).toMatchObject({ state: 'running', restarts: 1 });
  });

  test('that does not start any more ends in a typed error, after as many attempts as allowed', async () => {
    const runners = fragile({}, (opening) => opening > 1);
    const runner = await supervised(runners.open, { ...quick, mostFailedStarts: 3 })('.');
    const onStep = ({ step }: StepRecord): void => void (step === 3 && runners.lose());
    await using engine = createEngine({ runner, onStep });
    const running = collect(engine.generate({ ...request, maxTokens: 200 }));
    for (const failed of [running, collect(engine.generate(request))]) {
      await expect(failed).rejects.toMatchObject({
        code: 'runner-failed',
        message: 'The runner did not start 3 times: The disk is gone.',
        cause: { code: 'checkpoint-missing-file' },
      });
    }
    expect(runners.opened).toBe(4);
    expect(runner.state).toBe('failed');
    await expect(collect(engine.generate(request))).rejects.toMatchObject({ code: 'runner-failed' });
    expect(runners.opened).toBe(4);
  });

  test('is not started again after dispose', async () => {
    const runners = fragile({}, (opening) => opening > 1);
    const runner = await supervised(runners.open, { firstPauseMs: 60_000 })('.');
    runners.lose();
    await new Promise((resolve) => setImmediate(resolve));
    expect(runner.state).toBe('restarting');
    await runner.dispose();
    expect(runners.opened).toBeLessThanOrEqual(2);
    await expect(runner.inspect(Int32Array.of(1), [])).rejects.toMatchObject({ code: 'runner-disposed' });
  });

  test('by one and the same request is that request’s end, and nobody else’s', async () => {
    const runners = fragile({
      beforeStep: (batch) => {
        if (batch.tokens.includes(33)) runners.lose();
      },
    });
    const runner = await supervised(runners.open, quick)('.');
    await using engine = createEngine({ runner, verify: true });
    const bias = new Map([[33, -Infinity]]);
    const requests = [1, 2, 3, 4, 5].map((id) => ({ ids: [...prompt.slice(0, 6), id], maxTokens: 10, bias }));
    const good = requests.map((one) => collect(engine.generate({ ...one, ignoreEos: true, mtp: false })));
    const bad = collect(engine.generate({ ids: [5, 33], maxTokens: 10 }));
    await expect(bad).rejects.toMatchObject({ code: 'runner-failed', message: expect.stringContaining('5 times') });
    for (const [index, { ids }] of (await Promise.all(good)).entries()) {
      expect(ids).toEqual(await plain({ ...requests[index], stopIds: [] }));
    }
    expect(engine.stats().memoryLosses).toBe(5);
  });
});

describe('a killed child process', () => {
  const children: ProcessRunner[] = [];
  const open = async (parts: { module: string; name: string }, directory: string, options = {}) => {
    const factory = processRunner({ ...parts, execArgv: ['--conditions=mimokit-source'] });
    const runner: SupervisedRunner = await supervised(async (...given) => {
      const child = await factory(...given);
      children.push(child);
      return child;
    }, quick)(directory, options);
    disposals.push(() => runner.dispose());
    return runner;
  };
  const kill = (): void => {
    const child = children.at(-1);
    if (child !== undefined && !child.isLost) process.kill(child.pid, 'SIGKILL');
  };

  test('in the middle of 20 requests, again and again, costs time only', async () => {
    const module = new URL('./child-runners.ts', import.meta.url).href;
    const runner = await open({ module, name: 'mock' }, '.', { blocks: 120, windows: 6 });
    let steps = 0;
    await using engine = createEngine({
      runner,
      verify: true,
      tokenBudget: 40,
      onStep: () => {
        if (++steps % 14 === 0) kill();
      },
    });
    const requests = Array.from({ length: 20 }, (_, index) => ({ ...request, ids: [...prompt, index] }));
    const answers = await Promise.all(requests.map((one) => collect(engine.generate(one))));
    for (const [index, { ids }] of answers.entries()) {
      expect(ids).toEqual(await plain({ ...requests[index], stopIds: [] }));
    }
    expect(engine.stats().memoryLosses).toBeGreaterThan(2);
    expect(runner.restarts).toBeGreaterThanOrEqual(engine.stats().memoryLosses);
  });

  const nativeModule = '@mimokit/kernels';
  test('of the native core is started again with the same pools', async (context) => {
    const { missing } = await loadRunners();
    if (missing !== undefined) context.skip(missing);
    const module = import.meta.resolve(nativeModule);
    const model = fixturePath('models', 't1-fp8');
    const runner = await open({ module, name: 'nativeRunner' }, model, { kvBytes: 1 << 20, threads: 1 });
    const { capacity } = runner;
    await using engine = createEngine({ runner, verify: true });
    const requests = [1, 2, 3].map((id) => ({ ids: [id, 5, 9, 2], maxTokens: 24, ignoreEos: true }));
    const first = await Promise.all(requests.map((one) => collect(engine.generate(one))));
    kill();
    const second = Promise.all(requests.map((one) => collect(engine.generate(one))));
    expect((await second).map(({ ids }) => ids)).toEqual(first.map(({ ids }) => ids));
    expect(runner.restarts).toBe(1);
    expect(children.at(-1)!.capacity).toEqual(capacity);
  });
});
