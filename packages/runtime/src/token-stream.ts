// The events of one request on their way from the engine loop to the caller's `for await`. No engine logic here.
import type { GenerateEvent } from '@mimokit/protocol';

/** A queue with one reader. Its length is bounded by the request's maxTokens. */
export class TokenStream implements AsyncIterableIterator<GenerateEvent> {
  readonly #start: () => void;
  readonly #leave: () => void;
  #queue: GenerateEvent[] = [];
  #error: Error | undefined;
  #isStarted = false;
  #isClosed = false;
  #wake: (() => void) | undefined;

  /** `start` runs at the first `next()` and may throw; `leave` runs when the reader stops before the end. */
  constructor(start: () => void, leave: () => void) {
    this.#start = start;
    this.#leave = leave;
  }

  push(event: GenerateEvent): void {
    if (this.#isClosed) return;
    this.#queue.push(event);
    if (event.type === 'finish') this.#isClosed = true;
    this.#notify();
  }

  /** The reader gets what was pushed before, then this error. */
  fail(error: Error): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#error = error;
    this.#notify();
  }

  async next(): Promise<IteratorResult<GenerateEvent, undefined>> {
    if (!this.#isStarted) {
      this.#isStarted = true;
      try {
        this.#start();
      } catch (error) {
        this.#isClosed = true;
        throw error;
      }
    }
    for (;;) {
      const event = this.#queue.shift();
      if (event !== undefined) return { done: false, value: event };
      if (this.#error !== undefined) {
        const error = this.#error;
        this.#error = undefined;
        throw error;
      }
      if (this.#isClosed) return { done: true, value: undefined };
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async return(): Promise<IteratorResult<GenerateEvent, undefined>> {
    const isEarly = this.#isStarted && !this.#isClosed;
    this.#isStarted = true;
    this.#isClosed = true;
    this.#queue = [];
    this.#error = undefined;
    if (isEarly) this.#leave();
    this.#notify();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #notify(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }
}
