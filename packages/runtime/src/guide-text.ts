// Guides over text: one of several texts, and where a tag ends, in whatever ids it is written. What they are for: chat-guide.ts
// and call-guide.ts.
import type { Guide } from './guide.ts';

/** The tokenizer as guides need it. */
export interface IdText {
  /** Ids of a text; inside `literal` nothing is a special token. */
  encode(text: string, literal?: { start: number; end: number }): readonly number[];
  decode(id: number): string;
}

/** A way on: ids, and what guides behind them. */
export interface Way {
  readonly ids: readonly number[];
  readonly next: () => Guide;
}

/** The model is free from here on. */
export const free: Guide = { demand: undefined, after: () => free };

/** One of several ways; the model chooses wherever their ids part. No way's ids may be the beginning of another's. */
export function oneOf(ways: readonly Way[], depth = 0): Guide {
  return {
    demand: { allow: [...new Set(ways.map(({ ids }) => ids[depth]))] },
    after: (id) => {
      const open = ways.filter(({ ids }) => ids[depth] === id);
      // Only in looking ahead along drafts, which may be anything.
      if (open.length === 0) return free;
      return open[0].ids.length === depth + 1 ? open[0].next() : oneOf(open, depth + 1);
    },
  };
}

/**
 * Where a tag stands that was `matched` characters long when `text` came: its new length, and once it is complete, the text
 * behind it. A tag has no second `<`, so after a mismatch it can only begin anew.
 */
export function advance(tag: string, matched: number, text: string): { matched: number; rest: string | undefined } {
  let length = matched;
  for (let at = 0; at < text.length; at++) {
    if (tag[length] === text[at]) length++;
    else length = tag[0] === text[at] ? 1 : 0;
    if (length === tag.length) return { matched: length, rest: text.slice(at + 1) };
  }
  return { matched: length, rest: undefined };
}
