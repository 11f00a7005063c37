// Finds added tokens in text: leftmost, longest, outside literal spans. What the pieces between them become is the
// encoder's work.
import { MimoError } from '@mimokit/protocol';
import { isSpace, low } from './char-class.ts';
import type { AddedToken } from './vocabulary.ts';

/** A range of UTF-16 units of a text. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

export interface AddedMatch extends Span {
  readonly id: number;
}

export interface TokenFinder {
  /** All tokens in `text`, in order; `literal` must be sorted and apart. */
  findAll(text: string, literal: readonly Span[]): readonly AddedMatch[];
}

interface Node {
  token: AddedToken | undefined;
  readonly next: Map<number, Node>;
}

export class AddedTokenFinder implements TokenFinder {
  readonly #root: Node = { token: undefined, next: new Map() };
  readonly #firsts: string[] = [];

  constructor(tokens: readonly AddedToken[]) {
    for (const token of tokens) {
      let node = this.#root;
      for (let i = 0; i < token.content.length; i++) {
        const unit = token.content.charCodeAt(i);
        let child = node.next.get(unit);
        if (child === undefined) node.next.set(unit, (child = { token: undefined, next: new Map() }));
        node = child;
      }
      node.token = token;
      if (!this.#firsts.includes(token.content[0])) this.#firsts.push(token.content[0]);
    }
  }

  findAll(text: string, literal: readonly Span[]): AddedMatch[] {
    const found: AddedMatch[] = [];
    const candidates = this.#firsts.map((first) => text.indexOf(first));
    let span = 0;
    let taken = 0;
    for (let at = 0; ;) {
      let start = Infinity;
      for (let i = 0; i < candidates.length; i++) {
        if (candidates[i] >= 0 && candidates[i] < at) candidates[i] = text.indexOf(this.#firsts[i], at);
        if (candidates[i] >= 0 && candidates[i] < start) start = candidates[i];
      }
      if (start === Infinity) return found;
      at = start + 1;
      while (span < literal.length && literal[span].end <= start) span++;
      const limit = span < literal.length ? literal[span].start : text.length;
      if (limit <= start) {
        at = literal[span].end;
        continue;
      }
      const token = this.#longestAt(text, start, limit);
      if (token === undefined) continue;
      const end = start + token.content.length;
      at = end;
      const from = token.lstrip
        ? Math.max(taken, spaceStart(text, start, span > 0 ? literal[span - 1].end : 0))
        : start;
      const to = token.rstrip ? spaceStop(text, end, limit) : end;
      found.push({ start: from, end: to, id: token.id });
      taken = to;
    }
  }

  #longestAt(text: string, start: number, limit: number): AddedToken | undefined {
    let node = this.#root;
    let longest: AddedToken | undefined;
    for (let at = start; at < limit; at++) {
      const child = node.next.get(text.charCodeAt(at));
      if (child === undefined) break;
      node = child;
      if (node.token !== undefined) longest = node.token;
    }
    return longest;
  }
}

/** Throws `invalid-argument` unless the spans are inside `text`, sorted and apart. */
export function checkSpans(text: string, literal: readonly Span[]): void {
  let last = 0;
  for (const [i, { start, end }] of literal.entries()) {
    if (Number.isInteger(start) && Number.isInteger(end) && start >= last && end >= start && end <= text.length) {
      last = end;
      continue;
    }
    throw new MimoError('invalid-argument', `literal[${i}] is [${start}, ${end}) in a text of ${text.length} units.`, {
      hint: 'Literal spans must lie inside the text, sorted and without overlap.',
      start,
      end,
    });
  }
}

function spaceStart(text: string, at: number, least: number): number {
  while (at > least && isSpace(low[text.charCodeAt(at - 1)])) at--;
  return at;
}

function spaceStop(text: string, at: number, most: number): number {
  while (at < most && isSpace(low[text.charCodeAt(at)])) at++;
  return at;
}
