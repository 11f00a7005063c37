// One POST with retries until the first byte of an answer; afterwards bytes with deadlines. Knows HTTP, not chat.
import { type Message, MimoError } from '@mimokit/protocol';
import { networkError, statusError } from './http-error.ts';
import { type RetryPolicy, retryWaitMs } from './retry.ts';
import { createUtf8Decoder } from './utf8.ts';
import { createWatch, type Watch } from './watch.ts';

export interface Timeouts {
  /** Until the response headers. */
  connectMs: number;
  /** Until the first token, from the moment of sending; for answers in one piece, until all of it. */
  firstTokenMs: number;
  /** Between two pieces of a stream. */
  idleMs: number;
}

export interface RetryNotice {
  /** The try that failed, from 1. */
  attempt: number;
  waitMs: number;
  error: MimoError;
}

export interface ExchangeOptions {
  url: string;
  headers: Readonly<Record<string, string>>;
  body: string;
  stream: boolean;
  fetch: typeof globalThis.fetch;
  timeouts: Timeouts;
  retry: RetryPolicy;
  onRetry?: ((notice: RetryNotice) => void) | undefined;
  /** For the error that names which messages lack their reasoning. */
  messages: readonly Message[];
  signals: readonly (AbortSignal | undefined)[];
}

export interface Exchange {
  readonly contentType: string;
  /** The next bytes, undefined at the end. */
  read(): Promise<Uint8Array | undefined>;
  /** The first token is here: from now on only idle time counts. */
  firstToken(): void;
  /** Reads what is left for up to `graceMs`, so that the connection can be used again; then closes it. */
  finish(graceMs: number): Promise<void>;
  /** Closes the connection, if it is still open. Safe to call twice. */
  close(): void;
}

const errorBodyBytes = 65_536;

/** Throws `http-status`, `reasoning-missing`, `http-network`, `http-timeout`, or the reason of a signal. */
export async function openExchange(options: ExchangeOptions): Promise<Exchange> {
  for (let attempt = 1; ; attempt++) {
    const watch = createWatch(options.signals);
    try {
      return await tryOnce(options, watch);
    } catch (error) {
      const stopped = options.signals.some((signal) => signal?.aborted);
      watch.close();
      if (stopped) throw error;
      const failure = networkError(error, `POST ${options.url}`);
      const waitMs = retryWaitMs(failure, attempt, options.retry, Math.random());
      if (waitMs === undefined) throw failure;
      options.onRetry?.({ attempt, waitMs, error: failure });
      await pause(waitMs, options.signals);
    }
  }
}

async function tryOnce(options: ExchangeOptions, watch: Watch): Promise<Exchange> {
  const { timeouts } = options;
  watch.arm('first token', timeouts.firstTokenMs);
  if (options.stream) watch.arm('connect', timeouts.connectMs);
  const { fetch } = options;
  if (watch.signal.aborted) throw watch.signal.reason;
  const response = await watch.guard(
    fetch(options.url, {
      method: 'POST',
      headers: options.headers,
      body: options.body,
      signal: watch.signal,
      redirect: 'manual',
    }),
  );
  watch.disarm('connect');
  const reader: ReadableStreamDefaultReader<Uint8Array> | undefined = response.body?.getReader();
  let open = reader !== undefined;
  let tokens = false;

  async function read(): Promise<Uint8Array | undefined> {
    if (!open || reader === undefined) return undefined;
    if (tokens) watch.arm('idle', timeouts.idleMs);
    const next = await watch.guard(reader.read());
    if (next.done) open = false;
    return next.value;
  }
  const exchange: Exchange = {
    contentType: response.headers.get('content-type') ?? '',
    async read() {
      try {
        return await read();
      } catch (error) {
        if (watch.signal.aborted) throw error;
        throw networkError(error, 'The connection broke in mid-answer');
      }
    },
    firstToken() {
      if (tokens) return;
      tokens = true;
      watch.disarm('first token');
    },
    async finish(graceMs) {
      watch.disarm('first token');
      watch.arm('idle', graceMs);
      tokens = false;
      try {
        while ((await read()) !== undefined);
      } catch {
        // The answer is whole; that the connection cannot be used again is no error.
      }
      exchange.close();
    },
    close() {
      watch.close();
      if (open) reader?.cancel().catch(() => undefined);
      open = false;
    },
  };
  if (response.ok) return exchange;
  try {
    throw statusError(response, await readStart(exchange), options.messages, Date.now());
  } finally {
    exchange.close();
  }
}

async function readStart(exchange: Exchange): Promise<string> {
  const decoder = new TextDecoder();
  let text = '';
  try {
    for (let bytes = await exchange.read(); bytes !== undefined; bytes = await exchange.read()) {
      text += decoder.decode(bytes.subarray(0, errorBodyBytes), { stream: true });
      if (text.length >= errorBodyBytes) break;
    }
  } catch {
    // The status says enough when the body breaks off.
  }
  return text;
}

async function pause(waitMs: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  const watch = createWatch(signals);
  let clock: ReturnType<typeof setTimeout> | undefined;
  try {
    await watch.guard(
      new Promise<void>((resolve) => {
        clock = setTimeout(resolve, waitMs);
      }),
    );
  } finally {
    clearTimeout(clock);
    watch.close();
  }
}

/** The whole body as text. Throws `stream-malformed` over `maxBytes` or for bytes that are no UTF-8. */
export async function readText(exchange: Exchange, maxBytes: number): Promise<string> {
  const decoder = createUtf8Decoder('answer');
  let text = '';
  let bytes = 0;
  for (let piece = await exchange.read(); piece !== undefined; piece = await exchange.read()) {
    bytes += piece.length;
    if (bytes > maxBytes) {
      throw new MimoError('stream-malformed', `The answer exceeds ${maxBytes} bytes.`, {
        hint: 'Send a smaller maxTokens, or raise limits.answerChars.',
        maxBytes,
      });
    }
    text += decoder.decode(piece);
  }
  return text + decoder.decode();
}
