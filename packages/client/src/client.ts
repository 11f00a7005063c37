// createClient: a ChatModel over HTTP. Puts request, exchange, SSE and accumulation together; each is a file of its own.
import {
  type AssistantMessage,
  type ChatModel,
  type ChatRequest,
  isMimoError,
  MimoError,
  type StreamEvent,
  writeJson,
} from '@mimokit/protocol';
import { chatCompletionChunkSchema, chatCompletionSchema } from '@mimokit/protocol/wire';
import { type Accumulator, createAccumulator, type FinishEvent } from './accumulate.ts';
import { createEventStream } from './event-stream.ts';
import {
  type Exchange,
  type ExchangeOptions,
  openExchange,
  readText,
  type RetryNotice,
  type Timeouts,
} from './exchange.ts';
import { streamError } from './http-error.ts';
import { type Preset, type PresetName, presets } from './presets.ts';
import { buildRequest } from './request.ts';
import { defaultRetry, type RetryPolicy } from './retry.ts';
import { createSseDecoder } from './sse.ts';

export interface ClientLimits {
  /** Characters of one stream event. Default 16 Mi. */
  eventChars: number;
  /** Characters of one answer. Default 64 Mi. */
  answerChars: number;
}

export interface ClientOptions {
  /** The model's name as the server knows it. */
  model: string;
  /** Everything before `/chat/completions`; may be left out when the preset has one. */
  baseURL?: string;
  /** Default: `mimo` for Xiaomi's hosts and without a baseURL, else `mimokit`. */
  preset?: PresetName | Preset;
  apiKey?: string;
  /** Further request headers; they win over the client's own. */
  headers?: Readonly<Record<string, string>>;
  /** Further fields of every request body; they win over the client's own. */
  extraBody?: Readonly<Record<string, unknown>>;
  /** False: answers come in one piece, the events all at once. Default true. */
  stream?: boolean;
  timeouts?: Partial<Timeouts>;
  retry?: Partial<RetryPolicy>;
  onRetry?: (notice: RetryNotice) => void;
  limits?: Partial<ClientLimits>;
  /** Default: the global fetch. */
  fetch?: typeof globalThis.fetch;
}

const defaultLimits: ClientLimits = { eventChars: 16 * 2 ** 20, answerChars: 64 * 2 ** 20 };
/** After [DONE] most servers close at once; one that does not is not waited for. */
const finishGraceMs = 250;

/**
 * A chat model behind an OpenAI-compatible server. Reasoning arrives by either wire name and goes back byte for byte.
 * A stream throws MimoError: `http-status`, `reasoning-missing`, `http-network`, `http-timeout`, `stream-malformed`; in
 * mid-answer with `details.partial`. An aborted `signal` ends the events with `finish` of reason `aborted` and what there
 * was, and rejects `message()`.
 */
export function createClient(options: ClientOptions): ChatModel {
  const preset = choosePreset(options);
  const url = completionsUrl(options.baseURL ?? preset.baseURL);
  const stream = options.stream ?? true;
  const limits = { ...defaultLimits, ...options.limits };
  const exchangeOptions = {
    url,
    headers: buildHeaders(options, preset, stream),
    stream,
    fetch: options.fetch ?? globalThis.fetch,
    timeouts: { connectMs: preset.connectMs, firstTokenMs: 600_000, idleMs: 120_000, ...options.timeouts },
    retry: { ...defaultRetry, ...options.retry },
    onRetry: options.onRetry,
  };

  async function* run(
    request: ChatRequest,
    left: AbortSignal,
    settle: (finish: FinishEvent) => void,
  ): AsyncGenerator<StreamEvent, void> {
    const context = {
      preset,
      model: options.model,
      stream,
      ...(options.extraBody ? { extraBody: options.extraBody } : {}),
    };
    const body = writeJson(buildRequest(request, context));
    const accumulator = createAccumulator({ maxChars: limits.answerChars });
    const exchangeFor: ExchangeOptions = {
      ...exchangeOptions,
      body,
      messages: request.messages,
      signals: [request.signal, left],
    };
    let exchange: Exchange | undefined;
    try {
      exchange = await openExchange(exchangeFor);
      for await (const event of readAnswer(exchange, accumulator, limits, stream)) {
        if (event.type === 'finish') settle(event);
        yield event;
      }
      await exchange.finish(finishGraceMs);
    } catch (error) {
      if (!request.signal?.aborted && !left.aborted) throw withPartial(error, accumulator);
      const finish = accumulator.abort();
      settle(finish);
      yield finish;
    } finally {
      exchange?.close();
    }
  }

  return {
    modelId: options.model,
    chat(request) {
      const events = createEventStream<StreamEvent, FinishEvent>((left, settle) => run(request, left, settle));
      return {
        [Symbol.asyncIterator]: () => events[Symbol.asyncIterator](),
        message: async () => messageOf(await events.result()),
      };
    },
  };
}

function messageOf(finish: FinishEvent): AssistantMessage {
  if (finish.reason !== 'aborted') return finish.message;
  throw new MimoError('aborted', 'The request was aborted.', {
    hint: 'details.partial holds what had arrived.',
    partial: finish.message,
  });
}

async function* readAnswer(
  exchange: Exchange,
  accumulator: Accumulator,
  limits: ClientLimits,
  asked: boolean,
): AsyncGenerator<StreamEvent, void> {
  const { contentType } = exchange;
  // Some gateways answer in one piece although a stream was asked for; the header says which it is.
  if (contentType.includes('application/json') || (!asked && !contentType.includes('text/event-stream'))) {
    const answer = checked(chatCompletionSchema, parse(await readText(exchange, limits.answerChars)), 'The answer');
    yield* accumulator.pushWhole(answer);
    yield* accumulator.end(true);
    return;
  }
  const decoder = createSseDecoder({ maxChars: limits.eventChars });
  let count = 0;
  let done = false;
  while (!done) {
    const bytes = await exchange.read();
    for (const event of bytes === undefined ? decoder.end() : decoder.push(bytes)) {
      if (event.data === '[DONE]') {
        done = true;
        break;
      }
      // Events with a name of their own (ping, progress) carry no chunk, but an error does.
      if (event.event !== undefined && event.event !== 'message' && event.event !== 'error') continue;
      count++;
      exchange.firstToken();
      yield* accumulator.push(checked(chatCompletionChunkSchema, parse(event.data), `Stream event ${count}`));
    }
    if (bytes === undefined) break;
  }
  if (count === 0 && !done) {
    throw new MimoError(
      'stream-malformed',
      `The answer is no event stream (content-type ${contentType || 'missing'}).`,
      {
        hint: 'Check that baseURL ends where /chat/completions begins, usually with /v1.',
        contentType,
      },
    );
  }
  yield* accumulator.end(done);
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new MimoError('stream-malformed', `The server sent broken JSON: ${text.slice(0, 80)}`, {
      hint: 'The server or a proxy cut the answer; send the request again.',
      cause,
    });
  }
}

function checked<T>(schema: { safeParse(value: unknown): SafeParsed<T> }, value: unknown, where: string): T {
  const failure = streamError(value);
  if (failure) throw failure;
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new MimoError(
    'stream-malformed',
    `${where}: ${issue!.path.map(String).join('.') || 'value'}: ${issue!.message}.`,
    {
      hint: 'This is no chat completion; check baseURL and the server.',
      path: issue!.path.map(String),
    },
  );
}

type SafeParsed<T> =
  | { success: true; data: T }
  | { success: false; error: { issues: readonly { path: readonly PropertyKey[]; message: string }[] } };

function withPartial(error: unknown, accumulator: Accumulator): unknown {
  if (!isMimoError(error) || 'partial' in error.details) return error;
  const partial = accumulator.partial();
  if (partial.content === '' && partial.reasoning === undefined) return error;
  const { code, message, hint, cause, details } = error;
  return new MimoError(code, message, {
    ...details,
    partial,
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}

function choosePreset(options: ClientOptions): Preset {
  if (typeof options.preset === 'object') return options.preset;
  if (options.preset !== undefined) return presets[options.preset];
  if (options.baseURL === undefined) return presets.mimo;
  const host = URL.parse(options.baseURL)?.hostname ?? '';
  return host === 'xiaomimimo.com' || host.endsWith('.xiaomimimo.com') ? presets.mimo : presets.mimokit;
}

function completionsUrl(baseURL: string | undefined): string {
  const parsed = baseURL === undefined ? null : URL.parse(baseURL);
  if (parsed === null || (parsed.protocol !== 'http:' && parsed.protocol !== 'https:')) {
    throw new MimoError(
      'invalid-argument',
      `baseURL is ${baseURL ?? 'missing'}; it must be an http or https address.`,
      {
        hint: "For example 'http://127.0.0.1:30000/v1'.",
        field: 'baseURL',
      },
    );
  }
  let path = parsed.pathname;
  while (path.endsWith('/')) path = path.slice(0, -1);
  parsed.pathname = `${path}/chat/completions`;
  return parsed.href;
}

function buildHeaders(options: ClientOptions, preset: Preset, stream: boolean): Record<string, string> {
  const headers: Record<string, string> = {
    'content-type': 'application/json',
    accept: stream ? 'text/event-stream, application/json' : 'application/json',
  };
  if (options.apiKey !== undefined) {
    if (preset.auth === 'api-key') headers['api-key'] = options.apiKey;
    else headers['authorization'] = `Bearer ${options.apiKey}`;
  }
  for (const [name, value] of Object.entries(options.headers ?? {})) headers[name.toLowerCase()] = value;
  return headers;
}
