// createHandler: models → one fetch handler. Routes and what every request goes through; each API is a folder of its own.
import { type ChatModel, MimoError } from '@mimokit/protocol';
import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import type { ToolDeltas } from './answers.ts';
import { AnswerStore } from './answer-store.ts';
import { answerMessages, countMessageTokens } from './anthropic/messages.ts';
import { createAuthenticator } from './auth.ts';
import { type JsonBody, readJsonBody } from './body.ts';
import { type ChatDefaults, Exchange, failureResponse, type Shared } from './exchange.ts';
import { modelsByName } from './find-model.ts';
import type { Api } from './http-error.ts';
import { defaultLimits, Gate, type Limits } from './limits.ts';
import { createMetrics } from './metrics.ts';
import { answerCompletions } from './openai/completions.ts';
import { answerChat } from './openai/chat.ts';
import type { ReasoningField } from './openai/chat-out.ts';
import { anthropicModel, anthropicModels, openaiModel } from './openai/models.ts';
import { answerResponses, keptResponse } from './openai/responses.ts';
import { answerGenerate } from './sglang/generate.ts';
import { answerApplyTemplate, answerDetokenize, answerTokenize } from './tokens.ts';
import { openApiDocument } from './openapi.ts';
import { ReasoningRecall, type RecallMode } from './reasoning-recall.ts';

export interface HandlerOptions {
  models: readonly ChatModel[];
  /** Without keys everyone may ask. Each key is a tenant: caches and kept answers are never shared between two. */
  apiKeys?: readonly string[];
  limits?: Partial<Limits>;
  /** For requests that do not say; otherwise the model's own defaults (greedy). */
  defaults?: ChatDefaults;
  /** What to do when a client drops the reasoning of a past turn with calls. Default `restore`. */
  reasoningRecall?: RecallMode;
  /** Bytes kept for that, for each key. Default 64 MiB. */
  recallBytes?: number;
  /** Bytes of conversations kept for Anthropic's threads and OpenAI's previous responses, for each key. Default 64 MiB. */
  answerBytes?: number;
  /** The names that reasoning goes by in chat completions. Default `reasoning_content`. */
  reasoningField?: ReasoningField;
  /** How streamed calls are told. Default `live`. */
  toolDeltas?: ToolDeltas;
  /** Where the routes begin, for example `/api/mimo`; default the root. */
  basePath?: string;
  /** Origins that browsers may ask from. Default none. */
  corsOrigins?: readonly string[];
  /** Also asked by /ready: whether the models can answer now. Default: always. */
  isReady?: () => boolean;
  /** Puts figures of this process (memory, event loop, garbage collection) into /metrics. Default false. */
  processMetrics?: boolean;
  /** Told of faults of the server and of the engine, never of prompts. Default: nobody. */
  onError?: (error: unknown, requestId: string) => void;
  /** Told of every answered request. */
  onRequest?: (record: RequestRecord) => void;
}

/** One request as a log shows it: no prompt, no answer. */
export interface RequestRecord {
  requestId: string;
  method: string;
  route: string;
  status: number;
  /** Until the headers; a stream goes on. */
  milliseconds: number;
}

/** A fetch handler, and what its owner needs to end it. */
export interface Handler {
  (request: Request): Promise<Response>;
  /** Answers that run now, and requests that wait. */
  readonly load: { running: number; waiting: number };
  /** Takes nothing new and resolves when nothing runs. */
  drain(): Promise<void>;
}

/** Serves the models. Throws `invalid-argument` for options that cannot be. */
export function createHandler(options: HandlerOptions): Handler {
  const { models, onError = () => {}, onRequest, reasoningField = 'reasoning_content' } = options;
  const findModel = modelsByName(models);
  const limits: Limits = { ...defaultLimits, ...options.limits };
  const gate = new Gate(limits);
  const metrics = createMetrics(models, gate, options.processMetrics ?? false);
  const { tenantOf } = createAuthenticator(options.apiKeys);
  const recall = new ReasoningRecall({
    mode: options.reasoningRecall ?? 'restore',
    bytes: options.recallBytes ?? 64 * 2 ** 20,
  });
  const answers = new AnswerStore(options.answerBytes ?? 64 * 2 ** 20);
  const shared: Shared = {
    limits,
    gate,
    recall,
    metrics,
    defaults: options.defaults ?? {},
    toolDeltas: options.toolDeltas ?? 'live',
    onError,
  };
  const created = Math.floor(Date.now() / 1000);
  let isDraining = false;

  type Answer = (exchange: Exchange, body: JsonBody) => Promise<Response>;
  /** A POST that is answered by a model. */
  const post = (path: string, api: Api, answer: Answer): void => {
    app.post(path, async (c) => {
      c.set('route', path);
      const requestId = c.get('requestId');
      let exchange: Exchange | undefined;
      try {
        const tenant = await tenantOf(c.req.raw.headers);
        if (isDraining) throw draining();
        const body = await readJsonBody(c.req.raw, limits);
        exchange = new Exchange({ api, requestId, tenant, request: c.req.raw, shared });
        const response = await answer(exchange, body);
        if (!isStream(response)) exchange.end();
        return response;
      } catch (error) {
        exchange?.end();
        return failureResponse(error, api, requestId, onError);
      }
    });
  };
  /** A GET behind the key. */
  const get = (path: string, answer: (c: Context<Env>, tenant: string) => Response | Promise<Response>): void => {
    app.get(path, async (c) => {
      c.set('route', path);
      const api = apiOf(c.req.raw);
      try {
        return await answer(c, await tenantOf(c.req.raw.headers));
      } catch (error) {
        return failureResponse(error, api, c.get('requestId'), onError);
      }
    });
  };

  const app = new Hono<Env>().basePath(options.basePath ?? '/');
  app.use(async (c, next) => {
    const started = performance.now();
    const requestId = `req_${crypto.randomUUID().replaceAll('-', '')}`;
    c.set('requestId', requestId);
    await next();
    const milliseconds = performance.now() - started;
    // The pattern, never the path: paths are without number.
    const route = c.get('route') ?? 'other';
    metrics.request(route, c.res.status, milliseconds / 1000);
    onRequest?.({ requestId, method: c.req.method, route, status: c.res.status, milliseconds });
  });
  if (options.corsOrigins && options.corsOrigins.length > 0) app.use(cors({ origin: [...options.corsOrigins] }));

  app.get('/health', () => Response.json({ status: 'ok' }));
  app.get('/ready', () => {
    const ready = !isDraining && (options.isReady?.() ?? true);
    return Response.json({ ready }, { status: ready ? 200 : 503 });
  });
  get('/metrics', async () => new Response(await metrics.text(), { headers: { 'content-type': metrics.contentType } }));
  get('/openapi.json', () =>
    Response.json(
      openApiDocument(
        options.basePath ?? '/',
        models.map(({ modelId }) => modelId),
      ),
    ),
  );
  get('/v1/models', (c) =>
    apiOf(c.req.raw) === 'anthropic'
      ? Response.json(anthropicModels(models, created))
      : Response.json({ object: 'list', data: models.map((model) => openaiModel(model, created)) }),
  );
  get('/v1/models/:id{.+}', (c) => {
    const model = findModel(c.req.param('id') ?? '');
    return Response.json(
      apiOf(c.req.raw) === 'anthropic' ? anthropicModel(model, created) : openaiModel(model, created),
    );
  });
  post('/v1/chat/completions', 'openai', (exchange, body) => answerChat(exchange, body, { findModel, reasoningField }));
  const parts = { findModel, firstModel: models[0].modelId };
  post('/v1/completions', 'openai', (exchange, body) => answerCompletions(exchange, body, findModel));
  post('/generate', 'openai', (exchange, body) => answerGenerate(exchange, body, parts));
  for (const prefix of ['', '/v1']) {
    post(`${prefix}/tokenize`, 'openai', (exchange, body) => answerTokenize(exchange, body, parts));
    post(`${prefix}/detokenize`, 'openai', (exchange, body) => answerDetokenize(exchange, body, parts));
    post(`${prefix}/apply-template`, 'openai', (exchange, body) => answerApplyTemplate(exchange, body, parts));
  }
  post('/v1/responses', 'openai', (exchange, body) => answerResponses(exchange, body, { findModel, answers }));
  get('/v1/responses/:id', (c, tenant) => Response.json(keptResponse(answers, tenant, c.req.param('id') ?? '')));
  app.delete('/v1/responses/:id', async (c) => {
    c.set('route', '/v1/responses/:id');
    try {
      const tenant = await tenantOf(c.req.raw.headers);
      const id = c.req.param('id');
      keptResponse(answers, tenant, id);
      return Response.json({ id, object: 'response', deleted: answers.drop(tenant, id) });
    } catch (error) {
      return failureResponse(error, 'openai', c.get('requestId'), onError);
    }
  });
  post('/v1/messages', 'anthropic', (exchange, body) => answerMessages(exchange, body, { findModel, answers }));
  post('/v1/messages/count_tokens', 'anthropic', (exchange, body) =>
    countMessageTokens(exchange, body, { findModel, answers }),
  );

  // Last, so that the methods a path has come before.
  const base = (options.basePath ?? '').replace(/\/$/, '');
  const methodsOf = new Map<string, string[]>();
  for (const { method, path } of app.routes) {
    const known = methodsOf.get(path) ?? [];
    if (method !== 'ALL') methodsOf.set(path, [...known, method]);
  }
  for (const [whole, methods] of methodsOf) {
    const path = whole.slice(base.length);
    const allow = methods.join(', ');
    app.all(path, (c) => {
      c.set('route', path);
      const error = new MimoError('method-not-allowed', `${c.req.path.slice(0, 200)} takes ${allow}.`, { allow });
      return failureResponse(error, apiOf(c.req.raw), c.get('requestId'), onError);
    });
  }
  app.notFound((c) => {
    const error = new MimoError('not-found', `There is no ${c.req.method} ${c.req.path.slice(0, 200)} here.`, {
      hint: 'POST /v1/chat/completions, /v1/responses, /v1/messages; GET /v1/models.',
    });
    return failureResponse(error, apiOf(c.req.raw), c.get('requestId'), onError);
  });
  app.onError((error, c) => failureResponse(error, apiOf(c.req.raw), c.get('requestId') ?? 'req_0', onError));

  const handle = async (request: Request): Promise<Response> => app.fetch(request);
  return Object.defineProperties(handle, {
    load: { get: () => ({ running: gate.running, waiting: gate.waiting }) },
    drain: {
      value: async () => {
        isDraining = true;
        await gate.empty();
      },
    },
  }) as Handler;
}

interface Env {
  Variables: { requestId: string; route: string | undefined };
}

function isStream(response: Response): boolean {
  return response.headers.get('content-type')?.startsWith('text/event-stream') ?? false;
}

/** Whose words an error is said in, where the path does not tell. */
function apiOf(request: Request): Api {
  return request.headers.has('anthropic-version') ? 'anthropic' : 'openai';
}

function draining(): MimoError {
  return new MimoError('server-draining', 'The server is shutting down.', {
    hint: 'Send the request to another one, or again later.',
    retryAfterSeconds: 5,
  });
}
