// Reading a stream of generate() to its end.
import type { FinishReason, GenerateEvent, TokenLogprob, Usage } from '@mimokit/protocol';

export interface Collected {
  ids: number[];
  logprobs: TokenLogprob[];
  /** All routes one after the other. */
  routes: number[];
  /** Sizes of the `tokens` events that had ids. */
  bursts: number[];
  reason: FinishReason;
  usage: Usage;
}

/** The whole answer. Rejects as the stream does. */
export async function collect(events: AsyncIterable<GenerateEvent>): Promise<Collected> {
  const ids: number[] = [];
  const logprobs: TokenLogprob[] = [];
  const routes: number[] = [];
  const bursts: number[] = [];
  for await (const event of events) {
    if (event.type === 'finish') {
      return { ids, logprobs, routes, bursts, reason: event.reason, usage: event.usage };
    }
    if (event.type !== 'tokens') continue;
    ids.push(...event.ids);
    if (event.ids.length > 0) bursts.push(event.ids.length);
    logprobs.push(...(event.logprobs ?? []));
    for (const expert of event.routes ?? []) routes.push(expert);
  }
  throw new Error('the stream ended without a finish event');
}
