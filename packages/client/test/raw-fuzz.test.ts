// Whatever a completions server sends, raw mode answers with a message or a typed error; whatever a model writes, cut
// anywhere, is what the parser makes of it whole.
import { createChatTemplate } from '@mimokit/chat-template';
import { type AssistantMessage, isMimoError } from '@mimokit/protocol';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createRawClient } from '../src/raw.ts';

const template = createChatTemplate();
const tools = [{ name: 'f', parameters: { type: 'object', properties: { x: { type: 'integer' } } } }];
const request = { messages: [{ role: 'user' as const, content: 'x' }], tools, thinking: true };

async function outcomeOf(pieces: readonly (Uint8Array | string)[]): Promise<AssistantMessage | undefined> {
  const encoder = new TextEncoder();
  const fetch = async (): Promise<Response> => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(typeof piece === 'string' ? encoder.encode(piece) : piece);
        controller.close();
      },
    });
    return new Response(body, { headers: { 'content-type': 'text/event-stream' } });
  };
  const model = createRawClient({ baseURL: 'http://127.0.0.1:1/v1', model: 'm', preset: 'vllm', fetch });
  try {
    return await model.chat(request).message();
  } catch (error) {
    if (!isMimoError(error)) throw error;
    return undefined;
  }
}

const frame = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`;

test('arbitrary bytes, and arbitrary JSON in frames', async () => {
  const chunk = fc.record(
    {
      choices: fc.array(fc.record({ index: fc.jsonValue(), text: fc.jsonValue(), finish_reason: fc.jsonValue() })),
      usage: fc.jsonValue(),
    },
    { requiredKeys: [] },
  );
  const values = fc.array(fc.oneof(fc.jsonValue(), chunk), { maxLength: 5 });
  const pieces = fc.oneof(
    fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 5 }),
    values.map((some) => [...some.map(frame), 'data: [DONE]\n\n']),
  );
  await fc.assert(
    fc.asyncProperty(pieces, async (some) => {
      await outcomeOf(some);
    }),
    { numRuns: 500 },
  );
});

test('any output in any pieces is what the parser makes of the whole, up to the first stop token', async () => {
  const part = fc.constantFrom(
    '<think>',
    '</think>',
    '<tool_call>',
    '</tool_call>',
    '<function=f>',
    '</function>',
    '<parameter=x>',
    '</parameter>',
    '<|im_end|>',
    '<|im_',
    '<|endoftext',
    '\n',
    ' ',
    '7',
    'word',
    '🌦️',
  );
  const call = fc.constant('<tool_call>\n<function=f>\n<parameter=x>7</parameter>\n</function>\n</tool_call>');
  const output = fc.array(fc.oneof({ weight: 5, arbitrary: part }, call), { maxLength: 14 });
  await fc.assert(
    fc.asyncProperty(output, async (pieces) => {
      const text = pieces.join('');
      const ends = ['<|im_end|>', '<|endoftext|>'].map((token) => text.indexOf(token)).filter((at) => at >= 0);
      const answer = text.slice(0, ends.length === 0 ? text.length : Math.min(...ends));
      const frames = pieces.map((piece) => frame({ choices: [{ index: 0, text: piece, finish_reason: null }] }));
      const found = await outcomeOf([...frames, 'data: [DONE]\n\n']);
      const { message } = template.parse(answer, { output: 'auto', tools });
      const withoutIds = (one: AssistantMessage | undefined): unknown => ({
        ...one,
        toolCalls: one?.toolCalls?.map((made) => ({ ...made, id: '' })),
      });
      expect(withoutIds(found)).toEqual(withoutIds(message));
    }),
    { numRuns: 500 },
  );
});
