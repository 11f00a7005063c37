// Prompts as ids → answers as text and ids, n of them at once, for the token-level routes. Shapes on the wire are completions.ts
// and generate.ts.
import type {
  ChatModel,
  FinishReason,
  GenerateRequest,
  PromptProgress,
  TokenLogprob,
  TokenModel,
  Usage,
} from '@mimokit/protocol';
import { MimoError } from '@mimokit/protocol';
import type { Exchange } from './exchange.ts';
import type { AnswerMeter } from './metrics.ts';
import { TextPieces } from './text-pieces.ts';

export interface TokenRun {
  /** Which answer this is. */
  index: number;
  request: GenerateRequest;
  stop: readonly string[];
}

export type TokenRunEvent = { index: number } & (
  | {
      type: 'piece';
      text: string;
      ids: readonly number[];
      logprobs: readonly TokenLogprob[];
      routes?: Uint8Array | Uint16Array;
    }
  | { type: 'progress'; progress: PromptProgress }
  | { type: 'finish'; reason: FinishReason; matched: string | undefined; usage: Usage }
);

const longestStop = 256;
const mostStops = 16;

/** Throws `invalid-argument` for texts that cannot end an answer. */
export function checkedStops(stop: readonly string[], field: string): readonly string[] {
  if (stop.length > mostStops)
    throw new MimoError('invalid-argument', `${field} has more than ${mostStops} texts.`, { field });
  for (const text of stop) {
    if (text.length < 1 || text.length > longestStop) {
      throw new MimoError('invalid-argument', `${field} must be texts of 1 to ${longestStop} characters.`, { field });
    }
  }
  return stop;
}

/** Runs everything within one set of places; ends with the exchange. Events of all runs as they come. */
export async function startRuns(
  exchange: Exchange,
  model: ChatModel & TokenModel,
  runs: readonly TokenRun[],
): Promise<{ events: AsyncGenerator<TokenRunEvent, void>; close: () => void }> {
  const release = await exchange.shared.gate.enter(runs.length, exchange.signal);
  const meter = exchange.meter('text_completion', model);
  const close = (error?: unknown): void => {
    exchange.end();
    meter.end(error);
    release();
  };
  const sources = runs.map((run) => oneRun(exchange, model, run));
  // What cannot run at all is thrown before anything is sent.
  const firsts = sources.map((source) => source.next());
  for (const first of firsts) first.catch(() => {});
  try {
    await Promise.race([...firsts, new Promise((resolve) => setTimeout(resolve, 1000).unref?.())]);
  } catch (error) {
    close(error);
    throw error;
  }
  return { events: merge(sources, firsts, meter, close), close };
}

async function* oneRun(
  exchange: Exchange,
  model: ChatModel & TokenModel,
  { index, request, stop }: TokenRun,
): AsyncGenerator<TokenRunEvent, void> {
  const enough = new AbortController();
  const pieces = new TextPieces((ids) => model.detokenize(ids), stop);
  const signal = AbortSignal.any([exchange.signal, enough.signal]);
  const namespace = exchange.tenant === '' ? {} : { namespace: exchange.tenant };
  for await (const event of model.generate({ ...request, ...namespace, signal })) {
    if (event.type === 'tokens') {
      if (pieces.matched !== undefined) continue;
      const text = pieces.push(event.ids);
      const routes = event.routes === undefined ? {} : { routes: event.routes };
      yield { index, type: 'piece', text, ids: event.ids, logprobs: event.logprobs ?? [], ...routes };
      if (pieces.matched !== undefined) enough.abort();
      continue;
    }
    if (event.type === 'prompt-progress') {
      yield { index, type: 'progress', progress: event };
      continue;
    }
    const { matched } = pieces;
    if (event.reason === 'aborted' && matched === undefined) {
      throw new MimoError('aborted', 'The answer was ended before it was complete.', {
        hint: 'Send the request again.',
      });
    }
    const rest = pieces.end();
    if (rest !== '') yield { index, type: 'piece', text: rest, ids: [], logprobs: [] };
    yield { index, type: 'finish', reason: matched === undefined ? event.reason : 'stop', matched, usage: event.usage };
  }
}

async function* merge(
  sources: readonly AsyncGenerator<TokenRunEvent, void>[],
  firsts: readonly Promise<IteratorResult<TokenRunEvent, void>>[],
  meter: AnswerMeter,
  close: (error?: unknown) => void,
): AsyncGenerator<TokenRunEvent, void> {
  type Arrived = { at: number; next: IteratorResult<TokenRunEvent, void> };
  const pending = new Map<number, Promise<Arrived>>();
  const wait = (at: number, promise: Promise<IteratorResult<TokenRunEvent, void>>): void => {
    pending.set(
      at,
      promise.then((next) => ({ at, next })),
    );
  };
  for (const [at, first] of firsts.entries()) wait(at, first);
  try {
    while (pending.size > 0) {
      // One answer, as nearly always, needs no race.
      const [only] = pending.values();
      const { at, next } = await (pending.size === 1 ? only : Promise.race(pending.values()));
      pending.delete(at);
      if (next.done === true) continue;
      wait(at, sources[at].next());
      if (next.value.type !== 'progress') meter.arrived();
      if (next.value.type === 'finish') meter.finished(next.value.reason, next.value.usage);
      yield next.value;
    }
  } catch (error) {
    close(error);
    throw error;
  } finally {
    for (const promise of pending.values()) promise.catch(() => {});
    close();
  }
}
