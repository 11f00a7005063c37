// What one request, and all requests together, may take. Sizes are checked where they are read; who runs and who waits, here.
import { MimoError } from '@mimokit/protocol';

export interface Limits {
  /** Bytes of a request body. Default 4 MiB: four times a full context of ASCII text. */
  bodyBytes: number;
  /** Time to send a body. Default 30 s. */
  bodyMs: number;
  /** Nesting of a request body. Default 128. */
  depth: number;
  /** Messages of a request, and parts of one message. Default 8,192. */
  messages: number;
  /** Tools of a request. Default 256. */
  tools: number;
  /** Nesting of a tool's schema. Default 32. */
  schemaDepth: number;
  /** Answers to one request. Default 8. */
  choices: number;
  /** Longest answer that may be asked for; more is cut to it. Default: what the model holds. */
  maxTokens: number;
  /** Requests that run at once, one per answer wanted. Default 64. */
  running: number;
  /** Requests that wait for a place; one more is answered 429. Default 64. */
  waiting: number;
  /** A reader that takes nothing for so long is left. Default 60 s. */
  slowReaderMs: number;
  /** Silence on a stream after which a comment is sent. Default 15 s. */
  keepAliveMs: number;
}

export const defaultLimits: Readonly<Limits> = Object.freeze({
  bodyBytes: 4 * 2 ** 20,
  bodyMs: 30_000,
  depth: 128,
  messages: 8192,
  tools: 256,
  schemaDepth: 32,
  choices: 8,
  maxTokens: Number.MAX_SAFE_INTEGER,
  running: 64,
  waiting: 64,
  slowReaderMs: 60_000,
  keepAliveMs: 15_000,
});

/** Gives a place back; safe to call twice. */
export type Release = () => void;

/** Places for running requests, first come, first served; a bounded queue before them. */
export class Gate {
  readonly #limits: Pick<Limits, 'running' | 'waiting'>;
  readonly #queue: { places: number; start: () => void }[] = [];
  #taken = 0;
  #meanSeconds = 1;
  #whenEmpty: (() => void)[] = [];

  constructor(limits: Pick<Limits, 'running' | 'waiting'>) {
    this.#limits = limits;
  }

  get running(): number {
    return this.#taken;
  }

  get waiting(): number {
    return this.#queue.length;
  }

  /** A place for each of `places` answers, at once or when there is room. Throws `server-busy`, or `aborted` with the signal. */
  async enter(places: number, signal: AbortSignal): Promise<Release> {
    const needed = Math.min(places, this.#limits.running);
    if (this.#queue.length > 0 || this.#taken + needed > this.#limits.running) await this.#wait(needed, signal);
    else this.#taken += needed;
    const started = performance.now();
    let isHeld = true;
    return () => {
      if (!isHeld) return;
      isHeld = false;
      this.#taken -= needed;
      this.#meanSeconds += ((performance.now() - started) / 1000 - this.#meanSeconds) / 16;
      this.#next();
    };
  }

  /** Resolves when nothing runs and nothing waits. */
  async empty(): Promise<void> {
    if (this.#taken === 0 && this.#queue.length === 0) return;
    await new Promise<void>((resolve) => this.#whenEmpty.push(resolve));
  }

  #wait(places: number, signal: AbortSignal): Promise<void> {
    if (this.#queue.length >= this.#limits.waiting) throw this.#busy();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        const at = this.#queue.indexOf(entry);
        if (at >= 0) this.#queue.splice(at, 1);
        reject(new MimoError('aborted', 'The client left before its turn.'));
        this.#next();
      };
      const entry = {
        places,
        start: () => {
          signal.removeEventListener('abort', leave);
          this.#taken += places;
          resolve();
        },
      };
      this.#queue.push(entry);
      signal.addEventListener('abort', leave, { once: true });
      if (signal.aborted) leave();
    });
  }

  #next(): void {
    while (this.#queue.length > 0 && this.#taken + this.#queue[0].places <= this.#limits.running) {
      this.#queue.shift()!.start();
    }
    if (this.#taken > 0 || this.#queue.length > 0) return;
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  #busy(): MimoError {
    const turns = (this.#queue.length + 1) / this.#limits.running;
    return new MimoError('server-busy', `${this.#taken} requests run and ${this.#queue.length} wait.`, {
      hint: 'Send the request again after the seconds that Retry-After names.',
      retryAfterSeconds: Math.max(1, Math.min(60, Math.ceil(turns * this.#meanSeconds))),
    });
  }
}
