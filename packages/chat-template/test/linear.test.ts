// Linear cost, counted and not timed: every character that is looked at, searched over or copied, in texts made to hurt.
import { afterAll, describe, expect, test } from 'vitest';
import { createParser, jsonCalls, type ParserOptions } from '../src/index.ts';

const tools = [
  {
    name: 'f',
    parameters: {
      type: 'object',
      properties: { a: { type: 'string' }, n: { type: ['string', 'null'] }, l: { type: 'array' } },
    },
  },
];
const begin = '<tool_call><function=f><parameter=a>';
const whole = `${begin}x</parameter></function></tool_call>`;

const texts: Record<string, (n: number) => string> = {
  'plain text': (n) => 'some words, a line\n'.repeat(n),
  'one character': (n) => '<'.repeat(n * 8),
  'half a tag, again and again': (n) => '<tool_call'.repeat(n),
  'tags that begin nothing': (n) => '<tool_call><x'.repeat(n),
  'tags and white space': (n) => `<tool_call>${' '.repeat(20)}`.repeat(n),
  'calls in calls, none closed': (n) => begin.repeat(n),
  'calls in calls, broken at the end': (n) => `${begin.repeat(n)}</parameter><parameter=>${'x'.repeat(n)}`,
  'many calls': (n) => whole.repeat(n),
  'many functions in a block': (n) =>
    `<tool_call>${'<function=f><parameter=a>x</parameter></function>'.repeat(n)}</tool_call>`,
  'many functions in a broken block': (n) =>
    `<tool_call>${'<function=f><parameter=a>x</parameter></function>'.repeat(n)}</tool_call`,
  'many parameters': (n) => `<tool_call><function=f>${'<parameter=a>x</parameter>'.repeat(n)}</function></tool_call>`,
  'ends of values that are none': (n) => `${begin}${'</parameter> x'.repeat(n)}</parameter></function></tool_call>`,
  'white space after a value': (n) => `${begin}</parameter>${' '.repeat(n * 9)}</function></tool_call>`,
  'white space that may be null': (n) =>
    `<tool_call><function=f><parameter=n>${' '.repeat(n * 9)}</parameter></function></tool_call>`,
  'white space alone': (n) => ' \n'.repeat(n * 5),
  'thoughts of calls': (n) => `<think>${begin.repeat(n)}`,
  'thoughts of unknown calls': (n) =>
    `<think>${'<tool_call><function=g><parameter=a>'.repeat(n)}</parameter></function></tool_call>`,
  'calls in an open fence': (n) => `\`\`\`\n${whole.repeat(n)}`,
  'fences that open and close': (n) => `\`\`\`\n${begin}\n\`\`\`\n`.repeat(n),
  'fences inside broken calls': (n) => `${begin}\n\`\`\`\n<tool_call><function=f>`.repeat(n),
  'brackets without end': (n) =>
    `<tool_call><function=f><parameter=l>${'['.repeat(n * 9)}</parameter></function></tool_call>`,
  'a Python list': (n) =>
    `<tool_call><function=f><parameter=l>[${"'x', ".repeat(n)}]</parameter></function></tool_call>`,
};

const jsonTexts: Record<string, (n: number) => string> = {
  'many calls': (n) => '<tool_call>{"name": "f", "arguments": {"a": "x"}}</tool_call>'.repeat(n),
  'a long call': (n) => `<tool_call>{"name": "f", "arguments": {"a": "${'text \\n'.repeat(n)}"}}</tool_call>`,
  'a long broken call': (n) => `<tool_call>{"name": "f", "arguments": {"a": [${'1, '.repeat(n)}`,
  'calls in strings': (n) => '<tool_call>{"a": "'.repeat(n),
  'calls in keys': (n) => '<tool_call>{"a'.repeat(n),
  'calls in lists': (n) => '<tool_call>{"name":"f","arguments":{"a":['.repeat(n),
  'thoughts of calls': (n) => `<think>${'<tool_call>{"a": "'.repeat(n)}`,
  'an open fence': (n) => `\`\`\`\n${'<tool_call>{"name": "f"}\n'.repeat(n)}`,
  'brackets without end': (n) => `<tool_call>{"a": ${'['.repeat(n)}`,
};

let operations = 0;
const prototype = String.prototype;
const { charCodeAt, indexOf, startsWith, slice } = prototype;
prototype.charCodeAt = function counted(at) {
  operations++;
  return charCodeAt.call(this, at);
};
prototype.startsWith = function counted(tag, at) {
  operations += tag.length;
  return startsWith.call(this, tag, at);
};
prototype.indexOf = function counted(tag, at = 0) {
  const found = indexOf.call(this, tag, at);
  operations += (found < 0 ? this.length : found) - at + 1;
  return found;
};
prototype.slice = function counted(from, to) {
  const part = slice.call(this, from, to);
  operations += 1;
  return part;
};
afterAll(() => {
  Object.assign(prototype, { charCodeAt, indexOf, startsWith, slice });
});

function operationsFor(text: string, step: number, options: ParserOptions = {}): number {
  const parser = createParser({ tools, nextId: () => 'c', ...options });
  operations = 0;
  for (let at = 0; at < text.length; at += step) parser.push(slice.call(text, at, at + step));
  parser.end();
  return operations;
}

describe.each(Object.entries(texts))('%s', (_, make) => {
  test.each([1, 7, 4096])('in pieces of %d', (step) => {
    const once = operationsFor(make(1000), step);
    const twice = operationsFor(make(2000), step);
    expect(twice / once).toBeLessThan(2.3);
    expect(twice / make(2000).length).toBeLessThan(80);
  });
});

describe.each(Object.entries(jsonTexts))('%s, in JSON', (_, make) => {
  test.each([1, 7, 4096])('in pieces of %d', (step) => {
    const once = operationsFor(make(1000), step, { calls: jsonCalls });
    const twice = operationsFor(make(2000), step, { calls: jsonCalls });
    expect(twice / once).toBeLessThan(2.3);
    expect(twice / make(2000).length).toBeLessThan(80);
  });
});
