// Cuts a stream of text at the first of a few short tokens, for servers that print their end-of-turn token.

export interface StopCut {
  /** True once a token was seen; everything after it is dropped. */
  readonly closed: boolean;
  /** The text that certainly lies before any token. */
  push(text: string): string;
  /** What was held back, when nothing follows. */
  end(): string;
}

export function createStopCut(tokens: readonly string[]): StopCut {
  const longest = Math.max(1, ...tokens.map((token) => token.length));
  let held = '';
  let closed = false;
  return {
    get closed() {
      return closed;
    },
    push(text) {
      if (closed) return '';
      const all = held + text;
      const found = tokens.map((token) => all.indexOf(token)).filter((at) => at >= 0);
      if (found.length > 0) {
        closed = true;
        held = '';
        return all.slice(0, Math.min(...found));
      }
      let keep = Math.min(longest - 1, all.length);
      while (keep > 0 && !tokens.some((token) => token.startsWith(all.slice(all.length - keep)))) keep--;
      held = all.slice(all.length - keep);
      return all.slice(0, all.length - keep);
    },
    end() {
      const rest = held;
      held = '';
      return rest;
    },
  };
}
