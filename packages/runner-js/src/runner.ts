// The ModelRunner and Inspector over a checkpoint: opening, one call at a time, disposing. The step itself is step.ts.
import {
  type Inspector,
  type KvCapacity,
  MimoError,
  type ModelInfo,
  type ModelRunner,
  type RunnerOptions,
  type StepBatch,
  type StepResult,
} from '@mimokit/protocol';
import { validateBatch } from './batch.ts';
import { checkOptions, chooseCapacity } from './capacity.ts';
import { Checkpoint, type CheckpointFiles, filesInMemory, openConfig } from './checkpoint.ts';
import { runInspect } from './inspect.ts';
import { kvGeometry, KvStore } from './kv.ts';
import { Pace } from './pace.ts';
import { Memory, type Pass } from './pass.ts';
import { runStep } from './step.ts';
import { loadModel, type Model } from './weights.ts';

const defaultBlockTokens = 32;

/**
 * Opens a checkpoint in the hub's layout (config.json, *.safetensors, index) from files in memory or any other source.
 * Weights are decoded to FP32 on loading; files in memory may be dropped afterwards. Throws typed errors that name file, tensor or field.
 */
export async function createJsRunner(
  files: ReadonlyMap<string, Uint8Array> | CheckpointFiles,
  options: RunnerOptions = {},
): Promise<ModelRunner & Inspector> {
  const source = 'read' in files ? files : filesInMemory(files);
  const config = await openConfig(source);
  checkOptions(options, config.vocabSize);
  const checkpoint = await Checkpoint.open(source);
  const stopWhenAborted = (): void => {
    if (options.signal?.aborted === true)
      throw new MimoError('aborted', 'Loading the checkpoint was aborted.', { cause: options.signal.reason });
  };
  stopWhenAborted();
  const model = await loadModel(checkpoint, config, new Pace(), (loaded, total) => {
    stopWhenAborted();
    options.onProgress?.(loaded, total);
  });
  return new JsRunner(model, options);
}

class JsRunner implements ModelRunner, Inspector {
  readonly info: ModelInfo;
  readonly capacity: KvCapacity;
  readonly maxDraft: number;
  readonly #pickableIds: number;
  #pass: Pass | undefined;
  #running: Promise<unknown> | undefined;
  #disposed = false;

  constructor(model: Model, options: RunnerOptions) {
    const { config, mtp } = model;
    const windowKeys = options.windowKeys ?? config.windowKeys;
    const format = options.kv ?? 'f32';
    const blockTokens = options.blockTokens ?? defaultBlockTokens;
    const geometry = kvGeometry(config, windowKeys, mtp.length, format, blockTokens);
    this.capacity = chooseCapacity(options, geometry, config.contextLength, blockTokens);
    this.maxDraft = mtp.length;
    this.#pickableIds = options.pickableIds ?? config.vocabSize;
    this.info = {
      vocabSize: config.vocabSize,
      contextLength: config.contextLength,
      eosTokenIds: config.eosTokenIds,
      layers: config.layers,
      moeLayers: config.sparse.filter(Boolean).length,
      experts: config.experts,
      topK: config.topK,
      blockBytes: geometry.blockBytes,
      windowBytes: geometry.windowBytes,
    };
    this.#pass = {
      model,
      kv: createStore({ config, heads: mtp.length, windowKeys, format, capacity: this.capacity }),
      windowKeys,
      quantise: options.activations === 'fp8',
      memory: new Memory(),
      pace: new Pace(),
    };
  }

  step(batch: StepBatch): Promise<StepResult> {
    return this.#alone(async (pass) => {
      const { vocabSize, contextLength } = this.info;
      validateBatch(batch, { vocabSize, contextLength, maxDraft: this.maxDraft, ...this.capacity });
      return await runStep(pass, batch, this.#pickableIds);
    });
  }

  inspect(ids: Int32Array, taps: readonly string[]): ReturnType<Inspector['inspect']> {
    return this.#alone(async (pass) => {
      const { vocabSize, contextLength } = this.info;
      if (ids.length < 1) throw new MimoError('invalid-argument', 'inspect needs at least one id.');
      if (ids.length > contextLength) {
        throw new MimoError('context-overflow', `${ids.length} ids are over the context of ${contextLength}.`, {
          tokens: ids.length,
          contextLength,
        });
      }
      ids.forEach((id, index) => {
        if (id < 0 || id >= vocabSize)
          throw new MimoError('token-out-of-range', `ids[${index}] is ${id}; the vocabulary has ${vocabSize} ids.`, {
            index,
            id,
            vocabSize,
          });
      });
      const { blockTokens } = this.capacity;
      const kv = new KvStore({
        ...pass.kv.layout,
        capacity: { blockTokens, blocks: Math.ceil(ids.length / blockTokens), windows: 1 },
      });
      return await runInspect({ ...pass, kv }, ids, taps);
    });
  }

  /** One call at a time: rows of two steps must not meet in the KV, and the working memory is shared. */
  async #alone<T>(work: (pass: Pass) => Promise<T>): Promise<T> {
    if (this.#disposed || this.#pass === undefined)
      throw new MimoError('runner-disposed', 'The runner has been disposed.');
    if (this.#running !== undefined) {
      throw new MimoError('batch-invalid', 'A step is still running; one at a time.', {
        hint: 'Await the step before starting the next one.',
      });
    }
    const running = work(this.#pass);
    this.#running = running;
    try {
      return await running;
    } finally {
      this.#running = undefined;
    }
  }

  async dispose(): Promise<void> {
    this.#disposed = true;
    try {
      await this.#running;
    } catch {
      // Whoever started that step gets its error.
    }
    this.#pass = undefined;
  }
}

function createStore(layout: KvStore['layout']): KvStore {
  try {
    return new KvStore(layout);
  } catch (cause) {
    const { blocks, windows } = layout.capacity;
    throw new MimoError('invalid-argument', `KV of ${blocks} blocks and ${windows} windows cannot be allocated.`, {
      cause,
      hint: 'Lower kvBytes, blocks or windows.',
      blocks,
      windows,
    });
  }
}
