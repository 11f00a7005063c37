// The exported laws, over the mock and over real runners, with several schedulers and policies.
import { fixturePath } from '@mimokit/fixtures';
import type { ModelRunner } from '@mimokit/protocol';
import { describe, test } from 'vitest';
import { createEngine, createScheduler, type EngineParts, fixedDraftDepth, priorityScheduler } from '../src/index.ts';
import { engineLaws, MockRunner } from '../src/testing/index.ts';
import { loadRunners } from './runners.ts';

const pool = { blocks: 60, windows: 6, blockTokens: 4, threads: 1 };
const { runners } = await loadRunners();
const mock = (): Promise<ModelRunner> => Promise.resolve(new MockRunner(pool));
const real = runners.map(({ name, open }) => ({
  name,
  open: () => open(fixturePath('models', 't1-bf16'), pool),
  // The policies are exercised on the mock; a real runner has to show that it fits.
  only: 'small chunks, fixed depth',
}));

const variants: { name: string; parts: () => Omit<EngineParts, 'runner'> }[] = [
  { name: 'defaults', parts: () => ({}) },
  { name: 'small chunks, fixed depth', parts: () => ({ tokenBudget: 5, drafts: fixedDraftDepth(3) }) },
  { name: 'priority policy', parts: () => ({ scheduler: priorityScheduler() }) },
  {
    name: 'a policy of its own',
    parts: () => ({ scheduler: createScheduler({ compare: (a, b) => a.tokens.length - b.tokens.length }), maxRows: 2 }),
  },
];

describe.each([{ name: 'mock', open: mock, only: undefined }, ...real])(
  'an engine over the $name runner',
  ({ open, only }) => {
    describe.each(variants.filter(({ name }) => only === undefined || name === only))('$name', ({ parts }) => {
      const laws = engineLaws({
        open: async () => {
          const runner = await open();
          const engine = createEngine({ runner, verify: true, ...parts() });
          return {
            engine,
            close: async () => {
              await engine.dispose();
              await runner.dispose();
            },
          };
        },
        openPlain: open,
      });
      test.each(laws)('$name', ({ check }) => check());
    });
  },
);
