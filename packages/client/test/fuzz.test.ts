// Whatever a server sends, the client answers with a message or a typed error, and soon.
import { type AssistantMessage, isMimoError } from '@mimokit/protocol';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createClient } from '../src/index.ts';
import { shapes } from './shapes.ts';

async function outcomeOf(
  pieces: readonly Uint8Array[],
  contentType: string,
  status = 200,
): Promise<AssistantMessage | undefined> {
  const fetch = async (): Promise<Response> => {
    const body = new ReadableStream({
      start(controller) {
        for (const piece of pieces) controller.enqueue(piece);
        controller.close();
      },
    });
    return new Response(body, { status, headers: { 'content-type': contentType } });
  };
  const model = createClient({ baseURL: 'http://127.0.0.1:1/v1', model: 'm', fetch, retry: { retries: 0 } });
  try {
    return await model.chat({ messages: [{ role: 'user', content: 'x' }] }).message();
  } catch (error) {
    if (!isMimoError(error)) throw error;
    return undefined;
  }
}

const bytes = fc.uint8Array({ maxLength: 300 });
const kinds = fc.constantFrom('text/event-stream', 'application/json', 'text/html', '');

test('arbitrary bytes', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(bytes, { maxLength: 6 }),
      kinds,
      fc.constantFrom(200, 400, 429, 503),
      async (pieces, kind, status) => {
        await outcomeOf(pieces, kind, status);
      },
    ),
    { numRuns: 500 },
  );
});

test('arbitrary JSON in event frames', async () => {
  const value = fc.oneof(
    fc.jsonValue(),
    fc.record({
      choices: fc.array(fc.record({ delta: fc.jsonValue(), finish_reason: fc.jsonValue() }, { requiredKeys: [] })),
    }),
    fc.record({ error: fc.jsonValue() }),
    fc.record({
      choices: fc.tuple(
        fc.record({
          index: fc.constantFrom(0, null),
          finish_reason: fc.constantFrom(null, 'stop', 'tool_calls', 'length'),
          delta: fc.record({
            content: fc.option(fc.string()),
            tool_calls: fc.array(
              fc.record(
                {
                  index: fc.constantFrom(null, 0, 1, 7),
                  id: fc.constantFrom(null, '', 'a', 'b'),
                  function: fc.record({
                    name: fc.constantFrom(null, '', 'f', 'g'),
                    arguments: fc.constantFrom(null, '', '{', '}', '{}', '"x":1'),
                  }),
                },
                { requiredKeys: [] },
              ),
            ),
          }),
        }),
      ),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(value, { maxLength: 12 }), async (values) => {
      const frames = values.map((one) => `data: ${JSON.stringify(one)}\n\n`).join('');
      await outcomeOf([Buffer.from(`${frames}data: [DONE]\n\n`)], 'text/event-stream');
    }),
    { numRuns: 300 },
  );
});

test('a good stream with one byte changed gives a message or a typed error', async () => {
  const streams = shapes.map((shape) => Buffer.from(shape.bytes));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...streams),
      fc.nat(),
      fc.integer({ min: 0, max: 255 }),
      async (stream, at, byte) => {
        const changed = Buffer.from(stream);
        changed[at % changed.length] = byte;
        await outcomeOf([changed], 'text/event-stream');
      },
    ),
    { numRuns: 500 },
  );
});

test('a hundred thousand fragments of one call cost no more than their length', async () => {
  const head = { index: 0, id: 'a', function: { name: 'f', arguments: '{"x":"' } };
  const frame = (call: object): string =>
    `data: ${JSON.stringify({ choices: [{ delta: { tool_calls: [call] } }] })}\n\n`;
  const piece = Buffer.from(frame({ index: 0, id: 'b', function: { name: 'f', arguments: '}}' } }).repeat(1000));
  const pieces = [
    Buffer.from(frame(head)),
    ...Array.from({ length: 100 }, () => piece),
    Buffer.from(`${frame({ index: 0, function: { arguments: '"}' } })}data: [DONE]\n\n`),
  ];
  const message = await outcomeOf(pieces, 'text/event-stream');
  expect(message!.toolCalls![0]!.arguments).toBe(`{"x":"${'}}'.repeat(100_000)}"}`);
});
