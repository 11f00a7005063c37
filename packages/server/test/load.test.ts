// Many clients, clients that leave, clients that do not read, and the end: nothing is lost, nothing stays behind.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import type { LocalModel } from '@mimokit/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openServer } from '../src/node.ts';
import { openNano, serveNano } from './nano.ts';

let model: LocalModel;
beforeAll(async () => {
  model = await openNano();
});
afterAll(() => model.dispose());

const endless = {
  messages: [{ role: 'user', content: 'Tell me a story.' }],
  model: 'nano',
  temperature: 2,
  seed: 1,
  stream: true,
  // Neither of the ids that end an answer.
  logit_bias: { 1015: -100, 1017: -100 },
};

function post(url: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  return fetch(`${url}/v1/chat/completions`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
    ...(signal ? { signal } : {}),
  });
}

async function until(holds: () => boolean, milliseconds = 5000): Promise<void> {
  const end = performance.now() + milliseconds;
  while (!holds()) {
    if (performance.now() > end) throw new Error('it did not become true');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const isIdle = (): boolean => model.stats().running === 0 && model.stats().waiting === 0;

describe('many at once', () => {
  test('every stream is the answer it would have been alone, and excess is 429 with Retry-After', async () => {
    await using served = await serveNano(model, { limits: { running: 6, waiting: 6 } });
    const prompts = Array.from({ length: 24 }, (_, i) => `What is ${i + 3} * ${i + 5}?`);
    const alone = async (content: string) =>
      (await model.chat({ messages: [{ role: 'user', content }], maxTokens: 24 }).message()).content;
    const expected = new Map<string, string>();
    for (const content of prompts) expected.set(content, await alone(content));
    let busy = 0;
    const results = await Promise.all(
      prompts.map(async (content) => {
        const response = await post(served.server.url, {
          model: 'nano',
          messages: [{ role: 'user', content }],
          max_tokens: 24,
          stream: true,
        });
        if (response.status === 429) {
          busy++;
          expect(Number(response.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
          await response.text();
          return undefined;
        }
        expect(response.status).toBe(200);
        return [content, textOf(await response.text())] as const;
      }),
    );
    const answered = results.filter((result) => result !== undefined);
    for (const [content, text] of answered) expect(text).toBe(expected.get(content));
    expect(busy).toBeGreaterThan(0);
    expect(answered.length).toBeGreaterThanOrEqual(12);
    expect(answered.length + busy).toBe(24);
    expect(served.server.handler.load).toEqual({ running: 0, waiting: 0 });
  });
});

test('a socket that is announced as kept alive is: two streams, one socket', async () => {
  await using served = await serveNano(model);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const ports: (number | undefined)[] = [];
  for (let i = 0; i < 2; i++) {
    const text = await new Promise<string>((resolve, reject) => {
      const body = JSON.stringify({ ...endless, max_tokens: 8 });
      const headers = { 'content-type': 'application/json', 'content-length': body.length };
      const sent = request(
        `${served.server.url}/v1/chat/completions`,
        { method: 'POST', agent, headers },
        (response) => {
          let all = '';
          response.on('data', (bytes: Buffer) => (all += bytes.toString()));
          response.on('end', () => resolve(all));
        },
      );
      sent.on('socket', (socket) => socket.once('ready', () => ports.push(socket.localPort)));
      sent.on('error', reject);
      sent.end(body);
    });
    expect(text).toContain('[DONE]');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  agent.destroy();
  // One connection was made.
  expect(ports).toHaveLength(1);
});

describe('clients that leave', () => {
  test('in mid-stream: decoding stops and every block and window is given back', async () => {
    await using served = await serveNano(model);
    const controller = new AbortController();
    const response = await post(served.server.url, endless, controller.signal);
    const reader = response.body!.getReader();
    await reader.read();
    expect(model.stats().running).toBe(1);
    const steps = model.stats().steps;
    controller.abort();
    await until(isIdle);
    expect(model.stats().kv.windowsLive).toBe(0);
    expect(served.server.handler.load).toEqual({ running: 0, waiting: 0 });
    expect(model.stats().steps).toBeGreaterThanOrEqual(steps);
    const text = await (await fetch(`${served.server.url}/metrics`)).text();
    expect(text).toContain('mimokit_answers_total{model="nano",reason="aborted"} 1');
    expect(text).not.toContain('reason="failed"');
  });

  test('before a whole answer is there', async () => {
    await using served = await serveNano(model);
    const controller = new AbortController();
    const pending = post(served.server.url, { ...endless, stream: false }, controller.signal).catch(() => undefined);
    await until(() => model.stats().running === 1);
    controller.abort();
    await pending;
    await until(isIdle);
    expect(served.server.handler.load.running).toBe(0);
  });

  test('while they wait for a place', async () => {
    await using served = await serveNano(model, { limits: { running: 1, waiting: 4 } });
    const first = new AbortController();
    const second = new AbortController();
    const running = await post(served.server.url, endless, first.signal);
    const waiting = post(served.server.url, endless, second.signal).catch(() => undefined);
    await until(() => served.server.handler.load.waiting === 1);
    second.abort();
    await waiting;
    await until(() => served.server.handler.load.waiting === 0);
    first.abort();
    await running.text().catch(() => undefined);
    await until(() => isIdle() && served.server.handler.load.running === 0);
  });

  test('at any byte of the request or of the answer', async () => {
    await using served = await serveNano(model);
    const { port } = new URL(served.server.url);
    const body = JSON.stringify({ ...endless, max_tokens: 40 });
    const head = `POST /v1/chat/completions HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n`;
    const whole = head + body;
    for (let i = 0; i < 60; i++) {
      const cut = i < 30 ? Math.floor((whole.length * i) / 30) : whole.length;
      const readBytes = i < 30 ? 0 : (i - 30) * 90;
      await new Promise<void>((resolve) => {
        let got = 0;
        const socket = connect(Number(port), '127.0.0.1', () => {
          socket.write(whole.slice(0, cut));
          if (readBytes === 0) setTimeout(() => socket.destroy(), 3);
        });
        socket.on('data', (bytes) => {
          got += bytes.length;
          if (got >= readBytes) socket.destroy();
        });
        socket.on('error', () => {});
        socket.on('close', () => resolve());
      });
    }
    await until(() => isIdle() && served.server.handler.load.running === 0);
    expect(model.stats().kv.windowsLive).toBe(0);
    expect((await post(served.server.url, { ...endless, stream: false, max_tokens: 3 })).status).toBe(200);
  });
});

test('a reader that takes nothing is left, and its work ends', async () => {
  await using served = await serveNano(model, { limits: { slowReaderMs: 100 } });
  const response = await served.server.handler(
    new Request('http://localhost/v1/chat/completions', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(endless),
    }),
  );
  expect(response.status).toBe(200);
  await until(() => served.server.handler.load.running === 0 && isIdle());
  await expect(response.text()).rejects.toThrow('stalled');
});

describe('the end', () => {
  test('what runs is finished, what is new is refused, and the port is free', async () => {
    const server = await openServer({ port: 0, models: [model] });
    const response = await post(server.url, { ...endless, max_tokens: 60 });
    const closing = server.close(10_000);
    expect((await server.handler(new Request('http://localhost/ready'))).status).toBe(503);
    const refused = await server.handler(
      new Request('http://localhost/v1/chat/completions', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{}',
      }),
    );
    expect(refused.status).toBe(503);
    expect(refused.headers.get('retry-after')).toBe('5');
    expect(await response.text()).toMatch(/data: \[DONE\]\n\n$/);
    await closing;
    await expect(fetch(`${server.url}/health`)).rejects.toThrow('fetch failed');
  });

  test('what does not finish in time is cut, never as if it were whole', async () => {
    const server = await openServer({ port: 0, models: [model] });
    const response = await post(server.url, endless);
    await server.close(20);
    const text = await response.text().catch(() => '');
    expect(text).not.toContain('[DONE]');
    await until(isIdle);
  });
});

describe('where it listens', () => {
  test('no other interface without keys', async () => {
    await expect(openServer({ port: 0, models: [model], host: '0.0.0.0' })).rejects.toMatchObject({
      code: 'invalid-argument',
      details: { field: 'host' },
    });
    await using server = await openServer({ port: 0, models: [model], host: '0.0.0.0', apiKeys: ['secret'] });
    expect(server.handler.load.running).toBe(0);
  });

  test('a foreign host name is refused on loopback', async () => {
    await using server = await openServer({ port: 0, models: [model] });
    const { port } = new URL(server.url);
    const status = await new Promise<string>((resolve) => {
      const socket = connect(Number(port), '127.0.0.1', () => {
        socket.write('GET /v1/models HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n');
      });
      socket.once('data', (bytes) => resolve(bytes.toString().split('\r\n', 1)[0]));
    });
    expect(status).toContain('403');
  });
});

function textOf(stream: string): string {
  let text = '';
  for (const line of stream.split('\n')) {
    if (!line.startsWith('data: {')) continue;
    const chunk = JSON.parse(line.slice(6)) as { choices: { delta: { content?: string } }[] };
    text += chunk.choices[0]?.delta.content ?? '';
  }
  return text;
}
