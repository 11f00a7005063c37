// Tells when a JSON object that arrives in pieces is closed, without parsing it again at every piece.

export interface JsonExtent {
  push(text: string): void;
  /** True when exactly one object (and white space) has been seen, from brace to brace. */
  readonly closed: boolean;
}

const [quote, backslash, openBrace, closeBrace, openBracket, closeBracket] = [0x22, 0x5c, 0x7b, 0x7d, 0x5b, 0x5d];

export function createJsonExtent(): JsonExtent {
  let depth = 0;
  let inString = false;
  let escaped = false;
  let state: 'before' | 'inside' | 'closed' | 'other' = 'before';
  function step(code: number): void {
    if (inString) {
      if (escaped) escaped = false;
      else if (code === backslash) escaped = true;
      else if (code === quote) inString = false;
      return;
    }
    if (code === 0x20 || code === 0x0a || code === 0x09 || code === 0x0d) return;
    if (state === 'before') state = code === openBrace ? 'inside' : 'other';
    else if (state === 'closed') state = 'other';
    if (state !== 'inside') return;
    if (code === quote) inString = true;
    else if (code === openBrace || code === openBracket) depth++;
    else if (code === closeBrace || code === closeBracket) {
      depth--;
      if (depth === 0) state = 'closed';
    }
  }
  return {
    push(text) {
      for (let at = 0; at < text.length; at++) step(text.charCodeAt(at));
    },
    get closed() {
      return state === 'closed';
    },
  };
}
