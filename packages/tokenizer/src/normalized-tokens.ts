// Added tokens of which some are `normalized: true`: those are searched in what the others have left.
import { type AddedMatch, AddedTokenFinder, type Span, type TokenFinder } from './added-tokens.ts';
import type { AddedToken } from './vocabulary.ts';

export class TwoRoundFinder implements TokenFinder {
  readonly #raw: AddedTokenFinder;
  readonly #late: AddedTokenFinder;

  constructor(tokens: readonly AddedToken[]) {
    this.#raw = new AddedTokenFinder(tokens.filter((token) => !token.normalized));
    this.#late = new AddedTokenFinder(tokens.filter((token) => token.normalized));
  }

  findAll(text: string, literal: readonly Span[]): AddedMatch[] {
    const all: AddedMatch[] = [];
    const gap = (start: number, end: number): void => {
      if (end <= start) return;
      const inside = literal
        .filter((span) => span.end > start && span.start < end)
        .map((span) => ({ start: Math.max(span.start, start) - start, end: Math.min(span.end, end) - start }));
      for (const match of this.#late.findAll(text.slice(start, end), inside)) {
        all.push({ id: match.id, start: match.start + start, end: match.end + start });
      }
    };
    let from = 0;
    for (const match of this.#raw.findAll(text, literal)) {
      gap(from, match.start);
      all.push(match);
      from = match.end;
    }
    gap(from, text.length);
    return all;
  }
}
