// Who runs when: sharing, fairness, priority, preemption, drafts.
import { describe, expect, test } from 'vitest';
import { type DraftPolicy, priorityScheduler, type StepRecord } from '../src/index.ts';
import { collect } from '../src/testing/index.ts';
import { engineOf, plain, prompt } from './mock-engine.ts';

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

  test('prompts of a model without sliding layers share what they can, also with all rows taken', async () => {
    const plainModel = { windowKeys: 1, maxDraft: 0, windows: 3, blocks: 40 };
    const { engine } = engineOf(plainModel);
    const requests = [1, 2, 1, 2, 1, 2].map((id) => ({ ...request(id), ids: [id, ...prompt] }));
    const answers = await Promise.all(requests.map((one) => collect(engine.generate(one))));
    // The first of each computes it, the others their last token.
    expect(engine.stats()).toMatchObject({ promptTokens: 6 * 12, cachedTokens: 4 * 11, preemptions: 0 });
    for (const [index, { ids }] of answers.entries()) {
      expect(ids).toEqual(await plain({ ...requests[index], stopIds: [] }, plainModel));
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
