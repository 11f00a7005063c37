// Ids that are given, allowed or banned: the engine's part. What a chat makes of it is chat-guide.test.ts.
import { describe, expect, test } from 'vitest';
import { type Demand, fixedDraftDepth, type Guide } from '../src/index.ts';
import { collect } from '../src/testing/index.ts';
import { engineOf, plain, prompt } from './mock-engine.ts';
import { randomGuide } from './random-guide.ts';

const free: Guide = { demand: undefined, after: () => free };
/** `lists[n]` is asked for the id number n; afterwards the model is free. */
const script = (...lists: (Demand | undefined)[]): Guide => {
  const at = (index: number): Guide =>
    index === lists.length ? free : { demand: lists[index], after: () => at(index + 1) };
  return at(0);
};
const give = (id: number): Demand => ({ allow: [id] });

describe('a guide', () => {
  test('gives ids before the first drawn one, without a step of their own', async () => {
    const { engine, runner } = engineOf();
    const guide = script(give(7), give(8), give(9));
    const answer = await collect(engine.generate({ ids: prompt, maxTokens: 4, ignoreEos: true, guide }));
    expect(answer.ids.slice(0, 3)).toEqual([7, 8, 9]);
    expect(answer.ids[3]).toBe((await plain({ ids: [...prompt, 7, 8, 9], maxTokens: 1, stopIds: [] }))[0]);
    expect(runner.steps).toBe(1);
    expect(answer.usage).toMatchObject({ promptTokens: prompt.length, completionTokens: 4 });
  });

  test('gives ids between drawn ones, which continue as if the model had written them', async () => {
    const start = await plain({ ids: prompt, maxTokens: 2, stopIds: [] });
    const rest = await plain({ ids: [...prompt, ...start, 30, 31], maxTokens: 5, stopIds: [] });
    for (const depth of [0, 1, 3]) {
      const { engine } = engineOf({ draftQuality: 1 }, { drafts: fixedDraftDepth(depth) });
      const guide = script(undefined, undefined, give(30), give(31));
      const answer = await collect(engine.generate({ ids: prompt, maxTokens: 9, ignoreEos: true, guide }));
      expect(answer.ids).toEqual([...start, 30, 31, ...rest]);
    }
  });

  test('may end the answer with a stop id, or be cut by maxTokens', async () => {
    const { engine, runner } = engineOf();
    const guide = script(give(7), give(47), give(9));
    const ended = await collect(engine.generate({ ids: prompt, maxTokens: 9, guide }));
    expect(ended).toMatchObject({ ids: [7, 47], reason: 'stop', usage: { completionTokens: 2 } });
    const cut = await collect(engine.generate({ ids: prompt, maxTokens: 2, guide: script(give(1), give(2), give(3)) }));
    expect(cut).toMatchObject({ ids: [1, 2], reason: 'length' });
    expect(runner.steps).toBe(0);
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0 });
  });

  test('allows and bans ids with the exact distribution of what is left', async () => {
    const sampling = { temperature: 2 };
    for (const seed of [1, 2, 3, 4, 5, 6]) {
      const { engine } = engineOf();
      const request = { ids: prompt, maxTokens: 2, ignoreEos: true, sampling, seed };
      const allow = [3, 17, 40];
      const allowed = await collect(engine.generate({ ...request, guide: script({ allow }, { ban: [1, 2] }) }));
      expect(allow).toContain(allowed.ids[0]);
      expect([1, 2]).not.toContain(allowed.ids[1]);
      // The same as banning every other id by hand.
      const bias = new Map(
        Array.from({ length: 48 }, (_, id): [number, number] => [id, -Infinity]).filter(([id]) => !allow.includes(id)),
      );
      const [first] = await plain({ ids: prompt, maxTokens: 1, stopIds: [], sampling, seed, bias });
      expect(allowed.ids[0]).toBe(first);
    }
  });

  test('has given ids counted by penalties, and reported with log-probability 0', async () => {
    const request = {
      ids: prompt,
      maxTokens: 12,
      stopIds: [],
      sampling: { repetitionPenalty: 1.4, frequencyPenalty: 0.5 },
    };
    const guide = script(undefined, give(4), give(4), undefined, give(4));
    const { engine } = engineOf({}, { drafts: fixedDraftDepth(3) });
    const answer = await collect(engine.generate({ ...request, ignoreEos: true, topLogprobs: 2, guide }));
    expect(answer.ids).toEqual(await plain({ ...request, guide }));
    expect(answer.logprobs.map(({ id }) => id)).toEqual(answer.ids);
    expect(answer.logprobs.map(({ rivals }) => rivals.length)).toEqual(
      answer.ids.map((_, index) => ([1, 2, 4].includes(index) ? 0 : 2)),
    );
    expect(answer.logprobs[1]).toEqual({ id: 4, logprob: 0, rivals: [] });
  });

  test('has one row of routes per token, given or drawn', async () => {
    const guide = script(give(4), undefined, give(4), give(5));
    const request = { ids: prompt, maxTokens: 8, ignoreEos: true, wantRoutes: true, guide };
    const answer = await collect(engineOf().engine.generate(request));
    expect(answer.routes).toHaveLength((prompt.length + 8 - 1) * 2 * 2);
  });

  test('that asks for the impossible fails with a typed error', async () => {
    const { engine } = engineOf();
    for (const [demand, code] of [
      [{ allow: [] }, 'invalid-argument'],
      [{ allow: [48] }, 'token-out-of-range'],
      [{ ban: [-1] }, 'token-out-of-range'],
    ] as const) {
      for (const guide of [script(demand), script(undefined, demand)]) {
        const failed = collect(engine.generate({ ids: prompt, maxTokens: 5, ignoreEos: true, guide }));
        await expect(failed).rejects.toMatchObject({ code });
      }
    }
    expect(engine.stats()).toMatchObject({ running: 0, waiting: 0, kv: { windowsLive: 0 } });
  });

  test('of any kind gives the plain ids in every batch, chunk and depth', async () => {
    const requests = Array.from({ length: 12 }, (_, seed) => ({
      ids: [...prompt, seed],
      maxTokens: 24,
      stopIds: [],
      seed,
      sampling: { temperature: seed % 2 },
      guide: randomGuide(seed, 48),
    }));
    const expected: number[][] = [];
    for (const request of requests) expected.push(await plain(request));
    for (const [depth, tokenBudget, blocks] of [
      [0, 512, 200],
      [3, 512, 200],
      [3, 5, 24],
      [2, 1, 40],
    ]) {
      const { engine } = engineOf({ blocks, draftQuality: 0.9 }, { drafts: fixedDraftDepth(depth), tokenBudget });
      const answers = await Promise.all(
        requests.map((request) => collect(engine.generate({ ...request, ignoreEos: true }))),
      );
      expect(answers.map(({ ids }) => ids)).toEqual(expected);
    }
  });
});
