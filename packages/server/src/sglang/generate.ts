// POST /generate in SGLang's shape: text or ids in; text, ids, log-probabilities and chosen experts out.
import type { FinishReason, GenerateRequest, TokenLogprob, Usage } from '@mimokit/protocol';
import { z } from 'zod';
import { checkedBody, type JsonBody } from '../body.ts';
import { refuseConstraints } from '../constraints.ts';
import type { Exchange } from '../exchange.ts';
import type { FindModel } from '../find-model.ts';
import { badField, failureBody } from '../http-error.ts';
import { choicesOf, maxTokensOf, samplingOf } from '../openai/chat-in.ts';
import { ProgressClock, wantsProgress } from '../progress.ts';
import { tokenModel } from '../token-model.ts';
import { checkedStops, startRuns, type TokenRun, type TokenRunEvent } from '../token-runs.ts';
import { encodeRoutes, type RoutesShape } from './routed-experts.ts';

const finite = z.number().nullish();
const schema = z.looseObject({
  model: z.string().nullish(),
  text: z.string().nullish(),
  input_ids: z.array(z.number().int().nonnegative()).nullish(),
  sampling_params: z
    .looseObject({
      max_new_tokens: z.number().int().nonnegative().nullish(),
      temperature: finite,
      top_p: finite,
      top_k: finite,
      min_p: finite,
      repetition_penalty: finite,
      frequency_penalty: finite,
      presence_penalty: finite,
      stop: z.union([z.string(), z.array(z.string())]).nullish(),
      stop_token_ids: z.array(z.number().int().nonnegative()).nullish(),
      ignore_eos: z.boolean().nullish(),
      sampling_seed: z.number().int().nullish(),
      n: z.number().nullish(),
    })
    .nullish(),
  return_logprob: z.boolean().nullish(),
  top_logprobs_num: z.number().int().min(0).max(20).nullish(),
  return_routed_experts: z.boolean().nullish(),
  return_progress: z.boolean().nullish(),
  stream: z.boolean().nullish(),
});

/** What is taken, for the OpenAPI document. */
export const generateSchema: z.ZodType = schema;

/** SGLang's own default. */
const defaultTokens = 128;

export async function answerGenerate(
  exchange: Exchange,
  { plain }: JsonBody,
  options: { findModel: FindModel; firstModel: string },
): Promise<Response> {
  const body = checkedBody(schema, plain);
  refuseConstraints(body.sampling_params ?? {}, 'sampling_params.');
  const { limits, defaults } = exchange.shared;
  const model = tokenModel(options.findModel(body.model ?? options.firstModel));
  if ((typeof body.text === 'string') === Array.isArray(body.input_ids))
    throw badField('text', 'or input_ids must be there, not both');
  const ids = typeof body.text === 'string' ? model.tokenize(body.text) : Int32Array.from(body.input_ids ?? []);
  const params = body.sampling_params ?? {};
  const stop = checkedStops(
    typeof params.stop === 'string' ? [params.stop] : (params.stop ?? []),
    'sampling_params.stop',
  );
  const rivals = body.return_logprob === true ? (body.top_logprobs_num ?? 0) : undefined;
  const base: GenerateRequest = {
    ids,
    maxTokens:
      maxTokensOf(params.max_new_tokens ?? defaultTokens, limits, 'sampling_params.max_new_tokens') ?? defaultTokens,
    sampling: { ...defaults.sampling, ...samplingOf(params) },
    ...(params.ignore_eos === true ? { ignoreEos: true } : {}),
    ...(params.stop_token_ids && params.stop_token_ids.length > 0 ? { stopIds: params.stop_token_ids } : {}),
    ...(rivals === undefined ? {} : { topLogprobs: Math.max(1, rivals) }),
    ...(body.return_routed_experts === true ? { wantRoutes: true } : {}),
    ...(wantsProgress(body) && body.stream === true ? { wantProgress: true } : {}),
  };
  const n = choicesOf(params.n, limits);
  const runs = Array.from({ length: n }, (_, index): TokenRun => {
    const seed = typeof params.sampling_seed === 'number' ? { seed: params.sampling_seed + index } : {};
    return { index, stop, request: { ...base, ...seed } };
  });
  const shape = shapeOf(model);
  if (body.return_routed_experts === true && shape === undefined) {
    throw badField('return_routed_experts', 'needs a model that says how many layers it has');
  }
  const { events, close } = await startRuns(exchange, model, runs);
  const states = runs.map(({ index }) => new RunState(`${exchange.requestId}-${index}`, rivals));
  const detokenize = (list: readonly number[]): string => model.detokenize(list);
  if (body.stream !== true) {
    for await (const event of events) states[event.index].take(event);
    const results = states.map((state) => state.result(detokenize, shape));
    return exchange.json(n === 1 ? results[0] : results);
  }
  return exchange.streamFrames(
    streamed(events, states, (state) => state.result(detokenize, shape)),
    close,
    (failure) => `data: ${JSON.stringify(failureBody(failure, 'openai', exchange.requestId))}\n\n`,
  );
}

function shapeOf(model: object): RoutesShape | undefined {
  const { info } = model as { info?: Partial<RoutesShape> };
  if (info?.layers === undefined || info.moeLayers === undefined || info.topK === undefined) return undefined;
  return { layers: info.layers, moeLayers: info.moeLayers, topK: info.topK };
}

/**
 * SGLang streams what there is so far, each time as a whole. A frame goes out when an eighth has been added, so that all frames
 * together are linear in the answer.
 */
async function* streamed(
  events: AsyncIterable<TokenRunEvent>,
  states: readonly RunState[],
  result: (state: RunState) => unknown,
): AsyncGenerator<string, void> {
  const clock = new ProgressClock();
  for await (const event of events) {
    if (event.type === 'progress') {
      yield clock.comment(event.progress);
      continue;
    }
    const state = states[event.index];
    state.take(event);
    if (state.isWorthSending()) yield `data: ${JSON.stringify(result(state))}\n\n`;
  }
  yield 'data: [DONE]\n\n';
}

/** One answer as far as it has come. */
class RunState {
  readonly #id: string;
  readonly #rivals: number | undefined;
  readonly #ids: number[] = [];
  readonly #logprobs: TokenLogprob[] = [];
  readonly #routes: (Uint8Array | Uint16Array)[] = [];
  #text = '';
  #sent = 0;
  #end: { reason: FinishReason; matched: string | undefined; usage: Usage } | undefined;

  constructor(id: string, rivals: number | undefined) {
    this.#id = id;
    this.#rivals = rivals;
  }

  take(event: TokenRunEvent): void {
    if (event.type === 'finish') {
      this.#end = event;
      return;
    }
    if (event.type === 'progress') return;
    this.#text += event.text;
    this.#ids.push(...event.ids);
    this.#logprobs.push(...event.logprobs);
    if (event.routes !== undefined) this.#routes.push(event.routes);
  }

  /** True at the end, and when enough has come since it last was. */
  isWorthSending(): boolean {
    if (this.#end === undefined && this.#ids.length < this.#sent * 1.125 + 1) return false;
    this.#sent = this.#ids.length;
    return true;
  }

  result(detokenize: (ids: readonly number[]) => string, shape: RoutesShape | undefined): Record<string, unknown> {
    const end = this.#end;
    const meta: Record<string, unknown> = {
      id: this.#id,
      finish_reason: end === undefined ? null : finishReason(end.reason, end.matched, this.#ids),
      prompt_tokens: end?.usage.promptTokens ?? null,
      completion_tokens: this.#ids.length,
      cached_tokens: end?.usage.cachedTokens ?? null,
    };
    if (end?.usage.acceptLengths !== undefined) meta['spec_accept_length'] = mean(end.usage.acceptLengths);
    if (this.#rivals !== undefined) {
      meta['output_token_logprobs'] = this.#logprobs.map(({ id, logprob }) => [logprob, id, detokenize([id])]);
      meta['output_top_logprobs'] = this.#logprobs.map(({ rivals }) =>
        rivals.slice(0, this.#rivals).map(({ id, logprob }) => [logprob, id, detokenize([id])]),
      );
    }
    if (end !== undefined && this.#routes.length > 0 && shape !== undefined) {
      meta['routed_experts'] = encodeRoutes(this.#routes, shape);
    }
    return { text: this.#text, output_ids: this.#ids, meta_info: meta };
  }
}

function finishReason(
  reason: FinishReason,
  matched: string | undefined,
  ids: readonly number[],
): Record<string, unknown> {
  if (reason === 'length') return { type: 'length', length: ids.length };
  return { type: 'stop', matched: matched ?? ids.at(-1) ?? null };
}

function mean(lengths: readonly number[]): number {
  return lengths.length === 0 ? 1 : lengths.reduce((total, length) => total + length, 0) / lengths.length;
}
