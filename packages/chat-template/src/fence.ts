// Markdown code fences, fed one character at a time: three or more backticks or tildes at the start of a line, up to three
// spaces in; closed by a line of the same character, at least as long, and nothing else. Knows nothing of calls.
import { isPythonSpace } from './python-format.ts';

const lineStart = 0;
const ticks = 1;
const opening = 2;
const closing = 3;
const restOfLine = 4;

export class FenceTracker {
  /** Inside a fence, its opening line from the third tick on and its closing line up to the newline included. */
  open = false;
  #state = lineStart;
  #spaces = 0;
  #tick = 0;
  #count = 0;
  #openTick = 0;
  #openCount = 0;

  /** Nothing before the next newline can matter: the caller may skip to it. */
  get idle(): boolean {
    return this.#state === restOfLine;
  }

  /** True when this character is the newline that ends a closing line. */
  feed(code: number): boolean {
    if (code === 10) {
      const closes = this.closes();
      if (closes) this.open = false;
      this.#state = lineStart;
      this.#spaces = 0;
      return closes;
    }
    if (this.#state === restOfLine) return false;
    if (this.#state === lineStart) {
      if (code === 32 && this.#spaces < 3) this.#spaces++;
      else if (code === 96 || code === 126) {
        this.#state = ticks;
        this.#tick = code;
        this.#count = 1;
      } else this.#state = restOfLine;
    } else if (this.#state === ticks && code === this.#tick) {
      if (++this.#count === 3 && !this.open) {
        this.open = true;
        this.#openTick = code;
        this.#openCount = 3;
        this.#state = opening;
      }
    } else if (this.#state === opening && code === this.#tick) this.#openCount++;
    else if ((this.#state === closing || (this.#state === ticks && this.closes())) && isPythonSpace(code))
      this.#state = closing;
    else this.#state = restOfLine;
    return false;
  }

  /** Feeds text[from, to). Returns the index after a closing line's newline as soon as one ends, else -1. */
  feedUntilClosed(text: string, from: number, to: number): number {
    for (let i = from; i < to; i++) {
      const code = text.charCodeAt(i);
      if (this.#state === restOfLine && code !== 10) continue;
      if (this.feed(code)) return i + 1;
    }
    return -1;
  }

  /** Feeds text[from, to). */
  feedAll(text: string, from: number = 0, to: number = text.length): void {
    for (let at = from; at >= 0 && at < to;) at = this.feedUntilClosed(text, at, to);
  }

  /** What follows stands in the middle of a line. */
  midLine(): void {
    this.#state = restOfLine;
  }

  /** At the end of the text: whether the last line closes the fence. */
  closes(): boolean {
    if (!this.open || this.#tick !== this.#openTick) return false;
    return this.#state === closing || (this.#state === ticks && this.#count >= this.#openCount);
  }
}
