// The mock is a ChatModel like any other, and fails loudly where a test would hang or lie.
import { chatModelLaws } from '@mimokit/protocol/testing';
import { describe, expect, test } from 'vitest';
import { mockModel } from '../src/mock.ts';

const text = { messages: [{ role: 'user' as const, content: 'x' }] };

describe('the laws of a ChatModel', () => {
  const open = async () =>
    mockModel(
      Array.from({ length: 20 }, () => ({ reasoning: 'Let me think.', content: 'Hello there, whoever you are.' })),
    );
  test.each(chatModelLaws(open, { text, repeatable: true }))('$name', ({ check }) => check());
});

test('plays answers in turn, names calls, keeps the requests', async () => {
  const model = mockModel([
    { calls: [{ name: 'f', arguments: { a: 1 } }, { name: 'g' }] },
    ({ messages }) => ({ content: `${messages.length}` }),
  ]);
  expect(await model.chat(text).message()).toEqual({
    role: 'assistant',
    content: '',
    toolCalls: [
      { id: 'call-1', name: 'f', arguments: '{"a":1}' },
      { id: 'call-2', name: 'g', arguments: '{}' },
    ],
  });
  expect(await model.chat(text).message()).toEqual({ role: 'assistant', content: '1' });
  expect(model.requests).toEqual([text, text]);
});

test('an error is thrown, and so is one answer too many', async () => {
  const model = mockModel([new Error('down')]);
  await expect(model.chat(text).message()).rejects.toThrow('down');
  await expect(model.chat(text).message()).rejects.toThrow('asked 2 times and has 1 answers');
});
