// One request being answered: who asks, what it may take, the answers while they come, and their end. The same for every API;
// what is said on the wire is chat-out.ts and its like.
import type { AssistantMessage, ChatModel, ChatRequest } from '@mimokit/protocol';
import { MimoError } from '@mimokit/protocol';
import { type AnswerEvent, answers, type ToolDeltas } from './answers.ts';
import { type Api, type Failure, failureBody, failureOf } from './http-error.ts';
import type { Gate, Limits, Release } from './limits.ts';
import type { AnswerMeter, Metrics } from './metrics.ts';
import type { ReasoningRecall } from './reasoning-recall.ts';
import { sseResponse } from './sse-out.ts';
import { withTelemetry } from './telemetry.ts';

/** What an answer takes from the handler. */
export interface Shared {
  limits: Limits;
  gate: Gate;
  recall: ReasoningRecall;
  metrics: Metrics;
  defaults: ChatDefaults;
  toolDeltas: ToolDeltas;
  /** Told of faults that are not the request's. */
  onError: (error: unknown, requestId: string) => void;
}

/** For requests that do not say. */
export type ChatDefaults = Pick<ChatRequest, 'thinking' | 'maxTokens' | 'sampling'>;

/** Headers wait for the first event, so that a request that cannot run is refused with a status; but not longer than this. */
const primeMs = 1000;

export class Exchange {
  readonly api: Api;
  readonly requestId: string;
  readonly tenant: string;
  readonly shared: Shared;
  readonly #work = new AbortController();
  readonly #request: Request;
  readonly #onAbort = (): void => this.#work.abort();

  constructor(parts: { api: Api; requestId: string; tenant: string; request: Request; shared: Shared }) {
    this.api = parts.api;
    this.requestId = parts.requestId;
    this.tenant = parts.tenant;
    this.shared = parts.shared;
    this.#request = parts.request;
    if (parts.request.signal.aborted) this.#work.abort();
    parts.request.signal.addEventListener('abort', this.#onAbort, { once: true });
  }

  /** Fires when the client leaves or the answer is over. */
  get signal(): AbortSignal {
    return this.#work.signal;
  }

  /** Ends whatever still runs for this request. */
  end(): void {
    this.#request.signal.removeEventListener('abort', this.#onAbort);
    this.#work.abort();
  }

  /** The request as the model gets it: defaults, tenant, and reasoning that the client dropped. */
  prepare(chat: ChatRequest): ChatRequest {
    const { recall, defaults, metrics } = this.shared;
    const filled: ChatRequest = { ...defaults, ...chat };
    if (defaults.sampling && chat.sampling) filled.sampling = { ...defaults.sampling, ...chat.sampling };
    if (this.tenant !== '') filled.namespace = this.tenant;
    const { messages, restored } = recall.repair(this.tenant, filled.messages, filled.thinking ?? false);
    metrics.restored(restored);
    return { ...filled, messages };
  }

  /** Waits for a place and starts the answers. What cannot run at all is thrown here. */
  async start(model: ChatModel, chat: ChatRequest, choices: number): Promise<Answering> {
    const release = await this.shared.gate.enter(choices, this.signal);
    const meter = this.meter('chat', model);
    const source = answers({ model, chat, choices, toolDeltas: this.shared.toolDeltas, signal: this.signal });
    return Answering.open({ source, release, meter, exchange: this });
  }

  /** Measures one request's answers. */
  meter(operation: string, { modelId: model }: ChatModel): AnswerMeter {
    const { headers } = this.#request;
    return withTelemetry(this.shared.metrics.answer(model), { operation, model, headers });
  }

  /** Keeps what a later request may have lost. */
  remember(message: AssistantMessage): void {
    this.shared.recall.remember(this.tenant, message);
  }

  json(body: unknown, status: number = 200): Response {
    return Response.json(body, { status, headers: requestIdHeaders(this.requestId) });
  }

  /** `frames` reads `answering`, which ends with the stream however it ends. */
  stream(frames: AsyncIterator<string>, answering: Answering, failureFrame: (failure: Failure) => string): Response {
    return this.streamFrames(frames, () => answering.close(), failureFrame);
  }

  /** `close` is called when the stream is over, however it ends. */
  streamFrames(frames: AsyncIterator<string>, close: () => void, failureFrame: (failure: Failure) => string): Response {
    const { keepAliveMs, slowReaderMs } = this.shared.limits;
    return sseResponse(frames, {
      keepAliveMs,
      slowReaderMs,
      headers: requestIdHeaders(this.requestId),
      onClose: close,
      failureFrame: (error) => {
        const failure = failureOf(error);
        if (failure.status >= 500) this.shared.onError(error, this.requestId);
        return failureFrame(failure);
      },
    });
  }

  /** The answer to a failed request. */
  failed(error: unknown): Response {
    return failureResponse(error, this.api, this.requestId, this.shared.onError);
  }
}

/** A failure as a response, with what a client needs to try again. */
export function failureResponse(error: unknown, api: Api, requestId: string, onError: Shared['onError']): Response {
  const failure = failureOf(error);
  if (failure.status >= 500) onError(error, requestId);
  const headers: Record<string, string> = requestIdHeaders(requestId);
  if (failure.retryAfterSeconds !== undefined) headers['retry-after'] = String(failure.retryAfterSeconds);
  if (failure.status === 401) headers['www-authenticate'] = 'Bearer';
  if (failure.allow !== undefined) headers['allow'] = failure.allow;
  // 499 is no status a server may send; nobody is there to read it.
  const status = failure.status === 499 ? 400 : failure.status;
  return Response.json(failureBody(failure, api, requestId), { status, headers });
}

/** OpenAI's SDK reads the one, Anthropic's the other. */
function requestIdHeaders(requestId: string): Record<string, string> {
  return { 'x-request-id': requestId, 'request-id': requestId };
}

interface AnsweringParts {
  source: AsyncGenerator<AnswerEvent, void>;
  release: Release;
  meter: AnswerMeter;
  exchange: Exchange;
}

/** The events of a request's answers; measured, and closed in one place. */
export class Answering implements AsyncIterableIterator<AnswerEvent> {
  readonly #parts: AnsweringParts;
  #first: Promise<IteratorResult<AnswerEvent, void>> | undefined;
  #isClosed = false;

  private constructor(parts: AnsweringParts) {
    this.#parts = parts;
    this.#first = parts.source.next();
    this.#first.catch(() => {});
  }

  /** Waits a little for the first event; throws what it throws. */
  static async open(parts: AnsweringParts): Promise<Answering> {
    const answering = new Answering(parts);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, primeMs);
    });
    try {
      await Promise.race([answering.#first, late]);
      return answering;
    } catch (error) {
      answering.close(error);
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<AnswerEvent, undefined>> {
    const pending = this.#first ?? this.#parts.source.next();
    this.#first = undefined;
    try {
      const next = await pending;
      if (next.done === true) {
        this.close();
        return { done: true, value: undefined };
      }
      const { event } = next.value;
      // Nobody asked for less: an answer that was cut from outside is an error, never a short answer.
      if (event.type === 'finish' && (event.reason === 'aborted' || event.reason === 'error')) {
        throw new MimoError('aborted', 'The answer was ended before it was complete.', {
          hint: 'Send the request again.',
        });
      }
      if (event.type !== 'prompt-progress') this.#parts.meter.arrived();
      if (event.type === 'finish') this.#parts.meter.finished(event.reason, event.usage);
      return { done: false, value: next.value };
    } catch (error) {
      this.close(error);
      throw error;
    }
  }

  async return(): Promise<IteratorResult<AnswerEvent, undefined>> {
    this.close();
    return { done: true, value: undefined };
  }

  /** Stops the work within one step and gives the place back when it has stopped. Safe to call twice. */
  close(error?: unknown): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const { exchange, source, release, meter } = this.#parts;
    exchange.end();
    meter.end(error);
    source.return().then(release, release);
  }
}
