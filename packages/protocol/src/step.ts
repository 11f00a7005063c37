// The step: the one call across the native boundary, as flat arrays. The same arrays cross napi, a worker port or a pipe.

/** "No block", "no window" in the index arrays. */
export const none = -1;

/** B rows, T tokens. A row runs positions [contextLen, contextLen + its tokens): chunk, decode and verify are one formula. */
export interface StepBatch {
  /** [T] input ids of all rows: a prompt chunk, or last token + drafts. */
  tokens: Int32Array;
  /** [B+1] row i owns tokens[rowStart[i] .. rowStart[i+1]). */
  rowStart: Int32Array;
  /** [B] positions already committed to KV. */
  contextLen: Int32Array;
  /** [B] how many of the row's last tokens are drafts to verify. */
  draftLen: Int32Array;
  /** [B] 0 = unfinished prompt chunk: no ids wanted. */
  samples: Uint8Array;
  /** [B] drafts wanted afterwards, 0..maxDraft. */
  draftNext: Int32Array;
  /** [N] global-layer block ids of all rows. */
  blockTable: Int32Array;
  /** [B+1] row i owns blockTable[blockStart[i] .. blockStart[i+1]). */
  blockStart: Int32Array;
  /** [B] the window each row writes. */
  windows: Int32Array;
  /** [B] window to copy from before the row runs, -1 = none. */
  copyWindow: Int32Array;
  /** [B] window to copy into when it is done, -1 = none. */
  saveWindow: Int32Array;
  /** [B,2] partly filled block to copy from and into before the row runs, -1 = none. */
  copyBlock: Int32Array;
  /** [B,7] temperature (0 = greedy), topP, topK, minP, repetition, frequency, presence penalty. */
  sampling: Float32Array;
  /** [B] random numbers are a function of (seed, position): no state to lose. */
  seeds: Uint32Array;
  /** [B] 0 = none, n = chosen token and its n best rivals. */
  topLogprobs: Uint8Array;
  /** [B] 1 = return the experts of this row's tokens. */
  wantRoutes: Uint8Array;
  /** [B+1] and sparse: logit bias. */
  biasStart: Int32Array;
  biasIds: Int32Array;
  biasValues: Float32Array;
  /** [B+1] and sparse: token counts, only for rows with penalties; the drafts of a verify are counted by the runner. */
  countStart: Int32Array;
  countIds: Int32Array;
  countValues: Int32Array;
}

export interface StepResult {
  /** Per row: accepted drafts, then one sampled id; nothing for a row that does not sample. */
  tokens: Int32Array;
  /** [B+1] */
  tokenStart: Int32Array;
  /** Per row: proposals for the next step. */
  drafts: Int32Array;
  /** [B+1] */
  draftStart: Int32Array;
  /** Natural-log probabilities of the unmodified logits: for each emitted token of each asking row, the chosen one, then its n best. */
  logprobs?: Float32Array;
  /** The ids of those n best, in the same order (n per emitted token). */
  rivals?: Int32Array;
  /** [T of asking rows, moeLayers, topK] expert ids, ascending within a token and layer; wide when a model has over 256 experts. */
  routes?: Uint8Array | Uint16Array;
}

export interface KvCapacity {
  blockTokens: number;
  blocks: number;
  windows: number;
}

/** What an engine must know of a model; everything comes from its config and tensors. */
export interface ModelInfo {
  vocabSize: number;
  /** Longest sequence the model may hold, in tokens. */
  contextLength: number;
  eosTokenIds: readonly number[];
  layers: number;
  moeLayers: number;
  /** Experts of each MoE layer, 0 without MoE. */
  experts: number;
  /** Experts chosen per token and MoE layer. */
  topK: number;
  /** Bytes of one block of the global layers, and of one window of the sliding and MTP layers. */
  blockBytes: number;
  windowBytes: number;
}

export interface ModelRunner {
  readonly info: ModelInfo;
  readonly capacity: KvCapacity;
  /** 3 for MiMo-V2-Flash, 0 without MTP weights. */
  readonly maxDraft: number;
  /** One at a time; never blocks the event loop. Rejects with a typed error and leaves KV of other rows usable. */
  step(batch: StepBatch): Promise<StepResult>;
  /** Frees everything; a step in progress is finished first. Safe to call twice. */
  dispose(): Promise<void>;
}

export interface Tensor {
  shape: readonly number[];
  data: Float32Array | Int32Array;
}

/**
 * For tests, goldens, `mimokit logits` and bench: one prompt, no cache kept. Taps name what to return:
 * `embed` [n,hidden], `hidden.L` [n,hidden] (after layer L, before the final norm), `router.L.ids` i32 [n,topK] ascending,
 * `router.L.weights` [n,topK], `routes` i32 [n,moeLayers,topK] (all router ids), `logits` [n,vocab], `logits.last` [1,vocab], `argmax` i32 [n], and for head I over positions
 * 0..n-2-I (ids shifted by I+1): `mtp.I.logits`, `mtp.I.block_out`.
 */
export interface Inspector {
  inspect(ids: Int32Array, taps: readonly string[]): Promise<Record<string, Tensor>>;
}

export interface RunnerOptions {
  /** Bytes for blocks and windows together; the default is the runner's own. */
  kvBytes?: number;
  /** Exact pool sizes, instead of kvBytes. */
  blocks?: number;
  windows?: number;
  /** Positions per block, default 32. */
  blockTokens?: number;
  threads?: number;
  /** Storage of keys and values; default f32, exact. */
  kv?: 'f32' | 'bf16' | 'fp8';
  /**
   * Inputs of linears: f32 (exact, default), fp8 (those of FP8 linears quantised per 128 channels, the checkpoint's own scheme), or int8 where
   * the runner has it: weights of layers are rounded to INT8 too, at load. Faster prefill, more memory, not the checkpoint's own values.
   */
  activations?: 'f32' | 'fp8' | 'int8';
  /** Keys a sliding-window query sees, itself included; default: the config's window. */
  windowKeys?: number;
  /** Ids from here on are padding rows of the embedding and are never picked. */
  pickableIds?: number;
  signal?: AbortSignal;
  onProgress?: (loadedBytes: number, totalBytes: number) => void;
}

/** What `openModel` is handed: opens a checkpoint directory in the hub's format. */
export type RunnerFactory = (directory: string, options?: RunnerOptions) => Promise<ModelRunner & Inspector>;
