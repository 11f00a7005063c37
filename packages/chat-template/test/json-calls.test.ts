import type { StreamEvent } from '@mimokit/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { jsonCalls, parse, type ParserOptions } from '../src/index.ts';
import { cutInto, cuts } from './outputs.ts';
import { parsePieces } from './split-everywhere.ts';

const tools = [
  { name: 'f', parameters: { type: 'object', properties: { a: { type: 'string' }, n: { type: 'integer' } } } },
  { name: 'g' },
];
const options: ParserOptions = { tools, calls: jsonCalls };

function block(json: string): string {
  return `<tool_call>\n${json}\n</tool_call>`;
}

/** [name, arguments] of the calls, and the content. */
function read(text: string): unknown[] {
  const { message } = parse(text, options);
  return [...(message.toolCalls ?? []).map((call) => [call.name, call.arguments]), message.content];
}

describe('a call', () => {
  test.each([
    [
      block('{"name": "f", "arguments": {"a": "x", "n": 12345678901234567890}}'),
      [['f', '{"a": "x", "n": 12345678901234567890}'], ''],
    ],
    [block('{"arguments": {"a": "}<tool_call>"}, "name": "f"}'), [['f', '{"a": "}<tool_call>"}'], '']],
    [`ok ${block('{"name": "g"}')}\n${block('{"name": "g", "parameters": {}}')}\n`, [['g', '{}'], ['g', '{}'], 'ok ']],
    [block('{"name": "f", "arguments": "{\\"a\\": 1.0}"}'), [['f', '{"a": 1.0}'], '']],
    ['<tool_call>{"name": "g", "arguments": {}}', [['g', '{}'], '']],
    ['<tool_call>{"name": "g"}<tool_call>{"name": "g"}', [['g', '{}'], ['g', '{}'], '']],
  ])('%j', (text, result) => expect(read(text)).toEqual(result));
});

describe('no call: the text stays', () => {
  test.each([
    block('{"name": "rm", "arguments": {}}'),
    block('{"name": "f", "arguments": {"a": }}'),
    block('{"name": "f", "arguments": [1]}'),
    block('{"name": 5}'),
    block('{"name": "f", "arguments": {"a": "x"'),
    block('{"name": "f", "arguments": {}, "arguments": {}}'),
    block('<function=f>\n</function>'),
    '<tool_call> is a tag',
    `\`\`\`\n${block('{"name": "g"}')}\n\`\`\`\n`,
    '<tool_call>{"name": "g"} and',
  ])('%j', (text) => expect(read(text)).toEqual([text]));

  test('a broken one before a good one costs only itself', () => {
    expect(read(`<tool_call>{"name": "f", "arguments": {"a": ${block('{"name": "g"}')}`)).toEqual([
      ['g', '{}'],
      '<tool_call>{"name": "f", "arguments": {"a": ',
    ]);
  });
  test('inside a think it is rescued like any other', () => {
    const { message } = parse(`<think>hm ${block('{"name": "g"}')}`, options);
    expect([message.reasoning, message.toolCalls?.[0]?.name]).toEqual(['hm ', 'g']);
  });
});

test('arguments stream as they are written', () => {
  const { events } = parsePieces(
    ['<tool_call>{"name": "f", "argum', 'ents": {"a": "long', ' text"}', '}</tool_call>'],
    options,
  );
  expect(events.map((event: StreamEvent) => event.type)).toEqual([
    'tool-input-start',
    'tool-input-delta',
    'tool-input-end',
    'tool-call',
  ]);
  expect(
    parsePieces(['<tool_call>{"name": "f", "arguments": {"a": "x'], options).events.map(({ type }) => type),
  ).toEqual(['tool-input-start', 'tool-input-delta', 'tool-input-cancelled', 'text-delta']);
});

test('a value that does not fit is flagged and kept', () => {
  const { toolCalls } = parse(block('{"name": "f", "arguments": {"a": 5, "n": 5.0, "x": []}}'), options).message;
  expect(toolCalls![0]).toEqual(
    expect.objectContaining({
      arguments: '{"a": 5, "n": 5.0, "x": []}',
      flags: [{ parameter: 'a', problem: 'type-mismatch' }],
    }),
  );
});

test('any split gives the same events', () => {
  const piece = fc.constantFrom(
    '<tool_call>',
    '</tool_call>',
    '{',
    '}',
    '"',
    '\\',
    ':',
    ',',
    '[',
    ']',
    '"name"',
    '"f"',
    '"g"',
    '"arguments"',
    '{"name": "g", "arguments": {',
    '{"name":"f"',
    '\n',
    ' ',
    '1',
    'x',
    '```\n',
    '<think>',
    '</think>',
    '<',
    '{}',
    '"parameters": {}',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 16 }), cuts, (pieces, lengths) => {
      const text = pieces.join('');
      const whole = parsePieces([text], options);
      expect(parsePieces(cutInto(text, lengths), options)).toEqual(whole);
      expect(parsePieces(text.split(''), options)).toEqual(whole);
    }),
    { numRuns: Number(process.env.MIMOKIT_FUZZ_RUNS ?? 1000) },
  );
});
