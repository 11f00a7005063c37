import { describe, expect, test } from 'vitest';
import { type Message, readJson } from '../index.ts';
import { fromOpenAIMessages, fromOpenAITools, toOpenAIAssistant, toOpenAIMessages } from './openai-messages.ts';

test('messages come in with nulls, missing fields and foreign roles', () => {
  expect(
    fromOpenAIMessages([
      { role: 'system', content: 'S' },
      { role: 'user', content: null },
      {
        role: 'assistant',
        reasoning_content: '',
        tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{"x": 1.0}' } }],
      },
      {
        role: 'assistant',
        content: [{ type: 'text', text: 'a' }, { type: 'other' }, { type: 'text', text: 'b' }],
        tool_calls: null,
      },
      { role: 'tool', content: 'r', tool_call_id: 'a' },
      { role: 'critic', content: [{ type: 'image_url', image_url: {} }] },
    ]),
  ).toEqual([
    { role: 'system', content: 'S' },
    { role: 'user', content: '' },
    { role: 'assistant', content: '', reasoning: '', toolCalls: [{ id: 'a', name: 'f', arguments: '{"x": 1.0}' }] },
    { role: 'assistant', content: 'ab' },
    { role: 'tool', content: 'r', toolCallId: 'a' },
    { role: 'critic', content: [{ type: 'image_url', image_url: {} }] },
  ]);
});

describe('arguments', () => {
  const argumentsOf = (value: string): string => {
    const [message] = fromOpenAIMessages(
      readJson(`[{"role": "assistant", "tool_calls": [{"function": {"name": "f"${value}}}]}]`),
    );
    return (message as Extract<Message, { role: 'assistant' }>).toolCalls![0]!.arguments;
  };
  test.each([
    ['', '{}'],
    [', "arguments": null', '{}'],
    [', "arguments": ""', '{}'],
    [', "arguments": "{\\"a\\": 1}"', '{"a": 1}'],
    [', "arguments": {"b": 1.0, "10": 12345678901234567890}', '{"b":1.0,"10":12345678901234567890}'],
  ])('%s', (given, text) => expect(argumentsOf(given)).toBe(text));
});

test('an answer goes out with every field, null where there is nothing', () => {
  const call = { id: 'a', name: 'f', arguments: '{}' };
  expect(toOpenAIAssistant({ role: 'assistant', content: '', toolCalls: [call], reasoning: '' })).toEqual({
    role: 'assistant',
    content: null,
    reasoning_content: null,
    tool_calls: [{ id: 'a', type: 'function', function: { name: 'f', arguments: '{}' } }],
  });
  expect(toOpenAIAssistant({ role: 'assistant', content: '' })).toEqual({
    role: 'assistant',
    content: '',
    reasoning_content: null,
    tool_calls: [],
  });
});

test('messages survive the way out and back', () => {
  const messages: Message[] = [
    { role: 'user', content: [{ type: 'text', text: 'x' }] },
    {
      role: 'assistant',
      content: '',
      reasoning: ' r\n',
      toolCalls: [{ id: 'a', name: 'f', arguments: '{"a":1e-07}' }],
    },
    { role: 'tool', content: 'r', toolCallId: 'a' },
    { role: 'assistant', content: 'done' },
  ];
  expect(fromOpenAIMessages(toOpenAIMessages(messages))).toEqual(messages);
});

test('tools come wrapped or bare and keep their key order', () => {
  const [wrapped, bare] = fromOpenAITools(
    readJson(
      '[{"type": "function", "function": {"x": 1, "name": "f", "parameters": {"2": 1, "1": 2}}}, {"name": "g", "description": null}]',
    ),
  );
  expect(Object.keys(wrapped!)).toEqual(['x', 'name', 'parameters']);
  expect(bare).toEqual({ name: 'g', description: null });
  expect(fromOpenAITools(null)).toEqual([]);
});

describe('wrong types are named', () => {
  test.each([
    [() => fromOpenAIMessages({}), 'invalid-message', 'messages must be an array'],
    [() => fromOpenAIMessages([5]), 'invalid-message', 'messages[0]'],
    [() => fromOpenAIMessages([{ role: 1 }]), 'invalid-message', 'messages[0].role'],
    [() => fromOpenAIMessages([{ role: 'user', content: 5 }]), 'invalid-message', 'messages[0].content'],
    [
      () => fromOpenAIMessages([{ role: 'user', content: [{ type: 'text', text: 5 }] }]),
      'invalid-message',
      'messages[0].content[0].text',
    ],
    [
      () => fromOpenAIMessages([{ role: 'assistant', reasoning_content: 5 }]),
      'invalid-message',
      'messages[0].reasoning_content',
    ],
    [
      () => fromOpenAIMessages([{ role: 'assistant', content: [{ type: 'image_url' }] }]),
      'invalid-message',
      'messages[0].content[0]',
    ],
    [
      () => fromOpenAIMessages([{ role: 'assistant', tool_calls: [{}] }]),
      'invalid-message',
      'messages[0].tool_calls[0].function.name',
    ],
    [
      () => fromOpenAIMessages([{ role: 'assistant', tool_calls: [{ name: 'f', arguments: 5 }] }]),
      'invalid-message',
      'arguments',
    ],
    [() => fromOpenAITools({}), 'invalid-tool', 'tools'],
    [() => fromOpenAITools([{}]), 'invalid-tool', 'tools[0].name'],
    [() => fromOpenAITools([5]), 'invalid-tool', 'tools[0]'],
  ])('%s', (act, code, field) => {
    expect(act).toThrow(expect.objectContaining({ code, message: expect.stringContaining(field) }));
  });
});
