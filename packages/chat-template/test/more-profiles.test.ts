import type { Message } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { createChatTemplate, mimo7b, mimoV26, mimoV2FlashBase } from '../src/index.ts';

const conversation: Message[] = [
  { role: 'user', content: 'Oslo?' },
  {
    role: 'assistant',
    content: 'Let me look.',
    reasoning: 'R',
    toolCalls: [{ id: 'a', name: 'f', arguments: '{"city":"Oslo","deep":null}' }],
  },
  { role: 'tool', content: '-3' },
  { role: 'tool', content: 'ok' },
  { role: 'assistant', content: '', toolCalls: [{ id: 'b', name: 'f', arguments: '{}' }] },
];

test('V2.6 writes calls without white space between the tags', () => {
  expect(createChatTemplate(mimoV26).render({ messages: conversation.slice(0, 2) }).text).toContain(
    '<think>R</think>Let me look.<tool_call><function=f><parameter=city>Oslo</parameter><parameter=deep>None</parameter></function></tool_call><|im_end|>',
  );
});

test("MiMo-7B's prompt is laid out like Qwen2.5's", () => {
  const template = createChatTemplate(mimo7b);
  const tools = [{ name: 'f', parameters: { type: 'object', properties: {} } }];
  const { text, literal, messageEnds } = template.render({ messages: conversation, tools });
  expect(text).toBe(
    [
      '<|im_start|>system\nYou are MiMo, an AI assistant developed by Xiaomi.\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\nYou are provided with function signatures within <tools></tools> XML tags:\n<tools>',
      '{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}',
      '</tools>\n\nFor each function call, return a json object with function name and arguments within <tool_call></tool_call> XML tags:\n<tool_call>\n{"name": <function-name>, "arguments": <args-json-object>}\n</tool_call><|im_end|>',
      '<|im_start|>user\nOslo?<|im_end|>',
      '<|im_start|>assistant\nLet me look.\n<tool_call>\n{"name": "f", "arguments": {"city": "Oslo", "deep": null}}\n</tool_call><|im_end|>',
      '<|im_start|>user\n<tool_response>\n-3\n</tool_response>\n<tool_response>\nok\n</tool_response><|im_end|>',
      '<|im_start|>assistant\n<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call><|im_end|>',
      '<|im_start|>assistant\n',
    ].join('\n'),
  );
  expect(messageEnds).toHaveLength(6);
  expect(literal.filter(({ field }) => field === 'tool-call')).toHaveLength(2);
  expect(template.render({ messages: conversation, tools, from: 3 }).text).toBe(text.slice(messageEnds[3]));
  const { toolCalls } = template.parse('<tool_call>\n{"name": "f", "arguments": {"city": "Oslo"}}\n</tool_call>', {
    tools,
  }).message;
  expect(toolCalls?.[0]?.arguments).toBe('{"city": "Oslo"}');
});

test('the base model ends at the end of the text', () => {
  expect(createChatTemplate(mimoV2FlashBase).stopTokens).toEqual(['<|endoftext|>']);
});
