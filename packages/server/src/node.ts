// A server of its own for Node: loopback unless keys are set, bounded sockets, and an orderly end. Requests are the handler's.
import { createAdaptorServer, type ServerType } from '@hono/node-server';
import { MimoError } from '@mimokit/protocol';
import { createHandler, type Handler, type HandlerOptions } from './handler.ts';
import { defaultLimits } from './limits.ts';

export interface ServerOptions extends HandlerOptions {
  /** Default 127.0.0.1. Any other interface needs apiKeys. */
  host?: string;
  /** Default 8080; 0 takes a free one. */
  port?: number;
  /** Open sockets at once. Default 2,048. */
  connections?: number;
}

export interface RunningServer extends AsyncDisposable {
  /** `http://host:port`, for a base URL add `/v1`. */
  readonly url: string;
  readonly handler: Handler;
  /** Takes nothing new, lets what runs finish for at most `graceMs`, then closes every socket. Safe to call twice. */
  close(graceMs?: number): Promise<void>;
}

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Listens. Throws `invalid-argument` for an open interface without keys, or when the port is taken. */
export async function openServer(options: ServerOptions): Promise<RunningServer> {
  const { host = '127.0.0.1', port = 8080, connections = 2048, ...handlerOptions } = options;
  const isLocal = loopback.has(host);
  const hasKeys = (options.apiKeys?.length ?? 0) > 0;
  if (!isLocal && !hasKeys) {
    throw new MimoError('invalid-argument', `Listening on ${host} without API keys would let everyone in.`, {
      hint: 'Set API keys, or listen on 127.0.0.1.',
      field: 'host',
    });
  }
  const handler = createHandler(handlerOptions);
  const bodyMs = options.limits?.bodyMs ?? defaultLimits.bodyMs;
  const server = createAdaptorServer({
    fetch: isLocal && !hasKeys ? localOnly(handler) : handler,
    overrideGlobalObjects: false,
    serverOptions: {
      headersTimeout: 10_000,
      requestTimeout: bodyMs + 15_000,
      keepAliveTimeout: 65_000,
      connectionsCheckingInterval: 2_000,
      noDelay: true,
    },
  });
  if ('maxConnections' in server) server.maxConnections = connections;
  const open = watchResponses(server);
  const bound = await listen(server, host, port);
  const name = host.includes(':') ? `[${host}]` : host;
  let closing: Promise<void> | undefined;
  const close = (graceMs: number = 10_000): Promise<void> => (closing ??= end(server, handler, open, graceMs));
  return { url: `http://${name}:${bound}`, handler, close, [Symbol.asyncDispose]: () => close(0) };
}

/** A page whose name was made to point at this machine sends its own name as the host. */
function localOnly(handler: Handler): (request: Request) => Promise<Response> {
  return async (request) => {
    const { hostname } = new URL(request.url);
    if (loopback.has(hostname) || hostname === '[::1]') return handler(request);
    return Response.json(
      {
        error: {
          message: 'Without API keys only localhost is answered.',
          type: 'invalid_request_error',
          param: null,
          code: 'not_authorized',
        },
      },
      { status: 403 },
    );
  };
}

function listen(server: ServerType, host: string, port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new MimoError('invalid-argument', `Cannot listen on ${host}:${port}: ${cause.code ?? cause.message}.`, {
          hint: 'Choose another port.',
          field: 'port',
          cause,
        }),
      );
    });
    server.listen(port, host, () => {
      const address = server.address();
      resolve(typeof address === 'object' && address !== null ? address.port : port);
    });
  });
}

/** Bytes already written still have to reach their readers. */
const flushMs = 2000;

/** The responses that are not yet handed over to the system, down to their last byte. */
function watchResponses(server: ServerType): Set<unknown> {
  const open = new Set<unknown>();
  server.on('request', (_: unknown, response: { once(event: 'close', listener: () => void): unknown }) => {
    open.add(response);
    response.once('close', () => open.delete(response));
  });
  return open;
}

/** The port stays open until the end, so that whoever comes meanwhile is told to come again. */
async function end(server: ServerType, handler: Handler, open: ReadonlySet<unknown>, graceMs: number): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), graceMs);
  });
  const isDrained = await Promise.race([handler.drain().then(() => true), late]);
  clearTimeout(timer);
  const deadline = performance.now() + (isDrained ? flushMs : 0);
  while (open.size > 0 && performance.now() < deadline) await after(5);
  // Closing takes finished responses for idle sockets, flushed or not: hence the wait above.
  const closed = new Promise<void>((resolve) => {
    server.close(() => resolve());
  });
  if ('closeAllConnections' in server) server.closeAllConnections();
  await closed;
}

function after(milliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, milliseconds);
  });
}
