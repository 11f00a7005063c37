// One worker thread of an encode pool, seen from the caller's side: sends a text in pieces, none of which holds the event loop up
// for long, and waits for its ids. Which text is next, and what becomes of one whose thread died, is encode-pool.ts.
import { Worker } from 'node:worker_threads';
import { MimoError } from '@mimokit/protocol';
import { type EncodeTask, type FromWorker, fromRecord, type PoolVocabulary, type ToWorker } from './encode-messages.ts';

/** UTF-16 units a piece, which takes some microseconds to copy. */
const pieceUnits = 1 << 15;
/** One is filled while the other is read. */
const bufferCount = 2;

interface Pending {
  resolve: (value: Int32Array | number) => void;
  reject: (error: MimoError) => void;
}

export class EncodeThread {
  /** Rejects when the vocabulary cannot be read. */
  readonly ready: Promise<void>;
  readonly #worker: Worker;
  readonly #buffers: Uint8Array<ArrayBuffer>[] = [];
  readonly #onForgotten: () => void;
  #task: EncodeTask | undefined;
  /** How much of the text has been sent, and whether the last piece has. */
  #sent = 0;
  #isSent = true;
  #pending: Pending | undefined;
  #starting: { resolve: () => void; reject: (error: MimoError) => void } | undefined;
  /** Why this thread can do nothing any more. */
  #end: MimoError | undefined;

  /** `onForgotten` is called when it is done with a text that nobody waits for any more. */
  constructor(vocabulary: PoolVocabulary, onForgotten: () => void) {
    this.#onForgotten = onForgotten;
    // Beside this file, in source as in the bundle.
    const isSource = import.meta.url.endsWith('.ts');
    const main = new URL(isSource ? './encode-worker.ts' : './encode-worker.js', import.meta.url);
    this.#worker = new Worker(main, {
      workerData: vocabulary,
      execArgv: isSource ? ['--conditions=mimokit-source'] : [],
      name: 'mimokit-encode',
    });
    this.ready = new Promise((resolve, reject) => {
      this.#starting = { resolve, reject };
    });
    // Nobody may be waiting for it: a text given to a thread that did not start is told so itself.
    this.ready.catch(() => {});
    this.#worker.on('message', (message: FromWorker) => this.#receive(message));
    this.#worker.on('messageerror', (cause) => this.#lose('sent what cannot be read', cause));
    this.#worker.on('error', (cause) => this.#lose(cause instanceof Error ? cause.message : String(cause), cause));
    this.#worker.on('exit', (exitCode) => this.#lose(`ended with code ${exitCode}`));
    for (let i = 0; i < bufferCount; i++) this.#buffers.push(new Uint8Array(pieceUnits * 2));
  }

  get isLost(): boolean {
    return this.#end !== undefined;
  }

  /** True while a text is being encoded, also one that nobody waits for any more. */
  get isBusy(): boolean {
    return this.#task !== undefined;
  }

  /** Encodes or counts one text; only while not busy. Rejects with `worker-failed` when the thread is gone. */
  run(task: EncodeTask): Promise<Int32Array | number> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const done = new Promise<Int32Array | number>((resolve, reject) => {
      this.#pending = { resolve, reject };
    });
    this.#task = task;
    this.#sent = 0;
    this.#isSent = false;
    // Only work in progress keeps the process alive.
    this.#worker.ref();
    this.#feed();
    return done;
  }

  /** The text in hand is not wanted any more. What runs is let run: a thread's work cannot be stopped, only its life. */
  forget(): void {
    this.#pending = undefined;
    if (this.#isSent) return;
    this.#isSent = true;
    this.#send({ type: 'forget' });
    this.#task = undefined;
    this.#worker.unref();
  }

  async terminate(error: MimoError): Promise<void> {
    this.#close(error);
    await this.#worker.terminate();
  }

  /** Writes the next pieces into the buffers at hand; the worker gives each back as soon as it has read it. */
  #feed(): void {
    const task = this.#task;
    if (task === undefined) return;
    const { text, kind, special, literal } = task;
    while (this.#buffers.length > 0 && !this.#isSent) {
      const buffer = this.#buffers.pop()!;
      const end = Math.min(this.#sent + pieceUnits, text.length);
      const bytes = Buffer.from(buffer.buffer).write(text.slice(this.#sent, end), 'utf16le');
      this.#sent = end;
      this.#isSent = end === text.length;
      const order = this.#isSent ? { kind, special, literal } : undefined;
      this.#send({ type: 'piece', buffer, bytes, order }, [buffer.buffer]);
    }
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case 'ready':
        this.#starting?.resolve();
        this.#starting = undefined;
        if (!this.isBusy) this.#worker.unref();
        return;
      case 'refused':
        this.#close(fromRecord(message.error));
        void this.#worker.terminate();
        return;
      case 'taken':
        this.#buffers.push(message.buffer);
        this.#feed();
        return;
      case 'done':
        this.#rest((pending) => pending.resolve(message.value));
        return;
      case 'failed':
        this.#rest((pending) => pending.reject(fromRecord(message.error)));
    }
  }

  /** Tells whoever waits, and is free again. */
  #rest(tell: (pending: Pending) => void): void {
    const pending = this.#pending;
    this.#pending = undefined;
    this.#task = undefined;
    this.#worker.unref();
    if (pending === undefined) this.#onForgotten();
    else tell(pending);
  }

  #lose(how: string, cause?: unknown): void {
    this.#close(
      new MimoError('worker-failed', `A thread that encodes text is gone: ${how}.`, {
        hint: 'Other texts go on in a new thread. A text far beyond any context may need more memory than a thread has.',
        ...(cause === undefined ? {} : { cause }),
      }),
    );
  }

  #close(error: MimoError): void {
    if (this.#end !== undefined) return;
    this.#end = error;
    this.#starting?.reject(error);
    this.#starting = undefined;
    this.#rest((pending) => pending.reject(error));
  }

  #send(message: ToWorker, transfer: ArrayBuffer[] = []): void {
    this.#worker.postMessage(message, transfer);
  }
}
