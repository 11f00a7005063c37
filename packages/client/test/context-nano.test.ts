// A real model in a conversation that is longer than its budget: it goes on calling its tool and answering right.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { demoTools, modelDirectory } from '@mimokit/nano';
import type { Message } from '@mimokit/protocol';
import { createTokenizer } from '@mimokit/tokenizer';
import { expect, test } from 'vitest';
import { type CutNotice, manageContext, summariseAndArchive } from '../src/context/index.ts';
import { runTools, tool } from '../src/run-tools.ts';
import { openNano } from './nano-model.ts';

const tokenizer = createTokenizer(readFileSync(join(modelDirectory(), 'tokenizer.json'), 'utf8'));
const calculator = demoTools.find(({ name }) => name === 'calculator')!;

test('nano multiplies eight times under a budget of nine hundred tokens', async () => {
  await using nano = await openNano();
  const notices: CutNotice[] = [];
  const model = manageContext(nano, {
    // Too small a model to summarise: what was said before is in the archive alone.
    policy: summariseAndArchive({ summarise: () => 'The user asked for products of numbers.' }),
    budgetTokens: 900,
    answerTokens: 150,
    tokenizer,
    onCut: (notice) => notices.push(notice),
  });
  const multiply = tool({
    ...calculator,
    execute: ({ expression }) => {
      const [left, right] = String(expression).split('*').map(Number);
      return String(left! * right!);
    },
  });
  let messages: readonly Message[] = [];
  for (let turn = 0; turn < 8; turn++) {
    const [left, right] = [37 + turn * 3, 12 + turn];
    const asked: Message[] = [...messages, { role: 'user', content: `What is ${left} * ${right}?` }];
    const result = await runTools(model, { messages: asked, tools: [multiply], thinking: true }).result();
    expect(result.message.content).toContain(String(left * right));
    // Both prompts and both answers of the turn.
    expect(result.usage.promptTokens + result.usage.completionTokens).toBeLessThanOrEqual(2 * 900);
    ({ messages } = result);
  }
  expect(notices.length).toBeGreaterThan(0);
  expect(JSON.stringify(model.archive.replay())).toBe(JSON.stringify(messages));
  expect(model.archive.search('37 * 12')[0]).toMatchObject({ role: 'user', text: 'What is 37 * 12?' });
});
