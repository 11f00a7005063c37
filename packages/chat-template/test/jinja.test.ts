// Foreign templates through @huggingface/jinja: the same conversations as ours where it agrees with Python, its known
// differences, and limits.
import { readFileSync } from 'node:fs';
import { fixtureLines, fixturePath } from '@mimokit/fixtures';
import { jsonGet, type Message, readJson } from '@mimokit/protocol';
import { fromOpenAIMessages, fromOpenAITools } from '@mimokit/protocol/wire';
import { describe, expect, test } from 'vitest';
import { type ChatTemplate, type RenderRequest, tagCalls } from '../src/index.ts';
import { fromJinja } from '../src/jinja.ts';

const user: Message = { role: 'user', content: 'Hi' };
const stop = { stopTokens: ['<|im_end|>'] };
const mimo = fromJinja(readFileSync(fixturePath('chat', 'mimo_v2_flash.jinja'), 'utf8'), { ...stop, calls: tagCalls });

test("MiMo's own template gives the golden prompts wherever no numbers and nulls are printed", () => {
  const rows = fixtureLines('chat', 'chat.jsonl').map((line) => readJson(line));
  let checked = 0;
  for (const row of rows) {
    const messages = fromOpenAIMessages(jsonGet(row, 'messages'));
    const hasCalls = messages.some((message) => message.role === 'assistant' && message.toolCalls);
    if (jsonGet(row, 'template') !== 'v2_flash' || jsonGet(row, 'tools') !== null || hasCalls) continue;
    const kwargs = jsonGet(row, 'kwargs') as Record<string, boolean>;
    const { text } = mimo.render({
      messages,
      thinking: kwargs.enable_thinking,
      keepAllReasoning: kwargs.keep_all_reasoning,
      addGenerationPrompt: kwargs.add_generation_prompt ?? false,
    });
    expect(text).toBe(jsonGet(row, 'expected'));
    checked++;
  }
  expect(checked).toBeGreaterThan(60);
});

/** The prompt, or nothing where the engine refuses. */
function textOf(template: ChatTemplate, request: RenderRequest): string | undefined {
  try {
    return template.render(request).text;
  } catch {
    return undefined;
  }
}

describe('known differences from Python', () => {
  test('null has no string form', () => {
    expect(textOf(fromJinja('{{ none | string }}', stop), { messages: [user] })).toBeUndefined();
  });

  const show = fromJinja("{{ tools[0].function.parameters | tojson }} {{ tools[0].function.parameters['x'] }}", stop);
  test.each([
    ['{"x": 1.0}', '{"x": 1} 1'],
    ['{"x": 1e-07}', '{"x": 1e-7} 1e-7'],
    ['{"x": 12345678901234567890}', '{"x": 12345678901234567000} 12345678901234567000'],
    ['{"x": "é", "10": 1, "2": 2}', '{"2": 2, "10": 1, "x": "é"} é'],
  ])('%s prints %s', (parameters, text) => {
    const tools = fromOpenAITools(readJson(`[{"name": "f", "parameters": ${parameters}}]`));
    expect(show.render({ messages: [user], tools }).text).toBe(text);
  });
});

describe('the prompt says how the answer starts', () => {
  test.each([
    ['<|im_start|>assistant\n', 'auto'],
    ['<think>\n', 'reasoning'],
    ['<think>\n\n</think>\n\n', 'content'],
  ])('%j', (end, output) =>
    expect(fromJinja(`{{ '${end.replaceAll('\n', '\\n')}' }}`, stop).render({ messages: [user] }).output).toBe(output),
  );

  test('an answer that begins inside a think is parsed so', () => {
    const template = fromJinja("{{ '<think>\\n' }}", stop);
    const { output } = template.render({ messages: [user] });
    expect(template.parse('hm</think>Hi', { output }).message).toEqual({
      role: 'assistant',
      reasoning: 'hm',
      content: 'Hi',
    });
  });
});

describe('limits', () => {
  test.each([
    ['a broken template', '{% if %}', 'invalid-argument'],
    ['a template that is too long', ' '.repeat(300_000), 'invalid-argument'],
    ['deep nesting', `{{ ${'('.repeat(10_000)} }}`, 'invalid-argument'],
    [
      'a long loop',
      '{% for i in range(100000) %}{% for j in range(100000) %}{% endfor %}{% endfor %}',
      'invalid-message',
    ],
    ['a long range', '{% for i in range(1000000000000) %}{% endfor %}', 'invalid-message'],
    [
      'a text that doubles',
      "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
      'invalid-message',
    ],
    ['a template that refuses', "{{ raise_exception('roles must alternate') }}", 'invalid-message'],
  ])('%s is a typed error', (_, source, code) => {
    expect(() => fromJinja(source, { ...stop, maxSteps: 200_000 }).render({ messages: [user] })).toThrow(
      expect.objectContaining({ code }),
    );
  });
  test('partial rendering is refused', () => {
    expect(() => mimo.render({ messages: [user], from: 1 })).toThrow(
      expect.objectContaining({ code: 'invalid-argument' }),
    );
  });
  test('strftime_now and variables', () => {
    const template = fromJinja("{{ strftime_now('%Y') }} {{ bos_token }}", {
      ...stop,
      variables: { bos_token: '<s>' },
    });
    expect(template.render({ messages: [user] }).text).toBe(`${new Date().getFullYear()} <s>`);
  });
});
