// What a caller may rely on: ends, refusals, aborts, failures, fairness, figures.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { isMimoError, MimoError, type GenerateEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import {
  createEngine,
  createScheduler,
  type DraftPolicy,
  type EngineParts,
  fixedDraftDepth,
  priorityScheduler,
  type StepRecord,
} from '../src/index.ts';
import { collect, type MockOptions, MockRunner, plainIds } from '../src/testing/index.ts';

const prompt = [5, 9, 2, 14, 3, 3, 8, 21, 30, 1, 7];

function engineOf(options: MockOptions = {}, parts: Omit<EngineParts, 'runner'> = {}) {
  const runner = new MockRunner(options);
  return { runner, engine: createEngine({ runner, verify: true, ...parts }) };
}

function plain(request: Parameters<typeof plainIds>[1], options: MockOptions = {}): Promise<number[]> {
  return plainIds(new MockRunner({ ...options, blocks: 256 }), request);
}

describe('an answer', () => {
  test('ends at maxTokens with reason length', async () => {
    const { engine } = engineOf();
    const answer = await collect(engine.generate({ ids: prompt, maxTokens: 9, ignoreEos: true }));
    expect(answer).toMatchObject({
      reason: 'length',
      usage: { promptTokens: 11, completionTokens: 9, cachedTokens: 0 },
    });
  });

  test('ends with its stop id, which belongs to it', async () => {
    const free = await plain({ ids: prompt, maxTokens: 20, stopIds: [] });
    const stopIds = [free[6]];
    const { engine } = engineOf({ draftQuality: 1 }, { drafts: fixedDraftDepth(3) });
    const answer = await collect(engine.generate({ ids: prompt, maxTokens: 20, stopIds }));
    expect(answer.reason).toBe('stop');
    expect(answer.ids).toEqual(free.slice(0, free.indexOf(free[6]) + 1));
  });

  test('goes past the stop ids with ignoreEos', async () => {
    const { engine } = engineOf({ vocabSize: 4 });
    const answer = await collect(engine.generate({ ids: [1, 2], maxTokens: 40, ignoreEos: true }));
    expect(answer.ids).toHaveLength(40);
    expect(answer.ids).toContain(3);
  });

  test('is as long as the context or the pool allows when maxTokens is left out', async () => {
    const inContext = engineOf({ contextLength: 40 });
    const context = await collect(inContext.engine.generate({ ids: prompt, ignoreEos: true }));
    expect(context.ids).toHaveLength(29);
    const inPool = engineOf({ blocks: 5, blockTokens: 4 });
    const pool = await collect(inPool.engine.generate({ ids: prompt, ignoreEos: true }));
    expect(pool.ids).toHaveLength(10);
  });

  test('is the same for the same seed, and sampled freely without one', async () => {
    const { engine } = engineOf();
    const request = { ids: prompt, maxTokens: 24, ignoreEos: true, sampling: { temperature: 3 } };
    const answers = await Promise.all(
      [7, 7, 8, undefined, undefined].map((seed) =>
        collect(engine.generate(seed === undefined ? request : { ...request, seed })),
      ),
    );
    const [first, again, other, free, freeAgain] = answers.map(({ ids }) => ids);
    expect(again).toEqual(first);
    expect(other).not.toEqual(first);
    expect(free).not.toEqual(freeAgain);
  });

  test('follows bias, top-k, top-p, min-p and penalties as the plain run does', async () => {
    const request = {
      ids: prompt,
      maxTokens: 30,
      seed: 3,
      stopIds: [],
      bias: new Map([
        [4, 3],
        [5, -100],
      ]),
      sampling: {
        temperature: 1.5,
        topK: 20,
        topP: 0.9,
        minP: 0.02,
        repetitionPenalty: 1.1,
        frequencyPenalty: 0.3,
        presencePenalty: 0.2,
      },
    };
    const expected = await plain(request);
    for (const depth of [0, 3]) {
      const { engine } = engineOf({}, { drafts: fixedDraftDepth(depth) });
      const answer = await collect(engine.generate(request));
      expect(answer.ids).toEqual(expected);
      expect(answer.ids).not.toContain(5);
    }
  });

  test('brings log-probabilities and routes that do not depend on drafts or chunks', async () => {
    const request = { ids: prompt, maxTokens: 12, ignoreEos: true, topLogprobs: 2, wantRoutes: true };
    const whole = await collect(engineOf({}, { drafts: fixedDraftDepth(0) }).engine.generate(request));
    const cut = await collect(engineOf({}, { drafts: fixedDraftDepth(3), tokenBudget: 3 }).engine.generate(request));
    expect(cut.logprobs).toEqual(whole.logprobs);
    expect(cut.routes).toEqual(whole.routes);
    expect(whole.routes).toHaveLength((11 + 12 - 1) * 2 * 2);
    expect(whole.logprobs.map(({ id }) => id)).toEqual(whole.ids);
    for (const { id, logprob, rivals } of whole.logprobs) {
      expect(rivals).toHaveLength(2);
      // Greedy: the chosen one is the best rival.
      expect(rivals[0]).toEqual({ id, logprob });
    }
  });

  test('says how many ids each step brought', async () => {
    const { engine, runner } = engineOf({ draftQuality: 1 }, { drafts: fixedDraftDepth(3) });
    const answer = await collect(engine.generate({ ids: prompt, maxTokens: 11, ignoreEos: true }));
    expect(answer.usage.acceptLengths).toEqual([4, 4, 2]);
    expect(runner.steps).toBe(4);
    const without = await collect(engine.generate({ ids: prompt, maxTokens: 11, ignoreEos: true, mtp: false }));
    expect(without.ids).toEqual(answer.ids);
    expect(without.usage.acceptLengths).toEqual(Array.from({ length: 10 }, () => 1));
  });
});

describe('the prefix cache', () => {
  test('a next turn runs only what is new', async () => {
    const { engine } = engineOf();
    const first = await collect(engine.generate({ ids: prompt, maxTokens: 6, ignoreEos: true }));
    const next = [...prompt, ...first.ids, 4, 4];
    const second = await collect(engine.generate({ ids: next, maxTokens: 6 }));
    // The last id of an answer was never run.
    expect(second.usage.cachedTokens).toBe(11 + 5);
    expect(second.ids).toEqual(await plain({ ids: next, maxTokens: 6 }));
  });

  test('a next turn without the answer resumes at the end of the prompt', async () => {
    const { engine } = engineOf();
    await collect(engine.generate({ ids: prompt, maxTokens: 6, ignoreEos: true }));
    const second = await collect(engine.generate({ ids: [...prompt, 40, 41], maxTokens: 2 }));
    expect(second.usage.cachedTokens).toBe(11);
  });

  test('a beginning shared by others is kept when it is seen the second time', async () => {
    const { engine } = engineOf();
    const cached: number[] = [];
    for (const own of [40, 41, 42]) {
      const answer = await collect(engine.generate({ ids: [...prompt.slice(0, 9), own, own], maxTokens: 2 }));
      cached.push(answer.usage.cachedTokens);
    }
    expect(cached).toEqual([0, 0, 8]);
  });

  test('drafts after resuming are those of a cold run', async () => {
    const { engine } = engineOf({}, { drafts: fixedDraftDepth(3) });
    const first = await collect(engine.generate({ ids: prompt, maxTokens: 6, ignoreEos: true }));
    const next = { ids: [...prompt, ...first.ids, 4], maxTokens: 30, ignoreEos: true };
    const warm = await collect(engine.generate(next));
    const cold = await collect(engineOf({}, { drafts: fixedDraftDepth(3) }).engine.generate(next));
    expect(warm.usage.cachedTokens).toBeGreaterThan(0);
    expect(warm.usage.acceptLengths).toEqual(cold.usage.acceptLengths);
  });

  test('says why a prompt misses', async () => {
    const { engine } = engineOf();
    expect(engine.explainCache(prompt)).toMatchObject({ reason: 'nothing-kept', cachedTokens: 0 });
    await collect(engine.generate({ ids: prompt, maxTokens: 1 }));
    const changed = [...prompt.slice(0, 5), 44, ...prompt.slice(6)];
    expect(engine.explainCache(changed)).toEqual({
      cachedTokens: 0,
      reason: 'differs',
      position: 5,
      keptId: 3,
      promptId: 44,
      keptTokens: 11,
    });
    expect(engine.explainCache(prompt)).toMatchObject({ reason: 'too-long', cachedTokens: 0 });
    expect(engine.explainCache([...prompt, 1])).toMatchObject({ reason: 'all-used', cachedTokens: 11 });
  });
});

describe('law 1: a ring holds window + maxDraft - 1 positions', () => {
  const request = { ids: prompt, maxTokens: 40, ignoreEos: true };
  const run = (ring: number) => {
    const { engine } = engineOf({ windowKeys: 6, maxDraft: 3, ring, draftQuality: 0 }, { drafts: fixedDraftDepth(3) });
    return collect(engine.generate(request));
  };

  test('that many are enough', async () => {
    expect((await run(8)).ids).toEqual(await plain({ ...request, stopIds: [] }));
  });

  test('with one fewer, rejected drafts overwrite what is still needed', async () => {
    await expect(run(7)).rejects.toMatchObject({ code: 'batch-invalid' });
  });
});

describe('a request is refused at once', () => {
  const refusal = async (
    request: Parameters<ReturnType<typeof createEngine>['generate']>[0],
    options: MockOptions = {},
  ) => {
    const { engine, runner } = engineOf(options);
    const error = await collect(engine.generate(request)).catch((error: unknown) => error);
    expect(runner.steps).toBe(0);
    expect(engine.stats()).toMatchObject({ waiting: 0, running: 0 });
    expect(isMimoError(error)).toBe(true);
    return error as MimoError;
  };

  test('when it is longer than the context', async () => {
    const error = await refusal({ ids: prompt, maxTokens: 30 }, { contextLength: 40 });
    expect(error).toMatchObject({ code: 'context-overflow', details: { promptTokens: 11, contextLength: 40 } });
    expect(error.hint).toContain('at most 29');
    expect((await refusal({ ids: prompt }, { contextLength: 11 })).code).toBe('context-overflow');
  });

  test('when it would not fit even alone, with the bytes it needs', async () => {
    const error = await refusal({ ids: prompt, maxTokens: 6 }, { blocks: 3, blockTokens: 4 });
    expect(error).toMatchObject({ code: 'kv-too-small', details: { neededBlocks: 4, blocks: 3 } });
    expect(error.details.neededBytes).toBe(4 * 1024 * 4 + 2048 * 8);
    expect(error.hint).toContain('at most 2');
  });

  test.each([
    ['no ids', { ids: [] }, 'invalid-argument'],
    ['an id outside the vocabulary', { ids: [1, 48] }, 'token-out-of-range'],
    ['a negative id', { ids: [-1] }, 'token-out-of-range'],
    ['half an id', { ids: [0.5] }, 'token-out-of-range'],
    ['maxTokens 0', { ids: [1], maxTokens: 0 }, 'invalid-argument'],
    ['a bias outside the vocabulary', { ids: [1], bias: new Map([[99, 1]]) }, 'token-out-of-range'],
    ['a temperature below 0', { ids: [1], sampling: { temperature: -1 } }, 'invalid-argument'],
    ['a seed that is no integer', { ids: [1], seed: 0.5 }, 'invalid-argument'],
    ['topLogprobs below 0', { ids: [1], topLogprobs: -1 }, 'invalid-argument'],
  ])('for %s', async (_, request, code) => {
    expect((await refusal(request)).code).toBe(code);
  });
});

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
    spawnSync(process.execPath, ['--conditions=source', '--input-type=module', '-e', `${imports}${body}`], {
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

describe('scheduling', () => {
  const steps: StepRecord[] = [];
  const request = (id: number, rest = {}) => ({ ids: [...prompt, id], maxTokens: 20, ignoreEos: true, ...rest });

  test('many requests share steps', async () => {
    const { engine, runner } = engineOf({ blocks: 200 });
    await Promise.all([1, 2, 3, 4].map((id) => collect(engine.generate(request(id)))));
    expect(runner.mostRows).toBe(4);
    expect(engine.stats()).toMatchObject({ finished: 4, preemptions: 0, completionTokens: 80 });
  });

  test('a long prompt does not hold up those who are answering', async () => {
    const { engine } = engineOf({ blocks: 400 }, { tokenBudget: 8, onStep: (step) => void steps.push(step) });
    const order: string[] = [];
    const long = { ids: Array.from({ length: 300 }, (_, index) => index % 40), maxTokens: 1 };
    const short = collect(engine.generate(request(1))).then(() => order.push('short'));
    await Promise.all([short, collect(engine.generate(long)).then(() => order.push('long'))]);
    expect(order).toEqual(['short', 'long']);
    for (const { tokens } of steps) expect(tokens).toBeLessThanOrEqual(8);
  });

  test('answering does not hold up a prompt either', async () => {
    const { engine } = engineOf({ blocks: 400 }, { tokenBudget: 4 });
    const others = [1, 2, 3, 4].map((id) => collect(engine.generate(request(id, { maxTokens: 200 }))));
    const late = await collect(engine.generate({ ids: prompt, maxTokens: 1 }));
    expect(late.ids).toHaveLength(1);
    expect(engine.stats().running).toBe(4);
    await Promise.all(others);
  });

  test('the priority policy lets the important one in, also in place of another', async () => {
    const order: number[] = [];
    const { engine } = engineOf({ windows: 1 }, { scheduler: priorityScheduler() });
    const first = collect(engine.generate(request(1, { priority: 0 }))).then(() => order.push(0));
    await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
    const rest = [1, 3, 2].map((priority) =>
      collect(engine.generate(request(priority, { priority }))).then(() => order.push(priority)),
    );
    await Promise.all([first, ...rest]);
    expect(order).toEqual([3, 2, 1, 0]);
    expect(engine.stats().preemptions).toBeGreaterThan(0);
  });

  test('too little room for all preempts, and changes no id', async () => {
    const { engine } = engineOf({ blocks: 10, blockTokens: 4 });
    const answers = await Promise.all([1, 2, 3].map((id) => collect(engine.generate(request(id)))));
    expect(engine.stats().preemptions).toBeGreaterThan(0);
    for (const [index, { ids }] of answers.entries()) {
      expect(ids).toEqual(await plain({ ids: [...prompt, index + 1], maxTokens: 20, stopIds: [] }));
    }
  });

  test('timers of the process run while the engine works', async () => {
    const { engine } = engineOf({ blocks: 600 });
    let ticks = 0;
    const timer = setInterval(() => ticks++, 1);
    await collect(engine.generate({ ids: prompt, maxTokens: 800, ignoreEos: true, mtp: false }));
    clearInterval(timer);
    expect(ticks).toBeGreaterThan(5);
  });

  test('a draft policy of your own is asked and told', async () => {
    const told: { proposed: number; accepted: number }[] = [];
    const drafts: DraftPolicy = {
      depth: ({ rows, maxDraft }) => (rows === 1 ? maxDraft : 0),
      observe: (row) => told.push(row),
    };
    const { engine } = engineOf({ draftQuality: 1 }, { drafts });
    await collect(engine.generate({ ids: prompt, maxTokens: 9, ignoreEos: true }));
    expect(told).toEqual([
      { proposed: 3, accepted: 3 },
      { proposed: 3, accepted: 3 },
    ]);
  });
});

test('statistics add up, bytes are exact', async () => {
  const { engine } = engineOf({ blocks: 20, windows: 3, blockTokens: 4 });
  await collect(engine.generate({ ids: prompt, maxTokens: 6, ignoreEos: true }));
  const stats = engine.stats();
  const { kv } = stats;
  expect(stats).toMatchObject({ promptTokens: 11, cachedTokens: 0, completionTokens: 6, finished: 1 });
  expect(kv.bytes).toBe(20 * 4096 + 3 * 2048 * 8);
  // Kept: the prompt's window with 3 blocks, the answer's with 4; they share the first three.
  expect(kv).toMatchObject({ windowsKept: 2, windowsFree: 1, blocksFree: 16, blocksAvailable: 20, bytesLive: 0 });
  expect(kv.bytesUsed).toBe(4 * 4096 + 2 * 2048 * 8);
});
