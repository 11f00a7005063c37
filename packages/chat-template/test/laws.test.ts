// Laws of the parser and the renderer over generated texts. MIMOKIT_FUZZ_RUNS sets how many (default 1,000 each).
import type { AssistantMessage } from '@mimokit/protocol';
import { isMimoError, readJson } from '@mimokit/protocol';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createChatTemplate, parse, type ParserOptions } from '../src/index.ts';
import { anyOutput, cutInto, cuts, likelyOutput, tools } from './outputs.ts';
import { parsePieces } from './split-everywhere.ts';

const numRuns = Number(process.env.MIMOKIT_FUZZ_RUNS ?? 1000);
const output = fc.oneof(anyOutput, likelyOutput);
const options: fc.Arbitrary<ParserOptions> = fc
  .record({ rescue: fc.constantFrom('move', 'keep', 'ignore'), unclosedThink: fc.constantFrom('reasoning', 'content') })
  .map((some) => ({ ...some, tools }));

describe('parser', () => {
  test('any split gives the same events and the same message', () => {
    fc.assert(
      fc.property(output, options, cuts, (text, some, lengths) => {
        const whole = parsePieces([text], some);
        expect(parsePieces(cutInto(text, lengths), some)).toEqual(whole);
        expect(parsePieces(text.split(''), some)).toEqual(whole);
      }),
      { numRuns },
    );
  });

  test('events tell the message', () => {
    fc.assert(
      fc.property(output, options, (text, some) => {
        const { message, events } = parse(text, some);
        const told: AssistantMessage = { role: 'assistant', content: '', reasoning: '' };
        const inputs = new Map<string, string>();
        const calls = [];
        for (const event of events) {
          if (event.type === 'text-delta') told.content += event.text;
          else if (event.type === 'reasoning-delta') told.reasoning += event.text;
          else if (event.type === 'tool-input-start') inputs.set(event.id, '');
          else if (event.type === 'tool-input-delta') inputs.set(event.id, inputs.get(event.id)! + event.text);
          else if (event.type === 'tool-input-cancelled') {
            told.content += event.text;
            inputs.delete(event.id);
          } else if (event.type === 'tool-call') {
            calls.push(event.call);
            // The deltas are JSON of the same arguments; a repeated key is the one difference.
            expect(JSON.parse(inputs.get(event.call.id)!)).toEqual(JSON.parse(event.call.arguments));
            inputs.delete(event.call.id);
          }
        }
        expect(inputs.size).toBe(0);
        expect(told.content).toBe(message.content);
        expect(told.reasoning).toBe(message.reasoning ?? '');
        expect(calls).toEqual(message.toolCalls ?? []);
      }),
      { numRuns },
    );
  });

  test('no text is lost: without calls every character is reasoning or content', () => {
    fc.assert(
      fc.property(output, (text) => {
        const { message } = parse(text, {});
        const think = message.reasoning === undefined ? message.content : message.reasoning + message.content;
        expect(text.replace(/^[ \t\r\n]*<think>/, '').replace('</think>', '').length).toBeLessThanOrEqual(think.length);
        expect(message.toolCalls).toBeUndefined();
      }),
      { numRuns },
    );
  });

  test('arguments are always one JSON object', () => {
    fc.assert(
      fc.property(output, (text) => {
        for (const call of parse(text, { tools }).message.toolCalls ?? []) {
          expect(typeof readJson(call.arguments)).toBe('object');
          expect(call.arguments.startsWith('{')).toBe(true);
        }
      }),
      { numRuns },
    );
  });
});

describe('renderer', () => {
  const template = createChatTemplate();
  const user = { role: 'user', content: 'Q' } as const;

  test('what the model wrote as trained is parsed and rendered to the same bytes', () => {
    const word = fc
      .string({ unit: 'grapheme', maxLength: 12 })
      .filter((text) => !text.includes('<') && !/\p{Cs}/u.test(text));
    const solid = word.map((text) => `${text}.`);
    const call = fc
      .array(fc.tuple(fc.constantFrom('a', 'd', 'e'), word), { maxLength: 3 })
      .map(
        (values) =>
          `<tool_call>\n<function=f>\n${values.map(([key, text]) => `<parameter=${key}>${text}</parameter>\n`).join('')}</function>\n</tool_call>`,
      );
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
        const prompt = template.render({
          messages: [user, { role: 'assistant', content: '', toolCalls: [call] }],
          addGenerationPrompt: false,
        }).text;
        const answer = prompt.slice(
          prompt.lastIndexOf('<|im_start|>assistant\n') + '<|im_start|>assistant\n'.length,
          -'<|im_end|>'.length,
        );
        const [parsed] = parse(answer, { tools }).message.toolCalls!;
        expect(JSON.parse(parsed!.arguments)).toEqual(JSON.parse(call.arguments));
      }),
      { numRuns: Math.min(numRuns, 3000) },
    );
  });

  test('anything that is no conversation is a typed error', () => {
    fc.assert(
      fc.property(
        fc.array(fc.anything({ maxDepth: 3 })),
        fc.option(fc.array(fc.anything({ maxDepth: 3 })), { nil: undefined }),
        (messages, some) => {
          try {
            expect(typeof template.render({ messages: messages as never, tools: some as never }).text).toBe('string');
          } catch (error) {
            expect(isMimoError(error), String(error)).toBe(true);
          }
        },
      ),
      { numRuns },
    );
  });
});
