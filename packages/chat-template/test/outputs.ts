// Generators for the laws: model output (well-formed answers, pieces of the grammar in any order), conversations and tools.
import type { Tool } from '@mimokit/protocol';
import fc from 'fast-check';
import type { ParserOptions } from '../src/index.ts';

export const tools: readonly Tool[] = [
  {
    name: 'f',
    parameters: {
      type: 'object',
      properties: {
        a: { type: 'string' },
        b: { type: 'integer' },
        c: { type: 'object' },
        d: { type: ['string', 'null'] },
      },
    },
  },
  { name: 'g', parameters: { type: 'object', additionalProperties: { type: 'number' } } },
];

const piece = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      '<tool_call>',
      '</tool_call>',
      '<function=f>',
      '<function=g>',
      '<function=nope>',
      '</function>',
      '<parameter=a>',
      '<parameter=b>',
      '<parameter=c>',
      '<parameter=d>',
      '</parameter>',
    ),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      '<think>',
      '</think>',
      '\n',
      ' ',
      '```',
      '\n```\n',
      '\n~~~~\n',
      '<',
      '</',
      '<tool_',
      '>',
      '=',
      'null',
      'None',
      '{"a": 1.0}',
      "{'a': None}",
      '12',
      '😀',
      '\ud83d',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 8 }) },
);

/** Anything: tags in any order, broken tags, any text between. */
export const anyOutput: fc.Arbitrary<string> = fc.array(piece, { maxLength: 24 }).map((pieces) => pieces.join(''));

const space = fc.constantFrom('\n', '\n', '', ' \n\t');
const value = fc.oneof(
  fc.constantFrom(
    'x',
    '',
    ' pad ',
    'null',
    'None',
    '12',
    '-1',
    '5.0',
    '{"a": [1.50]}',
    "{'k': (True,)}",
    '</parameter>',
    '<tool_call>',
    '```\n',
    'line\nline\n',
  ),
  fc.string({ unit: 'grapheme', maxLength: 12 }),
);
const call = fc
  .record({
    name: fc.constantFrom('f', 'f', 'g', 'nope'),
    values: fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd', 'e'), value), { maxLength: 4 }),
    space,
  })
  .map(
    ({ name, values, space }) =>
      `<tool_call>${space}<function=${name}>${space}${values.map(([key, text]) => `<parameter=${key}>${text}</parameter>${space}`).join('')}</function>${space}</tool_call>`,
  );

/** Answers as the model writes them, sometimes with a piece cut out. */
export const likelyOutput: fc.Arbitrary<string> = fc
  .record({
    think: fc.option(fc.constantFrom('', 'hm', 'a\n```\n'), { nil: undefined }),
    closes: fc.boolean(),
    parts: fc.array(fc.oneof(call, call, fc.constantFrom('text', '\n', '', '```\n', '\n```\n')), { maxLength: 5 }),
    cut: fc.option(fc.tuple(fc.nat(400), fc.nat(12)), { nil: undefined }),
  })
  .map(({ think, closes, parts, cut }) => {
    const text = (think === undefined ? '' : `<think>${think}${closes ? '</think>' : ''}`) + parts.join('');
    return cut === undefined ? text : text.slice(0, cut[0]) + text.slice(cut[0] + cut[1]);
  });

/** Lengths of the pieces a text is cut into. */
export const cuts: fc.Arbitrary<number[]> = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 8 });

export function* cutInto(text: string, lengths: readonly number[]): Generator<string> {
  for (let at = 0, turn = 0; at < text.length; turn++) {
    const end = at + lengths[turn % lengths.length]!;
    yield text.slice(at, end);
    at = end;
  }
}

export const output: fc.Arbitrary<string> = fc.oneof(anyOutput, likelyOutput);

export const options: fc.Arbitrary<ParserOptions> = fc
  .record({
    rescue: fc.constantFrom('move', 'keep', 'ignore'),
    unclosedThink: fc.constantFrom('reasoning', 'content'),
    output: fc.constantFrom('auto', 'auto', 'content', 'reasoning'),
  })
  .map((some) => ({ ...some, tools }));

const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc.constantFrom('<think>a</think>b', '</think>', '<|im_end|>', ''),
);
const content = fc.oneof(
  { weight: 4, arbitrary: text },
  fc.array(fc.record({ type: fc.constantFrom('text', 'image', 'other'), text })),
);
const message = fc.oneof(
  fc.record({ role: fc.constantFrom('system', 'user', 'user', 'tool', 'tool', 'critic'), content }),
  fc.record(
    {
      role: fc.constant('assistant'),
      content: text,
      reasoning: text,
      toolCalls: fc.array(
        fc.record({ id: fc.constant('c'), name: fc.constantFrom('f', 'g'), arguments: fc.json({ maxDepth: 2 }) }),
        { maxLength: 2 },
      ),
    },
    { requiredKeys: ['role', 'content'] },
  ),
);

/** Conversations, mostly such as there are, sometimes none at all. */
export const anyMessages: fc.Arbitrary<unknown[]> = fc.oneof(
  { weight: 3, arbitrary: fc.array(message, { maxLength: 6 }) },
  fc.array(fc.oneof(message, fc.anything({ maxDepth: 3 })), { maxLength: 4 }),
);

export const anyTools: fc.Arbitrary<unknown[] | undefined> = fc.option(
  fc.array(
    fc.oneof(fc.anything({ maxDepth: 3 }), fc.record({ name: text, parameters: fc.jsonValue({ maxDepth: 4 }) })),
    { maxLength: 3 },
  ),
  { nil: undefined },
);
