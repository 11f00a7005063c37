// POST /v1/completions: a prompt as text or ids, goes on from it. For raw prompts and for log-probabilities.
import type { FinishReason, GenerateRequest, TokenLogprob, Usage } from '@mimokit/protocol';
import { z } from 'zod';
import { checkedBody, type JsonBody } from '../body.ts';
import { refuseConstraints } from '../constraints.ts';
import type { Exchange } from '../exchange.ts';
import type { FindModel } from '../find-model.ts';
import { badField, failureBody } from '../http-error.ts';
import { ProgressClock, wantsProgress } from '../progress.ts';
import { tokenModel } from '../token-model.ts';
import { checkedStops, startRuns, type TokenRun, type TokenRunEvent } from '../token-runs.ts';
import { biasOf, choicesOf, maxTokensOf, samplingOf, stopOf } from './chat-in.ts';
import { usageOf } from './chat-out.ts';

const ids = z.array(z.number().int().nonnegative());
const finite = z.number().nullish();
const schema = z.looseObject({
  model: z.string(),
  prompt: z.union([z.string(), z.array(z.string()), ids, z.array(ids)]),
  max_tokens: z.number().int().nonnegative().nullish(),
  temperature: finite,
  top_p: finite,
  top_k: finite,
  min_p: finite,
  repetition_penalty: finite,
  frequency_penalty: finite,
  presence_penalty: finite,
  stop: z.union([z.string(), z.array(z.string())]).nullish(),
  seed: z.number().int().nullish(),
  n: z.number().nullish(),
  logprobs: z.number().int().min(0).max(20).nullish(),
  logit_bias: z.record(z.string(), z.number()).nullish(),
  stream: z.boolean().nullish(),
  stream_options: z.looseObject({ include_usage: z.boolean().nullish() }).nullish(),
  echo: z.boolean().nullish(),
  suffix: z.string().nullish(),
  ignore_eos: z.boolean().nullish(),
  return_progress: z.boolean().nullish(),
});

/** What is taken, for the OpenAPI document. */
export const completionsSchema: z.ZodType = schema;

/** OpenAI's own default. */
const defaultTokens = 16;

export async function answerCompletions(
  exchange: Exchange,
  { plain }: JsonBody,
  findModel: FindModel,
): Promise<Response> {
  const body = checkedBody(schema, plain);
  refuseConstraints(body);
  if (body.suffix) throw badField('suffix', 'is not supported');
  const { limits, defaults } = exchange.shared;
  const model = tokenModel(findModel(body.model));
  const prompts = promptsOf(body.prompt).map((prompt) =>
    typeof prompt === 'string' ? model.tokenize(prompt) : Int32Array.from(prompt),
  );
  const n = choicesOf(body.n, limits);
  if (prompts.length * n > limits.choices) throw badField('prompt', `asks for more than ${limits.choices} answers`);
  const stop = checkedStops(stopOf(body.stop) ?? [], 'stop');
  const sampling = { ...defaults.sampling, ...samplingOf(body) };
  const bias = biasOf(body.logit_bias);
  const base: Omit<GenerateRequest, 'ids'> = {
    maxTokens: maxTokensOf(body.max_tokens ?? defaultTokens, limits, 'max_tokens') ?? defaultTokens,
    sampling,
    ...(body.ignore_eos === true ? { ignoreEos: true } : {}),
    // The chosen token's own log-probability comes with the first rival.
    ...(typeof body.logprobs === 'number' ? { topLogprobs: Math.max(1, body.logprobs) } : {}),
    ...(bias === undefined ? {} : { bias }),
    ...(wantsProgress(body) && body.stream === true ? { wantProgress: true } : {}),
  };
  const runs = prompts.flatMap((prompt, at) =>
    Array.from({ length: n }, (_, copy): TokenRun => {
      const seed = typeof body.seed === 'number' ? { seed: body.seed + copy } : {};
      return { index: at * n + copy, stop, request: { ...base, ...seed, ids: prompt } };
    }),
  );
  const { events, close } = await startRuns(exchange, model, runs);
  const echoes = body.echo === true ? runs.map(({ request }) => model.detokenize(request.ids)) : undefined;
  const context: Context = {
    base: {
      id: `cmpl-${exchange.requestId.slice(4)}`,
      object: 'text_completion',
      created: Math.floor(Date.now() / 1000),
      model: model.modelId,
    },
    count: runs.length,
    detokenize: (list) => model.detokenize(list),
    rivals: body.logprobs ?? undefined,
    echoes,
  };
  if (body.stream !== true) return exchange.json(await whole(events, context));
  const includeUsage = body.stream_options?.include_usage ?? false;
  return exchange.streamFrames(
    frames(events, context, includeUsage),
    close,
    (failure) => `data: ${JSON.stringify(failureBody(failure, 'openai', exchange.requestId))}\n\n`,
  );
}

function promptsOf(prompt: z.infer<typeof schema>['prompt']): readonly (string | readonly number[])[] {
  if (typeof prompt === 'string') return [prompt];
  if (prompt.length === 0) throw badField('prompt', 'is empty');
  if (typeof prompt[0] === 'number') return [prompt as number[]];
  return prompt as string[] | number[][];
}

interface Context {
  base: Record<string, unknown>;
  count: number;
  detokenize: (ids: readonly number[]) => string;
  rivals: number | undefined;
  echoes: readonly string[] | undefined;
}

interface CompletionLogprobs {
  tokens: string[];
  token_logprobs: number[];
  top_logprobs: Record<string, number>[];
  text_offset: number[];
}

async function whole(events: AsyncIterable<TokenRunEvent>, context: Context): Promise<Record<string, unknown>> {
  const texts = Array.from({ length: context.count }, (_, index) => context.echoes?.[index] ?? '');
  const logprobs = texts.map((text) => new Offsets(text.length));
  const collected = texts.map(emptyLogprobs);
  const reasons: FinishReason[] = [];
  const usages: Usage[] = [];
  for await (const event of events) {
    if (event.type === 'piece') {
      texts[event.index] += event.text;
      append(collected[event.index], logprobs[event.index].of(event.logprobs, context));
    } else if (event.type === 'finish') {
      reasons[event.index] = event.reason;
      usages[event.index] = event.usage;
    }
  }
  const choices = texts.map((text, index) => ({
    index,
    text,
    logprobs: context.rivals === undefined ? null : collected[index],
    finish_reason: finishReason(reasons[index]),
  }));
  return { ...context.base, choices, usage: sumOf(usages) };
}

async function* frames(
  events: AsyncIterable<TokenRunEvent>,
  context: Context,
  includeUsage: boolean,
): AsyncGenerator<string, void> {
  const offsets = Array.from(
    { length: context.count },
    (_, index) => new Offsets(context.echoes?.[index]?.length ?? 0),
  );
  const usages: Usage[] = [];
  const clock = new ProgressClock();
  const frame = (choice: Record<string, unknown>, more: Record<string, unknown> = {}): string =>
    `data: ${JSON.stringify({ ...context.base, choices: [choice], ...more })}\n\n`;
  for (const [index, text] of (context.echoes ?? []).entries()) {
    yield frame({ index, text, logprobs: null, finish_reason: null });
  }
  for await (const event of events) {
    const { index } = event;
    if (event.type === 'progress') {
      const choice = { index, text: '', logprobs: null, finish_reason: null };
      yield frame(choice, { prompt_progress: clock.wire(event.progress) });
      continue;
    }
    if (event.type === 'finish') {
      usages[index] = event.usage;
      yield frame({ index, text: '', logprobs: null, finish_reason: finishReason(event.reason) });
      continue;
    }
    const logprobs = context.rivals === undefined ? null : offsets[index].of(event.logprobs, context);
    if (event.text === '' && logprobs === null) continue;
    yield frame({ index, text: event.text, logprobs, finish_reason: null });
  }
  if (includeUsage) yield `data: ${JSON.stringify({ ...context.base, choices: [], usage: sumOf(usages) })}\n\n`;
  yield 'data: [DONE]\n\n';
}

/** Where each token's text begins in the whole text. */
class Offsets {
  #at: number;

  constructor(start: number) {
    this.#at = start;
  }

  of(list: readonly TokenLogprob[], { detokenize, rivals = 0 }: Context): CompletionLogprobs {
    const result = emptyLogprobs();
    for (const { id, logprob, rivals: others } of list) {
      const token = detokenize([id]);
      result.tokens.push(token);
      result.token_logprobs.push(logprob);
      const top = others.slice(0, rivals).map((other) => [detokenize([other.id]), other.logprob] as const);
      result.top_logprobs.push(Object.fromEntries(top));
      result.text_offset.push(this.#at);
      this.#at += token.length;
    }
    return result;
  }
}

function emptyLogprobs(): CompletionLogprobs {
  return { tokens: [], token_logprobs: [], top_logprobs: [], text_offset: [] };
}

function append(to: CompletionLogprobs, from: CompletionLogprobs): void {
  to.tokens.push(...from.tokens);
  to.token_logprobs.push(...from.token_logprobs);
  to.top_logprobs.push(...from.top_logprobs);
  to.text_offset.push(...from.text_offset);
}

function finishReason(reason: FinishReason): string {
  return reason === 'length' ? 'length' : 'stop';
}

/** Every prompt counts; n answers to one count it n times, as OpenAI's own server does not: the sum of what was run. */
function sumOf(usages: readonly Usage[]): unknown {
  const usage = usageOf(usages);
  const promptTokens = usages.reduce((total, each) => total + each.promptTokens, 0);
  return { ...usage, prompt_tokens: promptTokens, total_tokens: promptTokens + (usage.completion_tokens ?? 0) };
}
