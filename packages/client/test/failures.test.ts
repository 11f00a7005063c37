// What can go wrong between client and server, each as a typed error and with nothing left open.
import { createServer } from 'node:net';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { ChatStream, StreamEvent } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { type ClientOptions, createClient, type RetryNotice } from '../src/index.ts';
import { type Answer, chunks, delta, json, serve, stream } from './server.ts';

const question = { messages: [{ role: 'user' as const, content: 'Hi' }] };
const fine = stream(chunks(delta({ content: 'Hello' }, 'stop')));
const silent: Answer = () => undefined;
const fast = { retry: { baseMs: 1, maxMs: 50 } };

function ask(baseURL: string, options: Partial<ClientOptions> = {}): ChatStream {
  return createClient({ baseURL, model: 'm', retry: { retries: 0 }, ...options }).chat(question);
}

describe('statuses', () => {
  test.each([400, 401, 402, 403, 404, 413, 421, 422, 429, 500, 503])(
    "%i is http-status with the body's fields and a hint",
    async (status) => {
      const body = { error: { code: String(status), message: 'Something', param: 'temperature', type: 'kind' } };
      await using server = await serve(json(status, body));
      await expect(ask(server.baseURL).message()).rejects.toMatchObject({
        code: 'http-status',
        message: `HTTP ${status}: Something: temperature`,
        hint: expect.stringMatching(/\w/),
        details: { status, serverCode: String(status), param: 'temperature', serverType: 'kind' },
      });
    },
  );

  test('every known error body gives its message', async () => {
    const bodies: [unknown, string][] = [
      [{ object: 'error', message: 'too long', type: 'BadRequestError', param: null, code: 400 }, 'too long'],
      [{ error: { code: 500, message: 'slot', type: 'server_error' } }, 'slot'],
      [{ detail: [{ loc: ['body', 'messages'], msg: 'missing' }] }, 'missing'],
      [{ error: 'plain' }, 'plain'],
      ['<html>Bad Gateway</html>', 'Bad Gateway'],
      ['', 'Bad Request'],
    ];
    for (const [body, said] of bodies) {
      await using server = await serve(json(400, body));
      await expect(ask(server.baseURL).message()).rejects.toThrow(said);
    }
  });

  test("the platform's 400 for dropped reasoning names the messages", async () => {
    const body = {
      error: {
        code: '400',
        message: 'Param Incorrect',
        param: 'The reasoning_content in the thinking mode must be passed back to the API.',
        type: '',
      },
    };
    await using server = await serve(json(400, body));
    const toolCalls = [{ id: 'a', name: 'f', arguments: '{}' }];
    const stopped = createClient({ baseURL: server.baseURL, model: 'm' }).chat({
      messages: [
        ...question.messages,
        { role: 'assistant', content: '', toolCalls },
        { role: 'tool', content: '1', toolCallId: 'a' },
        { role: 'assistant', content: '', reasoning: 'kept', toolCalls },
      ],
    });
    await expect(stopped.message()).rejects.toMatchObject({
      code: 'reasoning-missing',
      details: { status: 400, messages: [1] },
    });
  });

  test('an endless error body is not read to its end', async () => {
    await using server = await serve(async (response) => {
      response.writeHead(400);
      const piece = Buffer.alloc(65_536, 'x');
      while (!response.destroyed) {
        response.write(piece);
        await new Promise((resolve) => setImmediate(resolve));
      }
    });
    await expect(ask(server.baseURL).message()).rejects.toMatchObject({ code: 'http-status' });
    await server.closed(0);
  });

  test('a redirect is not followed', async () => {
    await using server = await serve(json(302, '', { location: 'http://elsewhere.invalid/' }));
    await expect(ask(server.baseURL).message()).rejects.toMatchObject({
      code: 'http-status',
      details: { status: 302 },
    });
    expect(server.received).toHaveLength(1);
  });
});

describe('retries', () => {
  test.each([429, 500, 503])('%i is tried again, after Retry-After when there is one', async (status) => {
    const notices: RetryNotice[] = [];
    await using server = await serve(json(status, '', { 'retry-after': '0' }), json(status, ''), fine);
    const message = await ask(server.baseURL, { ...fast, onRetry: (notice) => notices.push(notice) }).message();
    expect(message.content).toBe('Hello');
    expect(notices).toMatchObject([
      { attempt: 1, waitMs: 0, error: { details: { status } } },
      { attempt: 2, waitMs: expect.any(Number) },
    ]);
    expect(server.received.map(({ text }) => text)).toEqual(Array.from({ length: 3 }, () => server.received[0]!.text));
  });

  test.each([400, 401, 402, 403, 404])('%i is not', async (status) => {
    await using server = await serve(json(status, ''), fine);
    await expect(ask(server.baseURL, fast).message()).rejects.toMatchObject({ details: { status } });
    expect(server.received).toHaveLength(1);
  });

  test('421 is not, but fetch itself asks once more on a new connection', async () => {
    await using server = await serve(json(421, ''));
    await expect(ask(server.baseURL, fast).message()).rejects.toMatchObject({ details: { status: 421 } });
    expect(server.received.length).toBeLessThanOrEqual(2);
  });

  test('a Retry-After that is too long is an error at once', async () => {
    await using server = await serve(json(429, '', { 'retry-after': '3600' }), fine);
    await expect(ask(server.baseURL, fast).message()).rejects.toMatchObject({
      details: { status: 429, retryAfterMs: 3_600_000 },
    });
  });

  test('they end', async () => {
    await using server = await serve(json(503, ''));
    await expect(ask(server.baseURL, { retry: { ...fast.retry, retries: 2 } }).message()).rejects.toMatchObject({
      details: { status: 503 },
    });
    expect(server.received).toHaveLength(3);
  });

  test('nothing is tried again once an answer has begun', async () => {
    await using server = await serve(
      stream(`data: ${JSON.stringify(delta({ content: 'Hel' }))}\n\n`, { end: 'destroy' }),
      fine,
    );
    await expect(ask(server.baseURL, fast).message()).rejects.toMatchObject({
      code: 'http-network',
      details: { partial: { role: 'assistant', content: 'Hel' } },
    });
    expect(server.received).toHaveLength(1);
  });

  test('an abort ends the wait', async () => {
    const stop = new AbortController();
    await using server = await serve(json(429, '', { 'retry-after': '20' }));
    const events: StreamEvent[] = [];
    const model = createClient({ baseURL: server.baseURL, model: 'm', onRetry: () => stop.abort() });
    for await (const event of model.chat({ ...question, signal: stop.signal })) events.push(event);
    expect(events).toMatchObject([{ type: 'finish', reason: 'aborted' }]);
  });

  test('no server at all is http-network with the address', async () => {
    const closed = createServer().listen(0, '127.0.0.1');
    await once(closed, 'listening');
    const { port } = closed.address() as AddressInfo;
    closed.close();
    await once(closed, 'close');
    const notices: RetryNotice[] = [];
    const stopped = ask(`http://127.0.0.1:${port}/v1`, {
      retry: { ...fast.retry, retries: 1 },
      onRetry: (notice) => notices.push(notice),
    });
    await expect(stopped.message()).rejects.toMatchObject({
      code: 'http-network',
      message: expect.stringContaining(`:${port}/v1/chat/completions: ECONNREFUSED`),
    });
    expect(notices).toHaveLength(1);
  });
});

describe('deadlines', () => {
  const begun = `data: ${JSON.stringify(delta({ reasoning_content: 'Hm' }))}\n\n`;
  test.each([
    ['connect', silent, { connectMs: 20 }],
    ['first token', stream(': queued\n\n', { end: 'hold' }), { firstTokenMs: 60 }],
    ['idle', stream(begun, { end: 'hold' }), { idleMs: 20 }],
  ] as const)('%s', async (phase, answer, timeouts) => {
    await using server = await serve(answer);
    await expect(ask(server.baseURL, { timeouts }).message()).rejects.toMatchObject({
      code: 'http-timeout',
      details: { phase },
    });
    await server.closed(0);
  });

  test('a cut answer keeps what there was', async () => {
    await using server = await serve(stream(begun, { end: 'hold' }));
    await expect(ask(server.baseURL, { timeouts: { idleMs: 20 } }).message()).rejects.toMatchObject({
      details: { partial: { role: 'assistant', reasoning: 'Hm', content: '' } },
    });
  });

  test('a fetch that ignores its signal is not waited for', async () => {
    const fetch = (): Promise<Response> => new Promise(() => undefined);
    await expect(ask('http://127.0.0.1:1', { fetch, timeouts: { connectMs: 10 } }).message()).rejects.toMatchObject({
      code: 'http-timeout',
    });
  });

  test('a server that holds the connection after [DONE] is not waited for', async () => {
    await using server = await serve(stream(chunks(delta({ content: 'Hello' }, 'stop')), { end: 'hold' }));
    const events: StreamEvent[] = [];
    for await (const event of ask(server.baseURL)) events.push(event);
    expect(events.at(-1)).toMatchObject({ type: 'finish', reason: 'stop' });
    await server.closed(0);
  });
});

describe('stopping', () => {
  const begun = stream(`data: ${JSON.stringify(delta({ reasoning_content: 'Hm', content: 'He' }))}\n\n`, {
    end: 'hold',
  });

  test('an abort closes the socket and ends with what there was', async () => {
    const stop = new AbortController();
    await using server = await serve(begun);
    const events: StreamEvent[] = [];
    for await (const event of createClient({ baseURL: server.baseURL, model: 'm' }).chat({
      ...question,
      signal: stop.signal,
    })) {
      events.push(event);
      if (event.type === 'text-delta') stop.abort();
    }
    expect(events.at(-1)).toMatchObject({
      type: 'finish',
      reason: 'aborted',
      message: { reasoning: 'Hm', content: 'He' },
    });
    await server.closed(0);
  });

  test('message() rejects with aborted', async () => {
    await using server = await serve(begun);
    const signal = AbortSignal.timeout(20);
    const stopped = createClient({ baseURL: server.baseURL, model: 'm' })
      .chat({ ...question, signal })
      .message();
    await expect(stopped).rejects.toMatchObject({ code: 'aborted' });
    await server.closed(0);
  });

  test('leaving the loop closes the socket', async () => {
    await using server = await serve(begun);
    const running = ask(server.baseURL);
    for await (const event of running) if (event.type === 'text-delta') break;
    await server.closed(0);
    await expect(running.message()).rejects.toMatchObject({ code: 'aborted' });
  });

  test('a signal that is aborted already sends nothing', async () => {
    await using server = await serve(begun);
    const events: StreamEvent[] = [];
    const model = createClient({ baseURL: server.baseURL, model: 'm' });
    for await (const event of model.chat({ ...question, signal: AbortSignal.abort() })) events.push(event);
    expect(events).toMatchObject([{ type: 'finish', reason: 'aborted' }]);
    expect(server.received).toEqual([]);
  });

  test('a stream is read once; message() joins a running loop', async () => {
    await using server = await serve(fine);
    const running = ask(server.baseURL);
    const joined = running.message();
    expect(() => running[Symbol.asyncIterator]()).toThrow(expect.objectContaining({ code: 'invalid-argument' }));
    expect((await joined).content).toBe('Hello');
    expect(await running.message()).toEqual(await joined);
  });
});

describe('malformed answers', () => {
  const event = (data: string): string => `data: ${data}\n\n`;
  test.each([
    ['broken JSON', event('{"choices":')],
    ['a wrong type', event('{"choices":[{"delta":{"content":5}}]}')],
    ['no object', event('7')],
    ['bytes that are no UTF-8', Buffer.concat([Buffer.from('data: "'), Buffer.from([0xff, 0xfe])])],
    ['no event at all', '<html></html>'],
    ['nothing', ''],
  ])('%s', async (_, bytes) => {
    const fetch = (): Promise<Response> =>
      Promise.resolve(new Response(bytes, { headers: { 'content-type': 'text/event-stream' } }));
    await expect(ask('http://127.0.0.1:1', { fetch }).message()).rejects.toMatchObject({
      code: 'stream-malformed',
      hint: expect.any(String),
    });
  });

  test('an error inside the stream', async () => {
    await using server = await serve(
      stream(
        event(JSON.stringify(delta({ content: 'He' }))) +
          event('{"error":{"code":503,"message":"out of KV","type":"overloaded"}}'),
      ),
    );
    await expect(ask(server.baseURL).message()).rejects.toMatchObject({
      code: 'http-status',
      details: { status: 503, serverType: 'overloaded', partial: { content: 'He' } },
    });
  });

  test('a line of 64 MB is refused long before its end', async () => {
    let written = 0;
    await using server = await serve(async (response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write('data: "');
      const piece = Buffer.alloc(2 ** 20, 'x');
      while (written < 64 && !response.destroyed) {
        written++;
        if (!response.write(piece)) await Promise.race([once(response, 'drain'), once(response, 'close')]);
      }
      response.end();
    });
    await expect(ask(server.baseURL, { limits: { eventChars: 2 ** 20 } }).message()).rejects.toMatchObject({
      code: 'stream-malformed',
    });
    await server.closed(0);
    expect(written).toBeLessThan(64);
  });

  test('one piece of 64 MB is refused too, and so is an answer without end', async () => {
    const huge = `data: "${'x'.repeat(64 * 2 ** 20)}"\n\n`;
    const asStream = { headers: { 'content-type': 'text/event-stream' } };
    await expect(
      ask('http://127.0.0.1:1', { fetch: async () => new Response(huge, asStream) }).message(),
    ).rejects.toMatchObject({ code: 'stream-malformed' });
    const endless = event(JSON.stringify(delta({ content: 'x'.repeat(1000) }))).repeat(20);
    await expect(
      ask('http://127.0.0.1:1', {
        fetch: async () => new Response(endless, asStream),
        limits: { answerChars: 10_000 },
      }).message(),
    ).rejects.toMatchObject({ code: 'stream-malformed', message: expect.stringContaining('10000') });
    await expect(
      ask('http://127.0.0.1:1', {
        fetch: async () => Response.json({ x: 'x'.repeat(20_000) }),
        stream: false,
        limits: { answerChars: 10_000 },
      }).message(),
    ).rejects.toMatchObject({ code: 'stream-malformed' });
  });

  test('an answer nested 100,000 deep is an error or ignored, never a crash', async () => {
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    await using server = await serve(
      stream(event(`{"choices":[],"x":${deep}}`) + chunks(delta({ content: 'Hello' }, 'stop'))),
    );
    const outcome = await ask(server.baseURL)
      .message()
      .catch((error: unknown) => error);
    expect(outcome).toMatchObject(outcome instanceof Error ? { code: 'stream-malformed' } : { content: 'Hello' });
  });
});
