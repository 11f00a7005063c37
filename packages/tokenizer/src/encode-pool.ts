// Encoding away from the thread that serves: texts wait in a bounded queue for a worker thread, and a thread that dies is
// replaced. What a thread does with a text is encode-thread.ts.
import { availableParallelism } from 'node:os';
import { MimoError } from '@mimokit/protocol';
import { checkSpans } from './added-tokens.ts';
import type { EncodeTask, PoolVocabulary } from './encode-messages.ts';
import { EncodeThread } from './encode-thread.ts';
import type { EncodeOptions } from './tokenizer.ts';

export interface EncodePoolOptions {
  /** Threads at most, each with a vocabulary of its own; started when needed. Default: the processors but one, up to 4. */
  readonly threads?: number;
  /** Texts that may wait for a thread; more are refused with `server-busy`. Default 256. */
  readonly waiting?: number;
}

export interface PoolEncodeOptions extends EncodeOptions {
  /** Rejects at once with `aborted`; a text that waits is dropped. */
  readonly signal?: AbortSignal | undefined;
}

/** A tokenizer's `encode` and `count` on other threads. Owns threads: `await using`, or call dispose(). */
export interface EncodePool extends AsyncDisposable {
  /**
   * The ids of a text, as `tokenizer.encode` gives them. Rejects with `aborted`, `server-busy` when too many texts wait,
   * `worker-failed` when two threads in a row have died of this text, and with what `encode` throws.
   */
  encode(text: string, options?: PoolEncodeOptions): Promise<Int32Array>;
  /** The number of ids of a text, without building them. Rejects as `encode` does. */
  count(text: string, options?: PoolEncodeOptions): Promise<number>;
  /** Ends all threads; calls in progress reject with `aborted`. */
  dispose(): Promise<void>;
}

interface Job extends EncodeTask {
  readonly resolve: (value: Int32Array | number) => void;
  readonly reject: (error: Error) => void;
  /** Threads that died while they had this text. */
  deaths: number;
}

/** Starts the first thread. Rejects with the error of reading the vocabulary. */
export async function openEncodePool(
  vocabulary: PoolVocabulary = 'mimo',
  options: EncodePoolOptions = {},
): Promise<EncodePool> {
  const { threads = Math.min(4, Math.max(1, availableParallelism() - 1)), waiting = 256 } = options;
  for (const [name, value, least] of [['threads', threads, 1] as const, ['waiting', waiting, 0] as const]) {
    if (!Number.isSafeInteger(value) || value < least)
      throw new MimoError('invalid-argument', `${name} is ${value}.`, { hint: `A whole number from ${least}.` });
  }
  const pool = new ThreadPool(vocabulary, threads, waiting);
  await pool.start();
  return pool;
}

class ThreadPool implements EncodePool {
  readonly #vocabulary: PoolVocabulary;
  readonly #most: number;
  readonly #waitingLimit: number;
  #threads: EncodeThread[] = [];
  readonly #waiting: Job[] = [];
  readonly #running = new Map<Job, EncodeThread>();
  #isDisposed = false;

  constructor(vocabulary: PoolVocabulary, most: number, waitingLimit: number) {
    this.#vocabulary = vocabulary;
    this.#most = most;
    this.#waitingLimit = waitingLimit;
  }

  async start(): Promise<void> {
    await this.#freeThread()?.ready;
  }

  encode(text: string, options?: PoolEncodeOptions): Promise<Int32Array> {
    return this.#submit('encode', text, options) as Promise<Int32Array>;
  }

  count(text: string, options?: PoolEncodeOptions): Promise<number> {
    return this.#submit('count', text, options) as Promise<number>;
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    const error = disposed();
    for (const job of [...this.#waiting.splice(0), ...this.#running.keys()]) job.reject(error);
    this.#running.clear();
    await Promise.all(this.#threads.map((thread) => thread.terminate(error)));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  async #submit(kind: Job['kind'], text: string, options: PoolEncodeOptions = {}): Promise<Int32Array | number> {
    const { literal = [], special = true, signal } = options;
    if (this.#isDisposed) throw disposed();
    if (signal?.aborted === true) throw aborted(signal);
    checkSpans(text, literal);
    if (this.#waiting.length >= this.#waitingLimit && this.#freeThread() === undefined) {
      throw new MimoError('server-busy', `${this.#waiting.length} texts wait to be encoded.`, {
        hint: 'Send it again later, or open the pool with more threads or a longer queue (`waiting`).',
        waiting: this.#waiting.length,
      });
    }
    const spans = Int32Array.from(literal.flatMap(({ start, end }) => [start, end]));
    const { promise, ...settle } = deferred();
    const job: Job = { kind, text, special, literal: spans, ...settle, deaths: 0 };
    const abort = (): void => this.#drop(job, aborted(signal!));
    signal?.addEventListener('abort', abort, { once: true });
    this.#waiting.push(job);
    this.#next();
    try {
      return await promise;
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  /** Gives waiting texts to free threads. */
  #next(): void {
    while (this.#waiting.length > 0 && !this.#isDisposed) {
      const thread = this.#freeThread();
      if (thread === undefined) return;
      const job = this.#waiting.shift()!;
      this.#running.set(job, thread);
      void thread
        .run(job)
        .then(
          (value) => {
            this.#running.delete(job);
            job.resolve(value);
          },
          (error: Error) => {
            // A job that is not among them has been told already.
            if (!this.#running.delete(job)) return;
            // Its thread may have died of something else: memory, or somebody's hand. It is tried once more, and first.
            if (thread.isLost && ++job.deaths === 1) this.#waiting.unshift(job);
            else job.reject(error);
          },
        )
        .finally(() => this.#next());
    }
  }

  /** A thread without work, started now if there may be another one. */
  #freeThread(): EncodeThread | undefined {
    this.#threads = this.#threads.filter((thread) => !thread.isLost);
    const idle = this.#threads.find((thread) => !thread.isBusy);
    if (idle !== undefined || this.#threads.length >= this.#most) return idle;
    const thread = new EncodeThread(this.#vocabulary, () => this.#next());
    this.#threads.push(thread);
    return thread;
  }

  #drop(job: Job, error: MimoError): void {
    const at = this.#waiting.indexOf(job);
    if (at >= 0) this.#waiting.splice(at, 1);
    const thread = this.#running.get(job);
    this.#running.delete(job);
    job.reject(error);
    thread?.forget();
    this.#next();
  }
}

function deferred(): Pick<Job, 'resolve' | 'reject'> & { promise: Promise<Int32Array | number> } {
  let settle: Pick<Job, 'resolve' | 'reject'>;
  const promise = new Promise<Int32Array | number>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...settle! };
}

function aborted(signal: AbortSignal): MimoError {
  return new MimoError('aborted', 'Encoding was aborted.', { cause: signal.reason });
}

function disposed(): MimoError {
  return new MimoError('aborted', 'The encode pool is disposed.', { hint: 'Open another one.' });
}
