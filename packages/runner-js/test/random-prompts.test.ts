// Greedy text of 200 random prompts: eight rows a step with drafts and mixed chunks, two rows, or one alone without drafts.
import { fixturePath } from '@mimokit/fixtures';
import { randomAt } from '@mimokit/protocol';
import { StepSequence, stepTogether } from '@mimokit/protocol/testing';
import { expect, test } from 'vitest';
import { jsRunner } from '../src/node.ts';

const newTokens = 12;
const blocksEach = 5;

test('batch 1, 2 and 8, with drafts or without, in chunks or whole: the same ids', async () => {
  const runner = await jsRunner(fixturePath('models', 't1-bf16'), {
    blockTokens: 8,
    blocks: 8 * blocksEach,
    windows: 8,
  });
  const prompts = Array.from({ length: 200 }, (_, prompt) => {
    const length = 1 + Math.floor(randomAt(1, prompt) * 20);
    return Array.from({ length }, (_, index) => Math.floor(randomAt(prompt + 2, index) * 512));
  });
  const generate = async (batch: number, chunk: number, depth: number): Promise<number[][]> => {
    const texts: number[][] = [];
    for (let first = 0; first < prompts.length; first += batch) {
      const sequences = prompts.slice(first, first + batch).map((prompt, row) => {
        const blocks = Array.from({ length: blocksEach }, (_, block) => row * blocksEach + block);
        return new StepSequence(prompt, { window: row, blocks }, 8);
      });
      for (;;) {
        const active = sequences.filter(({ emitted }) => emitted.length < newTokens);
        if (active.length === 0) break;
        // Each row has a chunk of its own, so that prompts and verifies mix.
        await stepTogether(
          runner,
          active,
          active.map((sequence, row) => sequence.row(chunk + row, depth)),
        );
      }
      texts.push(...sequences.map(({ emitted }) => emitted.slice(0, newTokens)));
    }
    return texts;
  };
  const plain = await generate(1, Number.POSITIVE_INFINITY, 0);
  expect(await generate(8, 3, 3)).toEqual(plain);
  expect(await generate(2, 1, 2)).toEqual(plain);
});
