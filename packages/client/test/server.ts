// A real HTTP server that plays one scripted answer per request and keeps what it received.
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

interface Received {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  text: string;
  body: { messages: { role: string; [key: string]: unknown }[]; [key: string]: unknown };
}

export type Answer = (response: ServerResponse, received: Received) => void | Promise<void>;

export interface TestServer extends AsyncDisposable {
  baseURL: string;
  received: Received[];
  /** Resolves when the connection of request `index` was closed from the other side. */
  closed(index: number): Promise<void>;
}

export async function serve(...answers: Answer[]): Promise<TestServer> {
  const received: Received[] = [];
  const closings: Promise<unknown>[] = [];
  const server = createServer(async (request, response) => {
    closings.push(once(response, 'close'));
    let text = '';
    request.setEncoding('utf8');
    for await (const piece of request) text += piece;
    const { method = '', url = '', headers } = request;
    const entry = { method, url, headers, text, body: JSON.parse(text) };
    received.push(entry);
    const answer = answers[Math.min(received.length, answers.length) - 1]!;
    await answer(response, entry);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    baseURL: `http://127.0.0.1:${port}/v1`,
    received,
    async closed(index) {
      await closings[index];
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Answers with an event stream; `cuts` are the byte offsets at which writes are separated. */
export function stream(
  text: string,
  options: { cuts?: readonly number[]; end?: 'close' | 'destroy' | 'hold' } = {},
): Answer {
  return async (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    const bytes = Buffer.from(text);
    let from = 0;
    for (const cut of [...(options.cuts ?? []), bytes.length]) {
      response.write(bytes.subarray(from, cut));
      from = cut;
      // Let the bytes leave before the next ones come.
      await new Promise((resolve) => setImmediate(resolve));
    }
    if (options.end === 'hold') return;
    if (options.end === 'destroy') response.destroy();
    else response.end();
  };
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Answer {
  return (response) => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers });
    response.end(typeof body === 'string' ? body : JSON.stringify(body));
  };
}

/** The data lines of chunks, then [DONE]. */
export function chunks(...values: unknown[]): string {
  return `${values.map((value) => `data: ${JSON.stringify(value)}\n\n`).join('')}data: [DONE]\n\n`;
}

/** One chunk with this delta. */
export function delta(value: unknown, finishReason: string | null = null): unknown {
  return {
    id: 'x',
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta: value, finish_reason: finishReason }],
  };
}
