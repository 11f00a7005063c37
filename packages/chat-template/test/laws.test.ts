// Laws of the parser and the renderer over the kept corpus and random texts: MIMOKIT_FUZZ_RUNS of them for each law (default
// 1,000), then more for MIMOKIT_FUZZ_SECONDS for the parser and as many for the renderer (default 20 in CI, else none). Time only
// ends that, it cannot fail it.
import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createChatTemplate, parse } from '../src/index.ts';
import { parserLaws, templateLaws } from './laws.ts';
import { anyMessages, anyTools, cuts, likelyOutput, options, output, tools } from './outputs.ts';

const numRuns = Number(process.env.MIMOKIT_FUZZ_RUNS ?? 1000);
const seconds = Number(process.env.MIMOKIT_FUZZ_SECONDS ?? (process.env.CI === undefined ? 0 : 20));
const corpus = kept<string>('outputs');
const conversations = kept<{ messages: unknown[]; tools?: unknown[] }>('conversations');

function kept<T>(name: string): T[] {
  return JSON.parse(readFileSync(new URL(`./corpus/${name}.json`, import.meta.url), 'utf8')) as T[];
}

/** `laws` share the seconds. */
function holds<T>(property: fc.IProperty<T>, laws: object): void {
  fc.assert(property, { numRuns });
  const interruptAfterTimeLimit = (seconds * 1000) / Object.keys(laws).length;
  if (seconds > 0) fc.assert(property, { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit });
}

describe('parser', () => {
  test.each(Object.entries(parserLaws))('%s', (_, law) => {
    for (const text of corpus) {
      for (const rescue of ['move', 'keep', 'ignore'] as const) law(text, { tools, rescue }, [3, 1, 7]);
    }
    holds(fc.property(output, options, cuts, law), parserLaws);
  });

  test('random outputs do hold calls, so that the laws have something to say', () => {
    const texts = fc.sample(likelyOutput, 300);
    expect(texts.filter((text) => parse(text, { tools }).message.toolCalls).length).toBeGreaterThan(60);
  });
});

describe('renderer', () => {
  test.each(Object.entries(templateLaws))('%s', (_, law) => {
    for (const { messages, tools: some } of conversations) law(messages, some);
    holds(fc.property(anyMessages, anyTools, law), templateLaws);
  });

  const template = createChatTemplate();
  const user = { role: 'user', content: 'Q' } as const;

  test('what the model wrote as trained is parsed and rendered to the same bytes', () => {
    const word = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((text) => !text.includes('<') && !/\p{Cs}/u.test(text));
    const solid = word.map((text) => `${text}.`);
    const call = fc
      .array(fc.tuple(fc.constantFrom('a', 'd', 'e'), word), { maxLength: 3 })
      .map((values) => values.map(([key, text]) => `<parameter=${key}>${text}</parameter>\n`).join(''))
      .map((body) => `<tool_call>\n<function=f>\n${body}</function>\n</tool_call>`);
    fc.assert(
      fc.property(
        solid,
        fc.option(solid, { nil: '' }),
        fc.array(call, { maxLength: 3 }),
        (reasoning, content, calls) => {
          const answer = `<think>${reasoning}</think>${content}${calls.join('')}`;
          const prompt = template.render({ messages: [user], tools, thinking: true });
          const { message } = parse(answer, { output: prompt.output, tools });
          const next = template.render({ messages: [user, message], tools, addGenerationPrompt: false });
          expect(next.text).toBe(`${prompt.text}${answer}<|im_end|>`);
        },
      ),
      { numRuns },
    );
  });

  test('a rendered call without its source parses to the same arguments', () => {
    const text = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((value) => !value.includes('</parameter>') && !/\p{Cs}/u.test(value));
    const values = fc.record(
      { a: text, b: fc.maxSafeInteger(), c: fc.dictionary(text, fc.jsonValue({ maxDepth: 2 })) },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(values, (value) => {
        const call = { id: 'x', name: 'f', arguments: JSON.stringify(value) };
        const messages = [user, { role: 'assistant', content: '', toolCalls: [call] }] as const;
        const prompt = template.render({ messages, addGenerationPrompt: false }).text;
        const begin = '<|im_start|>assistant\n';
        const answer = prompt.slice(prompt.lastIndexOf(begin) + begin.length, -'<|im_end|>'.length);
        const [parsed] = parse(answer, { tools }).message.toolCalls!;
        expect(JSON.parse(parsed!.arguments)).toEqual(JSON.parse(call.arguments));
      }),
      { numRuns },
    );
  });
});
