// A runner that is started again when it is lost: with the same pools, after growing pauses, not for ever. It tells the engine
// that memory is gone (lost-memory.ts); the engine holds every token and computes what it needs again.
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
import { memoryLost } from './lost-memory.ts';
import type { LosableRunner } from './process-runner.ts';

export interface SupervisionOptions {
  /** Starts that may fail one after the other before it gives up; default 5. */
  mostFailedStarts?: number;
  /** Pause before a start when the last one brought no step, doubled each time up to `longestPauseMs`; default 100 and 5,000. */
  firstPauseMs?: number;
  longestPauseMs?: number;
  /** Told when a runner is lost, when there is a new one, and when there will be none. */
  onEvent?: (event: SupervisionEvent) => void;
}

export type SupervisionEvent =
  | { type: 'lost'; error: MimoError }
  | { type: 'start-failed'; error: Error; attempt: number }
  | { type: 'restarted'; milliseconds: number }
  | { type: 'gave-up'; error: MimoError };

export interface SupervisedRunner extends ModelRunner, Inspector, AsyncDisposable {
  /** `failed`: it gave up, and every step rejects with `runner-failed`. */
  readonly state: 'running' | 'restarting' | 'failed';
  readonly restarts: number;
}

type Open = (directory: string, options?: RunnerOptions) => Promise<LosableRunner>;

/**
 * A RunnerFactory like `open` whose runners come back. The first opening fails as `open` does. A lost runner is started at
 * once; its step in progress, or else the next one, rejects with an error that an engine takes as "compute again". Steps
 * asked for meanwhile wait.
 */
export function supervised(
  open: Open,
  options: SupervisionOptions = {},
): (directory: string, runnerOptions?: RunnerOptions) => Promise<SupervisedRunner> {
  return async (directory, runnerOptions) => {
    const first = await open(directory, runnerOptions);
    const { blocks, windows, blockTokens } = first.capacity;
    const { kvBytes: _, signal: __, onProgress: ___, ...rest } = runnerOptions ?? {};
    // Pools of the same size, whatever memory is free by then.
    const again = (): Promise<LosableRunner> => open(directory, { ...rest, blocks, windows, blockTokens });
    return new Supervisor(first, again, options);
  };
}

class Supervisor implements SupervisedRunner {
  readonly info: ModelInfo;
  readonly capacity: KvCapacity;
  readonly maxDraft: number;
  restarts = 0;
  readonly #open: () => Promise<LosableRunner>;
  readonly #options: Required<Omit<SupervisionOptions, 'onEvent'>>;
  readonly #onEvent: (event: SupervisionEvent) => void;
  #runner: LosableRunner | undefined;
  #restarting: Promise<void> | undefined;
  /** Set when keys and values that somebody may count on are gone. */
  #loss: MimoError | undefined;
  #hasMemory = false;
  #failure: MimoError | undefined;
  /** Losses since the last step that was answered. */
  #losses = 0;
  #isDisposed = false;
  #wake: () => void = () => {};

  constructor(first: LosableRunner, open: () => Promise<LosableRunner>, options: SupervisionOptions) {
    const { onEvent, mostFailedStarts = 5, firstPauseMs = 100, longestPauseMs = 5000 } = options;
    this.info = first.info;
    this.capacity = first.capacity;
    this.maxDraft = first.maxDraft;
    this.#open = open;
    this.#options = { mostFailedStarts, firstPauseMs, longestPauseMs };
    this.#onEvent = onEvent ?? (() => {});
    this.#watch(first);
  }

  get state(): 'running' | 'restarting' | 'failed' {
    if (this.#failure !== undefined) return 'failed';
    return this.#runner === undefined ? 'restarting' : 'running';
  }

  async step(batch: StepBatch): Promise<StepResult> {
    // Lost between two steps: the batch counts on what is gone.
    this.#throwLoss();
    const runner = await this.#current();
    // Lost again since, and found out by nobody yet; without memory the batch would still do, but not on this runner.
    this.#throwLoss();
    this.#hasMemory = true;
    try {
      const result = await runner.step(batch);
      this.#losses = 0;
      return result;
    } catch (error) {
      if (!runner.isLost || this.#isDisposed) throw error;
      this.#loss = undefined;
      this.#hasMemory = false;
      throw memoryLost(error, true);
    }
  }

  async inspect(ids: Int32Array, taps: readonly string[]): Promise<Record<string, Tensor>> {
    return (await this.#current()).inspect(ids, taps);
  }

  async dispose(): Promise<void> {
    this.#isDisposed = true;
    this.#wake();
    await this.#restarting;
    await this.#runner?.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }

  #throwLoss(): void {
    const loss = this.#loss;
    if (loss === undefined) return;
    this.#loss = undefined;
    this.#hasMemory = false;
    throw memoryLost(loss, false);
  }

  async #current(): Promise<LosableRunner> {
    while (this.#restarting !== undefined) await this.#restarting;
    if (this.#isDisposed)
      throw new MimoError('runner-disposed', 'The runner was disposed.', { hint: 'Open it again.' });
    if (this.#runner === undefined) throw this.#failure ?? new MimoError('runner-failed', 'There is no runner.');
    return this.#runner;
  }

  #watch(runner: LosableRunner): void {
    this.#runner = runner;
    void runner.lost.then((error) => {
      this.#runner = undefined;
      if (this.#isDisposed) return;
      if (this.#hasMemory) this.#loss = error;
      this.#onEvent({ type: 'lost', error });
      const restarting = this.#restart().finally(() => {
        // The new one may be lost already.
        if (this.#restarting === restarting) this.#restarting = undefined;
      });
      this.#restarting = restarting;
    });
  }

  async #restart(): Promise<void> {
    const started = performance.now();
    const { mostFailedStarts, firstPauseMs, longestPauseMs } = this.#options;
    for (let attempt = 1; ; attempt++) {
      // The first loss after good steps costs no pause.
      const doublings = this.#losses++;
      if (doublings > 0) await this.#pause(Math.min(longestPauseMs, firstPauseMs * 2 ** (doublings - 1)));
      if (this.#isDisposed) return;
      try {
        const runner = checkedPools(await this.#open(), this.capacity);
        this.restarts++;
        this.#watch(runner);
        this.#onEvent({ type: 'restarted', milliseconds: performance.now() - started });
        return;
      } catch (error) {
        const cause = error instanceof Error ? error : new Error(String(error));
        this.#onEvent({ type: 'start-failed', error: cause, attempt });
        if (attempt < mostFailedStarts) continue;
        this.#failure = new MimoError('runner-failed', `The runner did not start ${attempt} times: ${cause.message}`, {
          hint: 'Mend what the message says and open the model again.',
          attempts: attempt,
          cause,
        });
        this.#onEvent({ type: 'gave-up', error: this.#failure });
        return;
      }
    }
  }

  #pause(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

/** Sequences were admitted by the old pools. */
function checkedPools(runner: LosableRunner, { blocks, windows, blockTokens }: KvCapacity): LosableRunner {
  const { capacity } = runner;
  if (capacity.blocks === blocks && capacity.windows === windows && capacity.blockTokens === blockTokens) return runner;
  void runner.dispose();
  throw new MimoError(
    'runner-failed',
    `The runner came back with ${capacity.blocks} blocks and ${capacity.windows} windows.`,
    {
      hint: `It was opened with ${blocks} and ${windows}; its factory has to follow the options.`,
    },
  );
}
