// Policy: old tool results give way to a note. What people and the model said stays, reasoning included.
import type { ContextPolicy } from './policy.ts';
import { createResultCuts, resultText } from './result-cuts.ts';

export interface DiscardOptions {
  /** So many of the newest results stay whole as long as that is possible. Default 3. */
  keepResults?: number;
  /** Once over the limit, how far down to go, so that the prompt does not change again at the next step. Default 0.6. */
  target?: number;
}

/** A beginning shorter than this tells the model nothing. */
const worthTokens = 64;

/**
 * Discards the oldest tool results first, and shortens the newest ones when that is not enough. Each leaves a note that says
 * what was there and how to have it again.
 */
export function discardToolResults(options: DiscardOptions = {}): ContextPolicy {
  const { keepResults = 3, target = 0.6 } = options;
  const results = createResultCuts();
  return {
    name: 'discard-tool-results',
    cuts: true,
    async fit({ messages, known, limitTokens, measure, canSearch }) {
      results.forget(known);
      const setting = { measure, canSearch, cuts: [] };
      const exact = (): number => measure.prompt(results.apply(messages));
      let tokens = exact();
      const indexes = messages.flatMap((message, index) => (message.role === 'tool' ? [index] : []));
      const old = indexes.slice(0, Math.max(0, indexes.length - keepResults));
      if (tokens > limitTokens) {
        for (const index of old) {
          if (tokens <= limitTokens * target) break;
          tokens -= results.discard(index, messages, setting);
        }
        tokens = exact();
      }
      // The newest last: what the model is about to read goes only when nothing else is left.
      for (const index of indexes.slice(old.length)) {
        if (tokens <= limitTokens) break;
        const keep = measure.text(resultText(messages[index])) - (tokens - limitTokens) - 8;
        const isLast = index === indexes.at(-1);
        if (keep < worthTokens && !isLast) results.discard(index, messages, setting);
        else results.shorten(index, Math.max(worthTokens, keep), messages, setting);
        tokens = exact();
      }
      return { messages: results.apply(messages), cuts: setting.cuts };
    },
  };
}
