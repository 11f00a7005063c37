// Ids → text as it comes, for models of which only ids are known: whole characters, and an end at stop texts. Chats do not need
// it: their events are text already.

/** Longest run of ids that is held back because a character is not whole. */
const longestHold = 4;

export class TextPieces {
  readonly #detokenize: (ids: readonly number[]) => string;
  readonly #stop: readonly string[];
  #pending: number[] = [];
  /** Text that may be the beginning of a stop text. */
  #held = '';
  /** The stop text that ended it. */
  matched: string | undefined;

  constructor(detokenize: (ids: readonly number[]) => string, stop: readonly string[]) {
    this.#detokenize = detokenize;
    this.#stop = stop;
  }

  push(ids: readonly number[]): string {
    let text = '';
    for (const id of ids) {
      if (this.matched !== undefined) break;
      this.#pending.push(id);
      const piece = this.#detokenize(this.#pending);
      if (piece.endsWith('\ufffd') && this.#pending.length < longestHold) continue;
      this.#pending = [];
      text += this.#say(piece);
    }
    return text;
  }

  /** What was held back, when nothing follows. */
  end(): string {
    if (this.matched !== undefined) return '';
    const rest = this.#pending.length > 0 ? this.#say(this.#detokenize(this.#pending)) : '';
    return this.matched === undefined ? rest + this.#held : rest;
  }

  #say(piece: string): string {
    const text = this.#held + piece;
    let first = -1;
    for (const stop of this.#stop) {
      const at = text.indexOf(stop);
      if (at >= 0 && (first < 0 || at < first)) {
        first = at;
        this.matched = stop;
      }
    }
    if (first >= 0) return text.slice(0, first);
    const hold = this.#stop.reduce((most, stop) => Math.max(most, overlap(text, stop)), 0);
    this.#held = text.slice(text.length - hold);
    return text.slice(0, text.length - hold);
  }
}

/** The longest end of `text` that is a proper beginning of `stop`. */
function overlap(text: string, stop: string): number {
  for (let length = Math.min(text.length, stop.length - 1); length > 0; length--) {
    if (stop.startsWith(text.slice(text.length - length))) return length;
  }
  return 0;
}
