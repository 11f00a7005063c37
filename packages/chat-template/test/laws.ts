// The laws of the parser and the renderer, as functions that throw: run over the kept corpus and random texts by laws.test.ts,
// and for as long as one likes by scripts/fuzz.ts.
import assert from 'node:assert/strict';
import { type AssistantMessage, isMimoError, readJson, type StreamEvent } from '@mimokit/protocol';
import { createChatTemplate, parse, type ParserOptions } from '../src/index.ts';
import { cutInto, tools } from './outputs.ts';
import { parsePieces } from './split-everywhere.ts';

const template = createChatTemplate();
const user = { role: 'user', content: 'Q' } as const;

/** What a listener to the events ends up with. */
function told(events: readonly StreamEvent[]): { message: AssistantMessage; open: number } {
  const message: AssistantMessage = { role: 'assistant', content: '', reasoning: '' };
  const inputs = new Map<string, string>();
  const calls = [];
  for (const event of events) {
    if (event.type === 'text-delta') message.content += event.text;
    else if (event.type === 'reasoning-delta') message.reasoning += event.text;
    else if (event.type === 'tool-input-start') inputs.set(event.id, '');
    else if (event.type === 'tool-input-delta') inputs.set(event.id, inputs.get(event.id)! + event.text);
    else if (event.type === 'tool-input-cancelled') {
      message.content += event.text;
      inputs.delete(event.id);
    } else if (event.type === 'tool-call') {
      calls.push(event.call);
      // The deltas are JSON of the same arguments; a repeated key is the one difference.
      assert.deepEqual(JSON.parse(inputs.get(event.call.id)!), JSON.parse(event.call.arguments));
      inputs.delete(event.call.id);
    }
  }
  if (calls.length > 0) message.toolCalls = calls;
  return { message, open: inputs.size };
}

export const parserLaws: Readonly<
  Record<string, (text: string, options: ParserOptions, lengths: readonly number[]) => void>
> = {
  'any split gives the same events and the same message': (text, options, lengths) => {
    const whole = parsePieces([text], options);
    assert.deepEqual(parsePieces(cutInto(text, lengths), options), whole);
    assert.deepEqual(parsePieces(text.split(''), options), whole);
  },
  'events tell the message': (text, options) => {
    const { message, events } = parse(text, options);
    const { message: heard, open } = told(events);
    assert.equal(open, 0);
    assert.equal(heard.content, message.content);
    assert.equal(heard.reasoning, message.reasoning ?? '');
    assert.deepEqual(heard.toolCalls, message.toolCalls);
  },
  'without calls every character is reasoning or content': (text) => {
    const { message } = parse(text, {});
    assert.equal(message.toolCalls, undefined);
    const tag = '<think>';
    const opens = text.trimStart().startsWith(tag) && /^[ \t\r\n]*<think>/.test(text);
    const rest = opens ? text.slice(text.indexOf(tag) + tag.length) : text;
    assert.equal((message.reasoning ?? '') + message.content, opens ? rest.replace('</think>', '') : rest);
  },
  'arguments are always one JSON object': (text, options) => {
    for (const call of parse(text, options).message.toolCalls ?? []) {
      assert.equal(typeof readJson(call.arguments), 'object');
      assert.equal(call.arguments[0], '{');
    }
  },
  'a message that was parsed can be rendered, and its calls are found again': (text, options) => {
    const { message } = parse(text, options);
    const { text: prompt } = template.render({ messages: [user, message], addGenerationPrompt: false });
    const answer = prompt.slice(prompt.indexOf('assistant\n') + 'assistant\n'.length, -'<|im_end|>'.length);
    if (options.rescue === 'ignore' || /[<`~]/.test(message.content + (message.reasoning ?? ''))) return;
    const again = parse(answer, { ...options, rescue: 'ignore' }).message;
    assert.deepEqual(
      again.toolCalls?.map(({ name }) => name),
      message.toolCalls?.map(({ name }) => name),
    );
  },
};

export const templateLaws: Readonly<Record<string, (messages: unknown[], some: unknown[] | undefined) => void>> = {
  'anything renders or is refused with a typed error': (messages, some) => {
    try {
      const { text, literal, messageEnds } = template.render({ messages: messages as never, tools: some as never });
      let last = 0;
      for (const span of literal) {
        assert.ok(span.start >= last && span.end > span.start && span.end <= text.length);
        last = span.end;
      }
      assert.ok(messageEnds.every((end, i) => end <= text.length && (i === 0 || end >= messageEnds[i - 1]!)));
    } catch (error) {
      if (!isMimoError(error)) throw error;
    }
  },
  'rendering from a message on gives its part of the whole': (messages) => {
    let whole;
    try {
      whole = template.render({ messages: messages as never, tools });
    } catch {
      return;
    }
    const offset = (messages[0] as { role: string }).role === 'system' ? 0 : 1;
    for (let from = 1; from <= messages.length; from++) {
      const part = template.render({ messages: messages as never, tools, from });
      assert.equal(part.text, whole.text.slice(whole.messageEnds[from - 1 + offset]));
    }
  },
};
