// A ChatModel over one POST per answer, whatever the route: puts exchange, SSE and an answer reader together. What is sent
// and how an answer is read belongs to the route: client.ts for chat completions, raw.ts for completions.
import {
  type AssistantMessage,
  type ChatModel,
  type ChatRequest,
  isMimoError,
  MimoError,
  type StreamEvent,
  writeJson,
} from '@mimokit/protocol';
import { createAnswerStream, type FinishEvent } from './answer-stream.ts';
import { buildHeaders, choosePreset, type EndpointOptions, routeUrl } from './endpoint.ts';
import {
  type Exchange,
  type ExchangeOptions,
  openExchange,
  readText,
  type RetryNotice,
  type Timeouts,
} from './exchange.ts';
import type { Preset } from './presets.ts';
import { defaultRetry, type RetryPolicy } from './retry.ts';
import { createSseDecoder } from './sse.ts';
import { parseWire } from './wire-check.ts';

export interface ClientLimits {
  /** Characters of one stream event. Default 16 Mi. */
  eventChars: number;
  /** Characters of one answer. Default 64 Mi. */
  answerChars: number;
}

export interface HttpOptions extends EndpointOptions {
  /** The model's name as the server knows it. */
  model: string;
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

/** Reads one answer. All but `partial` may throw `stream-malformed` or `http-status`. */
export interface AnswerReader {
  /** One stream event, its JSON read; `where` names it in errors. */
  push(value: unknown, where: string): StreamEvent[];
  /** An answer in one piece. */
  pushWhole(value: unknown): StreamEvent[];
  /** The last events, `finish` included. `done`: the server said that it was over. */
  end(done: boolean): StreamEvent[];
  /** The end of an aborted answer. */
  abort(): FinishEvent;
  partial(): AssistantMessage;
}

export interface Route {
  /** After baseURL, with its slash. */
  readonly path: string;
  /** Body of one request and the reader of its answer. Throws `invalid-argument` and what a prompt may be refused with. */
  open(request: ChatRequest, context: RouteContext): { body: Record<string, unknown>; reader: AnswerReader };
}

export interface RouteContext {
  readonly preset: Preset;
  readonly stream: boolean;
  readonly limits: ClientLimits;
}

const defaultLimits: ClientLimits = { eventChars: 16 * 2 ** 20, answerChars: 64 * 2 ** 20 };
/** After [DONE] most servers close at once; one that does not is not waited for. */
const finishGraceMs = 250;

/** Throws `invalid-argument` for a baseURL that is none. */
export function createHttpModel(options: HttpOptions, route: Route): ChatModel {
  const preset = choosePreset(options);
  const url = routeUrl(options.baseURL ?? preset.baseURL, route.path);
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
    const { body, reader } = route.open(request, { preset, stream, limits });
    const exchangeFor: ExchangeOptions = {
      ...exchangeOptions,
      body: writeJson({ ...body, ...options.extraBody }),
      messages: request.messages,
      signals: [request.signal, left],
    };
    let exchange: Exchange | undefined;
    try {
      exchange = await openExchange(exchangeFor);
      for await (const event of readAnswer(exchange, reader, limits, stream)) {
        if (event.type === 'finish') settle(event);
        yield event;
      }
      await exchange.finish(finishGraceMs);
    } catch (error) {
      if (!request.signal?.aborted && !left.aborted) throw withPartial(error, reader);
      const finish = reader.abort();
      settle(finish);
      yield finish;
    } finally {
      exchange?.close();
    }
  }

  return {
    modelId: options.model,
    chat: (request) => createAnswerStream((left, settle) => run(request, left, settle)),
  };
}

async function* readAnswer(
  exchange: Exchange,
  reader: AnswerReader,
  limits: ClientLimits,
  asked: boolean,
): AsyncGenerator<StreamEvent, void> {
  const { contentType } = exchange;
  // Some gateways answer in one piece although a stream was asked for; the header says which it is.
  if (contentType.includes('application/json') || (!asked && !contentType.includes('text/event-stream'))) {
    yield* reader.pushWhole(parseWire(await readText(exchange, limits.answerChars)));
    yield* reader.end(true);
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
      yield* reader.push(parseWire(event.data), `Stream event ${count}`);
    }
    if (bytes === undefined) break;
  }
  if (count === 0 && !done) {
    throw new MimoError(
      'stream-malformed',
      `The answer is no event stream (content-type ${contentType || 'missing'}).`,
      {
        hint: 'Check that baseURL ends where the route begins, usually with /v1.',
        contentType,
      },
    );
  }
  yield* reader.end(done);
}

function withPartial(error: unknown, reader: AnswerReader): unknown {
  if (!isMimoError(error) || 'partial' in error.details) return error;
  const partial = reader.partial();
  if (partial.content === '' && partial.reasoning === undefined) return error;
  const { code, message, hint, cause, details } = error;
  return new MimoError(code, message, {
    ...details,
    partial,
    ...(hint === undefined ? {} : { hint }),
    ...(cause === undefined ? {} : { cause }),
  });
}
