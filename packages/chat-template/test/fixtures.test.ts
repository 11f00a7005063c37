// The golden conversations and outputs of @mimokit/fixtures, byte for byte and value for value.
import { fixtureJson, fixtureLines } from '@mimokit/fixtures';
import { isJsonObject, jsonGet, type JsonValue, readJson } from '@mimokit/protocol';
import { fromOpenAIMessages, fromOpenAITools, toOpenAIAssistant } from '@mimokit/protocol/wire';
import { describe, expect, test } from 'vitest';
import { createChatTemplate, parse } from '../src/index.ts';
import { sameJson } from './same-json.ts';
import { eventsOf, splitEverywhere } from './split-everywhere.ts';

const templates = { v2_flash: createChatTemplate('mimo-v2-flash'), v2_5: createChatTemplate('mimo-v2.5') };

describe('render', () => {
  const rows = fixtureLines('chat', 'chat.jsonl').map((line) => readJson(line));

  test('there are 251 golden conversations', () => expect(rows).toHaveLength(251));

  test.each(rows.map((row) => [`${String(jsonGet(row, 'id'))} ${String(jsonGet(row, 'tag'))}`, row] as const))(
    '%s',
    (_, row) => {
      const kwargs = jsonGet(row, 'kwargs') as Record<string, boolean>;
      const messages = fromOpenAIMessages(jsonGet(row, 'messages'));
      const request = {
        messages,
        tools: fromOpenAITools(jsonGet(row, 'tools')),
        thinking: kwargs.enable_thinking,
        keepAllReasoning: kwargs.keep_all_reasoning,
        addGenerationPrompt: kwargs.add_generation_prompt ?? false,
      };
      const template = templates[jsonGet(row, 'template') as keyof typeof templates];
      const { text, messageEnds } = template.render(request);
      expect(text).toBe(jsonGet(row, 'expected'));
      // Rendering from a message on gives exactly its part of the whole.
      const offset = messages[0]!.role === 'system' ? 0 : 1;
      for (let from = 1; from <= messages.length; from++) {
        expect(template.render({ ...request, from }).text).toBe(text.slice(messageEnds[from - 1 + offset]));
      }
    },
  );
});

describe('parse', () => {
  const tools = fromOpenAITools(fixtureJson('parse', 'tools.json'));
  const rows = fixtureLines('parse', 'parse.jsonl').map((line) => readJson(line) as Record<string, JsonValue>);

  test('there are 120 golden outputs', () => expect(rows).toHaveLength(120));

  test.each(rows.map((row) => [`${String(row.id)} ${String(row.cat)}`, row] as const))('%s', (_, row) => {
    const text = row.text as string;
    const output = row.mode as 'auto' | 'content';
    const result = parse(text, { output, tools, nextId: countingIds() });
    const answer = toOpenAIAssistant(result.message);
    expect(answer.content).toBe(jsonGet(row.expected, 'content'));
    expect(answer.reasoning_content).toBe(jsonGet(row.expected, 'reasoning_content'));
    const calls = jsonGet(row.expected, 'tool_calls') as JsonValue[];
    expect(answer.tool_calls.map((call) => call.function.name)).toEqual(calls.map((call) => jsonGet(call, 'name')));
    for (const [index, call] of answer.tool_calls.entries()) {
      const found = readJson(call.function.arguments);
      expect(isJsonObject(found)).toBe(true);
      expect(sameJson(found, jsonGet(calls[index], 'arguments')!)).toBe(true);
    }
    for (const split of splitEverywhere(text, { output, tools })) {
      expect(split.message).toEqual(result.message);
      expect(split.events).toEqual(eventsOf(result.events));
    }
  });
});

function countingIds(): () => string {
  let count = 0;
  return () => `call_${count++}`;
}
