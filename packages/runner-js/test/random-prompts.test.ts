// Greedy text of 200 random prompts: eight rows a step with drafts and mixed chunks, two rows, or one alone without drafts.
import { fixturePath } from '@mimokit/fixtures';
import { randomAt } from '@mimokit/protocol';
import { StepSequence, stepTogether } from '@mimokit/protocol/testing';
import { beforeAll, describe, expect, test } from 'vitest';
import { jsRunner } from '../src/node.ts';

const newTokens = 8;
const blocksEach = 5;

const prompts = Array.from({ length: 200 }, (_, prompt) => {
  const length = 1 + Math.floor(randomAt(1, prompt) * 20);
  return Array.from({ length }, (_, index) => Math.floor(randomAt(prompt + 2, index) * 512));
});

/** The text of each prompt, `batch` of them a step; each row has a chunk of its own, so that prompts and verifies mix. */
async function generate(batch: number, chunk: number, depth: number): Promise<number[][]> {
  const runner = await jsRunner(fixturePath('models', 't1-bf16'), {
    blockTokens: 8,
    blocks: 8 * blocksEach,
    windows: 8,
  });
  const texts: number[][] = [];
  for (let first = 0; first < prompts.length; first += batch) {
    const sequences = prompts.slice(first, first + batch).map((prompt, row) => {
      const blocks = Array.from({ length: blocksEach }, (_, block) => row * blocksEach + block);
      return new StepSequence(prompt, { window: row, blocks }, 8);
    });
    for (;;) {
      const active = sequences.filter(({ emitted }) => emitted.length < newTokens);
      if (active.length === 0) break;
      await stepTogether(
        runner,
        active,
        active.map((sequence, row) => sequence.row(chunk + row, depth)),
      );
    }
    texts.push(...sequences.map(({ emitted }) => emitted.slice(0, newTokens)));
  }
  return texts;
}

describe('the same ids as one row a step without drafts', () => {
  let plain: number[][] = [];
  beforeAll(async () => {
    plain = await generate(1, Number.POSITIVE_INFINITY, 0);
  });

  test.each([
    [8, 3, 3],
    [2, 1, 2],
    [1, 7, 3],
  ])('%d rows a step, chunks from %d, %d drafts', async (batch, chunk, depth) => {
    expect(await generate(batch, chunk, depth)).toEqual(plain);
  });
});
