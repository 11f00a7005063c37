// The ModelRunner over the native core: options checked, errors made MimoErrors. The step itself runs on the engine's own threads.
import {
  type ErrorCode,
  type Inspector,
  type KvCapacity,
  MimoError,
  type ModelInfo,
  type ModelRunner,
  type RunnerFactory,
  type RunnerOptions,
  type StepBatch,
  type StepResult,
  type Tensor,
} from '@mimokit/protocol';
import type { NativeRunner as Native, OpenOptions } from '../binding.d.cts';
import { loadBinding } from './load-binding.ts';
import { translatedAsync } from './native-error.ts';

export interface NativeRunnerOptions extends RunnerOptions {
  /** An instruction set to force, as `machineReport().levels` lists them. Results are the same on all. */
  level?: string;
  /**
   * Where the model runs: the processors (default), a GPU, or `auto`: a GPU if the model loads there, else the processors. A GPU needs a binary
   * built with CUDA; its default for `kv` is bf16.
   */
  device?: 'cpu' | 'cuda' | 'auto';
}

export interface NativeModelRunner extends ModelRunner, Inspector {
  /** Hidden states [n, hidden] before a layer, through that layer alone at positions 0..n: for layer-by-layer checks. */
  inspectLayer(layer: number, hidden: Float32Array): Promise<Float32Array>;
  [Symbol.asyncDispose](): Promise<void>;
}

/** Runs a checkpoint directory on this machine's processors; what `openModel` is handed. */
export const nativeRunner: RunnerFactory = (directory, options) => openNativeRunner(directory, options);

/**
 * Opens a checkpoint directory in the hub's format. Weights stay in the mapped files: opening reads headers, norms and scales.
 * Throws `native-not-found` when there is no binary for this platform, checkpoint and config errors that name file, tensor or field,
 * `invalid-argument` for options out of range, `kv-too-small`, `aborted`.
 */
export async function openNativeRunner(
  directory: string,
  options: NativeRunnerOptions = {},
): Promise<NativeModelRunner> {
  const { signal, onProgress, ...rest } = options;
  const checked = openOptions(rest);
  const { LoadControl, NativeRunner } = loadBinding();
  const abortError = (): MimoError =>
    new MimoError('aborted', `Loading ${directory} was aborted.`, { cause: signal?.reason });
  const isAborted = (): boolean => signal?.aborted === true;
  if (isAborted()) throw abortError();
  const control = new LoadControl();
  const abort = (): void => control.abort();
  signal?.addEventListener('abort', abort, { once: true });
  try {
    const native = await translatedAsync('runner-failed', () =>
      NativeRunner.open(directory, checked, control, onProgress),
    );
    if (isAborted()) {
      await native.dispose();
      throw abortError();
    }
    return new CpuRunner(native);
  } finally {
    signal?.removeEventListener('abort', abort);
  }
}

class CpuRunner implements NativeModelRunner {
  readonly info: ModelInfo;
  readonly capacity: KvCapacity;
  readonly maxDraft: number;
  readonly #native: Native;
  #isRunning = false;
  #disposal: Promise<void> | undefined;

  constructor(native: Native) {
    this.#native = native;
    this.info = native.info;
    this.capacity = native.capacity;
    this.maxDraft = native.maxDraft;
  }

  step(batch: StepBatch): Promise<StepResult> {
    return this.#alone('batch-invalid', () => this.#native.step(batch));
  }

  inspect(ids: Int32Array, taps: readonly string[]): Promise<Record<string, Tensor>> {
    return this.#alone('invalid-argument', () => this.#native.inspect(ids, [...taps]));
  }

  inspectLayer(layer: number, hidden: Float32Array): Promise<Float32Array> {
    return this.#alone('invalid-argument', () => this.#native.inspectLayer(layer, hidden));
  }

  /** One call at a time, as the contract has it: a caller that does not wait has lost track of its KV. */
  async #alone<T>(fallback: ErrorCode, call: () => Promise<T>): Promise<T> {
    if (this.#isRunning) {
      throw new MimoError('batch-invalid', 'A step is still running; one at a time.', {
        hint: 'Await the step before starting the next one.',
      });
    }
    this.#isRunning = true;
    try {
      return await translatedAsync(fallback, call);
    } finally {
      this.#isRunning = false;
    }
  }

  dispose(): Promise<void> {
    this.#disposal ??= this.#native.dispose();
    return this.#disposal;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const counts = ['blocks', 'windows', 'blockTokens', 'threads', 'windowKeys', 'pickableIds'] as const;

/** Options as the native core takes them; numbers are checked here, because the boundary would wrap or truncate them. */
function openOptions(options: NativeRunnerOptions): OpenOptions {
  const native: OpenOptions = {};
  for (const option of counts) {
    const value = options[option];
    if (value === undefined) continue;
    native[option] = positive(option, value, 0xffffffff);
  }
  if (options.kvBytes !== undefined) native.kvBytes = positive('kvBytes', options.kvBytes, Number.MAX_SAFE_INTEGER);
  if (options.kv !== undefined) native.kv = options.kv;
  if (options.activations !== undefined) native.activations = options.activations;
  if (options.level !== undefined) native.level = options.level;
  if (options.device !== undefined) native.device = options.device;
  return native;
}

function positive(option: string, value: number, limit: number): number {
  if (Number.isSafeInteger(value) && value >= 1 && value <= limit) return value;
  throw new MimoError(
    'invalid-argument',
    `${option} is ${String(value)}; it must be a whole number from 1 to ${limit}.`,
    {
      option,
    },
  );
}
