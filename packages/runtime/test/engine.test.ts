// What a caller may rely on: ends, refusals, cached prefixes, figures.
import { isMimoError, type MimoError } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { type createEngine, fixedDraftDepth } from '../src/index.ts';
import { collect, type MockOptions } from '../src/testing/index.ts';
import { engineOf, plain, prompt } from './mock-engine.ts';

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

  test('the same long prompt once more runs its last token only', async () => {
    const { engine, runner } = engineOf({}, { drafts: fixedDraftDepth(0) });
    const ids = [...prompt, ...prompt];
    const request = { ids, maxTokens: 5, ignoreEos: true };
    const first = await collect(engine.generate(request));
    const { steps } = runner;
    const again = await collect(engine.generate(request));
    expect(again.usage.cachedTokens).toBe(ids.length - 1);
    expect(again.ids).toEqual(first.ids);
    expect([steps, runner.steps - steps]).toEqual([6, 5]);
    // And what goes on from there, with or without the answer.
    const next = await collect(engine.generate({ ids: [...ids, 9, 9], maxTokens: 1 }));
    expect(next.usage.cachedTokens).toBe(ids.length - 1);
    expect(again.ids).toEqual(await plain({ ...request, stopIds: [] }));
  });

  test('samples of one prompt that come together compute it once', async () => {
    const { engine, runner } = engineOf({ blocks: 200 });
    const ids = [...prompt, ...prompt, ...prompt];
    const requests = [1, 2, 3, 4].map((seed) => ({ ids, maxTokens: 8, sampling: { temperature: 2 }, seed }));
    const answers = await Promise.all(
      requests.map((request) => collect(engine.generate({ ...request, ignoreEos: true }))),
    );
    expect(answers.map(({ usage }) => usage.cachedTokens)).toEqual([0, 32, 32, 32]);
    expect(runner.mostRows).toBe(4);
    for (const [index, { ids: found }] of answers.entries()) {
      expect(found).toEqual(await plain({ ...requests[index], stopIds: [] }));
    }
  });

  test('so do prompts that begin alike and go on differently', async () => {
    const { engine } = engineOf({ blocks: 200 }, { tokenBudget: 9 });
    const common = [...prompt, ...prompt].slice(0, 21);
    const requests = [1, 2, 3].map((own) => ({ ids: [...common, own, own, own], maxTokens: 6 }));
    const other = { ids: [...prompt.slice(0, 3), 9, 9], maxTokens: 6 };
    const answers = await Promise.all([...requests, other].map((request) => collect(engine.generate(request))));
    expect(answers.map(({ usage }) => usage.cachedTokens)).toEqual([0, 21, 21, 0]);
    for (const [index, request] of [...requests, other].entries()) {
      expect(answers[index].ids).toEqual(await plain(request));
    }
  });

  test('nobody waits for a leader that goes away', async () => {
    const { engine } = engineOf({ blocks: 200 }, { tokenBudget: 4 });
    const ids = [...prompt, ...prompt, ...prompt];
    const controller = new AbortController();
    const leader = collect(engine.generate({ ids, maxTokens: 4, signal: controller.signal }));
    const follower = collect(engine.generate({ ids, maxTokens: 4 }));
    setImmediate(() => controller.abort());
    expect((await leader).reason).toBe('aborted');
    expect((await follower).ids).toEqual(await plain({ ids, maxTokens: 4 }));
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
    ['a bias that is NaN', { ids: [1], bias: new Map([[1, Number.NaN]]) }, 'invalid-argument'],
    ['a bias beyond float32', { ids: [1], bias: new Map([[1, 1e39]]) }, 'invalid-argument'],
    ['a temperature below 0', { ids: [1], sampling: { temperature: -1 } }, 'invalid-argument'],
    ['a seed that is no integer', { ids: [1], seed: 0.5 }, 'invalid-argument'],
    ['topLogprobs below 0', { ids: [1], topLogprobs: -1 }, 'invalid-argument'],
  ])('for %s', async (_, request, code) => {
    expect((await refusal(request)).code).toBe(code);
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
