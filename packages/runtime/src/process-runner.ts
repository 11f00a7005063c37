// A ModelRunner in a child process: a crash of native code, an out-of-memory kill or a blocked thread is the child's, not ours.
// Says when the child is gone; starting it again is supervise.ts.
import { type ChildProcess, fork } from 'node:child_process';
import {
  type Inspector,
  type KvCapacity,
  MimoError,
  type ModelInfo,
  type ModelRunner,
  type RunnerOptions,
  type StepBatch,
  type StepResult,
  type Tensor,
} from '@mimokit/protocol';
import { type FromChild, fromRecord, type OpenOptions, type ToChild } from './process-messages.ts';

export interface ProcessRunnerParts {
  /** The module with the factory, as the child imports it: `import.meta.resolve('@mimokit/kernels')`, or a file URL. */
  module: string;
  /** Its export, a RunnerFactory: `nativeRunner`. */
  name: string;
  /** Flags of the child's Node; default: the import conditions of this process. */
  execArgv?: readonly string[];
  /** Time a child has to leave on dispose before it is killed; default 10,000. */
  graceMs?: number;
}

/** A runner whose memory can be gone from one moment to the next. */
export interface LosableRunner extends ModelRunner, Inspector {
  readonly isLost: boolean;
  /** Resolves when it is lost; never when it was disposed. */
  readonly lost: Promise<MimoError>;
}

export interface ProcessRunner extends LosableRunner, AsyncDisposable {
  readonly pid: number;
}

/**
 * A RunnerFactory whose runners live in child processes of their own. Errors of the child's factory and steps come across with
 * code, hint and details; the death of the child rejects everything with `runner-failed`. `signal` of the options kills a
 * child that is still loading. The child keeps no process alive but while a call is in progress.
 */
export function processRunner(
  parts: ProcessRunnerParts,
): (directory: string, options?: RunnerOptions) => Promise<ProcessRunner> {
  return async (directory, { signal, onProgress, ...options } = {}) => {
    if (signal?.aborted === true) throw aborted(directory, signal);
    const runner = new ChildRunner(parts, onProgress);
    const kill = (): void => runner.kill(aborted(directory, signal!));
    signal?.addEventListener('abort', kill, { once: true });
    try {
      await runner.open(parts, directory, options);
      return runner;
    } finally {
      signal?.removeEventListener('abort', kill);
    }
  };
}

interface Pending {
  resolve: (value: never) => void;
  reject: (error: Error) => void;
}

class ChildRunner implements ProcessRunner {
  readonly lost: Promise<MimoError>;
  readonly #child: ChildProcess;
  readonly #graceMs: number;
  readonly #onProgress: RunnerOptions['onProgress'];
  readonly #pending = new Map<number, Pending>();
  readonly #gone: Promise<void>;
  #opened: { info: ModelInfo; capacity: KvCapacity; maxDraft: number } | undefined;
  #opening: Pending | undefined;
  /** Why nothing can be asked any more. */
  #end: MimoError | undefined;
  #isLost = false;
  #reportLoss: (error: MimoError) => void = () => {};
  #disposal: Promise<void> | undefined;
  #lastCall = 0;

  constructor({ execArgv, graceMs = 10_000 }: ProcessRunnerParts, onProgress: RunnerOptions['onProgress']) {
    this.#graceMs = graceMs;
    this.#onProgress = onProgress;
    this.lost = new Promise((resolve) => {
      this.#reportLoss = resolve;
    });
    // Beside this file, in source as in the bundle. What the child prints is for people: standard output is the caller's.
    const main = new URL(
      import.meta.url.endsWith('.ts') ? './process-runner-main.ts' : './process-runner-main.js',
      import.meta.url,
    );
    this.#child = fork(main, {
      serialization: 'advanced',
      stdio: ['ignore', 2, 2, 'ipc'],
      execArgv: [...(execArgv ?? process.execArgv.filter((flag) => flag.startsWith('--conditions=')))],
    });
    this.#gone = new Promise((resolve) => {
      const gone = (how: string, values: Record<string, unknown>): void => {
        this.#close(how, values);
        resolve();
      };
      this.#child.once('exit', (exitCode, signal) =>
        gone(signal === null ? `ended with code ${exitCode}` : `was ended by ${signal}`, { exitCode, signal }),
      );
      this.#child.once('error', (cause) => gone(`failed: ${cause.message}`, { cause }));
    });
    this.#child.on('message', (message) => this.#receive(message as FromChild));
    this.#child.unref();
    this.#child.channel?.unref();
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  get isLost(): boolean {
    return this.#isLost;
  }

  get info(): ModelInfo {
    return this.#known.info;
  }

  get capacity(): KvCapacity {
    return this.#known.capacity;
  }

  get maxDraft(): number {
    return this.#known.maxDraft;
  }

  open({ module, name }: ProcessRunnerParts, directory: string, options: OpenOptions): Promise<void> {
    this.#child.channel?.ref();
    const opening = new Promise<void>((resolve, reject) => {
      this.#opening = { resolve, reject };
    });
    // Options that are not data are refused here, before anything waits.
    this.#send({ type: 'open', module, name, directory, options });
    return opening.finally(() => this.#rest());
  }

  /** Ends a child that is still opening. */
  kill(error: MimoError): void {
    this.#end ??= error;
    this.#opening?.reject(error);
    this.#child.kill('SIGKILL');
  }

  step(batch: StepBatch): Promise<StepResult> {
    return this.#call((call) => ({ type: 'step', call, batch }));
  }

  inspect(ids: Int32Array, taps: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#call((call) => ({ type: 'inspect', call, ids, taps }));
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  get #known(): { info: ModelInfo; capacity: KvCapacity; maxDraft: number } {
    return this.#opened!;
  }

  async #dispose(): Promise<void> {
    if (this.#end !== undefined) return this.#gone;
    // Answers of calls in progress still come.
    this.#end = new MimoError('runner-disposed', 'The runner was disposed.', { hint: 'Open the model again.' });
    this.#child.ref();
    this.#send({ type: 'dispose' });
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), this.#graceMs);
    await this.#gone;
    clearTimeout(timer);
  }

  #call<T>(message: (call: number) => ToChild): Promise<T> {
    if (this.#end !== undefined) return Promise.reject(this.#end);
    const call = ++this.#lastCall;
    return new Promise<T>((resolve, reject) => {
      this.#pending.set(call, { resolve, reject });
      this.#child.channel?.ref();
      this.#send(message(call));
    });
  }

  #send(message: ToChild): void {
    // A channel that broke is noticed by the child's end.
    this.#child.send(message, () => {});
  }

  #receive(message: FromChild): void {
    switch (message.type) {
      case 'opened':
        this.#opened = message;
        this.#opening?.resolve(undefined as never);
        return;
      case 'refused':
        this.#end ??= fromRecord(message.error);
        this.#opening?.reject(this.#end);
        return;
      case 'progress':
        this.#onProgress?.(message.loadedBytes, message.totalBytes);
        return;
      case 'answer':
        this.#taken(message.call)?.resolve(message.value as never);
        return;
      case 'rejected':
        this.#taken(message.call)?.reject(fromRecord(message.error));
        return;
      case 'disposed':
    }
  }

  #taken(call: number): Pending | undefined {
    const pending = this.#pending.get(call);
    this.#pending.delete(call);
    this.#rest();
    return pending;
  }

  /** Nothing in progress: the channel alone is no reason to stay alive. */
  #rest(): void {
    if (this.#pending.size === 0) this.#child.channel?.unref();
  }

  #close(how: string, values: Record<string, unknown>): void {
    const error = new MimoError('runner-failed', `The process of the runner (${this.pid}) ${how}.`, {
      hint: 'Its own messages are on standard error; supervised() starts it again.',
      pid: this.pid,
      ...values,
    });
    const wasExpected = this.#end !== undefined;
    this.#end ??= error;
    this.#isLost = !wasExpected;
    this.#opening?.reject(this.#end);
    for (const { reject } of this.#pending.values()) reject(error);
    this.#pending.clear();
    if (!wasExpected) this.#reportLoss(error);
  }
}

function aborted(directory: string, signal: AbortSignal): MimoError {
  return new MimoError('aborted', `Loading ${directory} was aborted.`, { cause: signal.reason });
}
