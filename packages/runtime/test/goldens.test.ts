// The engine over real runners, against the goldens of the tiny checkpoints.
import { fixtureJson, fixturePath } from '@mimokit/fixtures';
import type { ModelRunner } from '@mimokit/protocol';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { adaptiveDraftDepth, createEngine, type EngineParts, fixedDraftDepth } from '../src/index.ts';
import { collect } from '../src/testing/index.ts';
import { loadRunners } from './runners.ts';

interface Forward {
  prompts: { name: string; ids: number[]; plain: { greedy: number[] } }[];
}
interface Traces {
  traces: {
    prompt: string;
    mode: string;
    kv: string;
    ids: number[];
    output: number[];
    steps: { accepted: number }[];
  }[];
}

const { runners, missing } = await loadRunners();
const models = ['t1-bf16', 't1-fp8', 't2-fp8'];
// One thread: the models are tiny, and the machine may be busy.
const pool = { blocks: 256, windows: 12, blockTokens: 8, threads: 1 };

test.skipIf(missing !== undefined)(`native runner${missing === undefined ? '' : `, skipped: ${missing}`}`, () => {
  expect(runners.map(({ name }) => name)).toEqual(['js', 'native']);
});

describe.each(runners)('$name runner', ({ name, open }) => {
  describe.each(models)('%s', (model) => {
    let runner: ModelRunner;
    beforeAll(async () => {
      runner = await open(fixturePath('models', model), pool);
    });
    afterAll(() => runner.dispose());

    const engineOf = (parts: Omit<EngineParts, 'runner'> = {}) => createEngine({ runner, verify: true, ...parts });
    const { prompts } = fixtureJson<Forward>('goldens', model, 'forward.json');
    const golden = prompts.map(({ ids, plain }) => ({ ids, greedy: plain.greedy }));
    const greedy = (ids: number[], mtp: boolean) => ({ ids, maxTokens: 32, ignoreEos: true, mtp });

    test.each([true, false])('greedy ids equal the goldens, one after the other, mtp %s', async (mtp) => {
      await using engine = engineOf();
      for (const { ids, greedy: expected } of golden) {
        expect((await collect(engine.generate(greedy(ids, mtp)))).ids).toEqual(expected);
      }
    });

    test.each(name === 'native' ? [1, 3, 7, 64] : [3])(
      'all prompts in one batch with %i tokens a step',
      async (tokenBudget) => {
        await using engine = engineOf({ tokenBudget, drafts: fixedDraftDepth(3) });
        const answers = await Promise.all(golden.map(({ ids }) => collect(engine.generate(greedy(ids, true)))));
        expect(answers.map(({ ids }) => ids)).toEqual(golden.map(({ greedy: expected }) => expected));
      },
    );

    test('a second turn resumes where the first one ended, and gives the same ids', async () => {
      const { ids, greedy: expected } = golden.at(-1)!;
      await using engine = engineOf();
      await collect(engine.generate({ ...greedy(ids, true), maxTokens: 12 }));
      const second = await collect(
        engine.generate({ ...greedy([...ids, ...expected.slice(0, 12)], true), maxTokens: 20 }),
      );
      expect(second.ids).toEqual(expected.slice(12));
      expect(second.usage.cachedTokens).toBe(ids.length + 11);
    });

    if (model !== 't2-fp8') {
      const { traces } = fixtureJson<Traces>('goldens', model, 'traces.json');
      test.each(traces.filter(({ kv, mode }) => kv === 'exact' && mode === 'plain'))(
        'accept lengths of $prompt equal the trace',
        async ({ ids, output, steps }) => {
          await using engine = engineOf({ drafts: fixedDraftDepth(3) });
          const answer = await collect(engine.generate(greedy(ids, true)));
          expect(answer.ids).toEqual(output);
          // The last step may be cut by maxTokens.
          let left = output.length - 1;
          const lengths = steps.map(({ accepted }) => {
            const length = Math.min(accepted + 1, left);
            left -= length;
            return length;
          });
          expect(answer.usage.acceptLengths).toEqual(lengths.filter((length) => length > 0));
        },
      );
    }
  });
});

describe.each(runners)('$name runner, random prompts', ({ name, open }) => {
  test.each(models)(
    '%s: greedy with MTP equals greedy without, in batches of 1, 2 and 8 and any chunk size',
    async (model) => {
      // All 200 on the native core; in TypeScript as many as the time allows.
      const count = name === 'native' ? 200 : model === 't1-bf16' ? 24 : 6;
      const runner = await open(fixturePath('models', model), pool);
      const random = randomFrom(20261);
      const requests = Array.from({ length: count }, () => ({
        ids: Array.from({ length: 1 + random(28) }, () => random(runner.info.vocabSize)),
        maxTokens: 1 + random(name === 'js' ? 6 : 16),
      }));
      const run = async (mtp: boolean, parts: Omit<EngineParts, 'runner'>): Promise<number[][]> => {
        await using engine = createEngine({ runner, prefixCache: false, drafts: adaptiveDraftDepth(), ...parts });
        const answers = await Promise.all(requests.map((request) => collect(engine.generate({ ...request, mtp }))));
        return answers.map(({ ids }) => ids);
      };
      const plain = await run(false, { maxRows: 1 });
      expect(await run(true, { maxRows: 1, drafts: fixedDraftDepth(3) })).toEqual(plain);
      expect(await run(true, { maxRows: 2, tokenBudget: 7 })).toEqual(plain);
      expect(await run(true, { maxRows: 8, tokenBudget: 64, prefixCache: true })).toEqual(plain);
      await runner.dispose();
    },
  );
});

/** Whole numbers below `limit`, the same every time. */
function randomFrom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * limit);
  };
}
