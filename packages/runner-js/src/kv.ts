// Blocks and windows as arrays. A stored position is one row [keys of all KV heads | values of all KV heads].
//   block b, layer L: rows b * blockTokens ..      position p of a sequence sits in row p % blockTokens of its block
//   window w, layer L: rows w * ring ..            position p sits in row p % ring; ring = windowKeys + maxDraft - 1
//   window w, hidden: the last maxDraft rows h[p] of the main model, position p in row p % maxDraft
import { none, type KvCapacity, type RunnerOptions, type StepBatch } from '@mimokit/protocol';
import type { AttentionShape, ModelConfig } from './config.ts';
import { bf16Value, e4m3Values, encodeBf16, encodeE4m3 } from './fp8.ts';

export type KvFormat = NonNullable<RunnerOptions['kv']>;

/** Values of one stored position. */
export function kvWidth(shape: AttentionShape): number {
  return shape.kvHeads * (shape.headDim + shape.valueDim);
}

const bytesPerValue: Readonly<Record<KvFormat, number>> = { f32: 4, bf16: 2, fp8: 1 };

/** Sizes in bytes that follow from config, MTP heads and storage format. */
export interface KvGeometry {
  ring: number;
  blockBytes: number;
  windowBytes: number;
}

export function kvGeometry(
  config: ModelConfig,
  windowKeys: number,
  heads: number,
  format: KvFormat,
  blockTokens: number,
): KvGeometry {
  const ring = windowKeys + Math.max(heads, 1) - 1;
  const slidingLayers = config.sliding.filter(Boolean).length;
  const globalBytes = kvWidth(config.global) * bytesPerValue[format];
  const windowBytes = kvWidth(config.window) * bytesPerValue[format];
  return {
    ring,
    blockBytes: (config.layers - slidingLayers) * blockTokens * globalBytes,
    windowBytes: (slidingLayers + heads) * ring * windowBytes + heads * config.hiddenSize * 4,
  };
}

type Store = Float32Array | Uint16Array | Uint8Array;

/** What a store must hold: layers and heads, without their weights. */
export interface KvLayout {
  config: ModelConfig;
  heads: number;
  windowKeys: number;
  format: KvFormat;
  capacity: KvCapacity;
}

export class KvStore {
  readonly layout: KvLayout;
  readonly ring: number;
  /** Per layer, then per MTP head: blocks of a global layer, windows of the others. */
  readonly #stores: Store[];
  readonly #hidden: Float32Array;

  constructor(layout: KvLayout) {
    const { config, heads, windowKeys, format, capacity } = layout;
    this.layout = layout;
    this.ring = kvGeometry(config, windowKeys, heads, format, capacity.blockTokens).ring;
    const create = (length: number): Store =>
      format === 'f32'
        ? new Float32Array(length)
        : format === 'bf16'
          ? new Uint16Array(length)
          : new Uint8Array(length);
    const windowLength = capacity.windows * this.ring * kvWidth(config.window);
    const blockLength = capacity.blocks * capacity.blockTokens * kvWidth(config.global);
    this.#stores = config.sliding.map((sliding) => create(sliding ? windowLength : blockLength));
    for (let head = 0; head < heads; head++) this.#stores.push(create(windowLength));
    this.#hidden = new Float32Array(capacity.windows * heads * config.hiddenSize);
  }

  /** Rounds fresh rows to the storage format, so that a position reads the same before and after it was stored. */
  roundToFormat(rows: Float32Array, length: number): void {
    const { format } = this.layout;
    if (format === 'bf16')
      for (let index = 0; index < length; index++) rows[index] = bf16Value(encodeBf16(rows[index]));
    if (format === 'fp8')
      for (let index = 0; index < length; index++) rows[index] = e4m3Values[encodeE4m3(rows[index])];
  }

  /** Writes `count` rows for positions start.. of a global layer. */
  writeBlocks(layer: number, table: Int32Array, start: number, count: number, rows: Float32Array): void {
    const width = kvWidth(this.layout.config.global);
    for (let index = 0; index < count; index++) {
      this.#put(this.#stores[layer], this.#blockRow(table, start + index) * width, rows, index * width, width);
    }
  }

  /** Reads positions [0, end) of a global layer into `into`, one row each. */
  readBlocks(layer: number, table: Int32Array, end: number, into: Float32Array): void {
    const width = kvWidth(this.layout.config.global);
    const { blockTokens } = this.layout.capacity;
    for (let position = 0; position < end; position += blockTokens) {
      const count = Math.min(blockTokens, end - position);
      this.#get(this.#stores[layer], this.#blockRow(table, position) * width, count * width, into, position * width);
    }
  }

  #blockRow(table: Int32Array, position: number): number {
    const { blockTokens } = this.layout.capacity;
    return table[Math.floor(position / blockTokens)] * blockTokens + (position % blockTokens);
  }

  /** Writes rows for positions start.. into the ring of a sliding layer or head; of more than a ring only the last remain. */
  writeWindow(layer: number, window: number, start: number, count: number, rows: Float32Array): void {
    const width = kvWidth(this.layout.config.window);
    for (let index = Math.max(0, count - this.ring); index < count; index++) {
      const slot = window * this.ring + ((start + index) % this.ring);
      this.#put(this.#stores[layer], slot * width, rows, index * width, width);
    }
  }

  /** Reads positions [from, end) of a ring into `into`, one row each. */
  readWindow(layer: number, window: number, from: number, end: number, into: Float32Array): void {
    const width = kvWidth(this.layout.config.window);
    for (let position = from; position < end; position++) {
      const slot = window * this.ring + (position % this.ring);
      this.#get(this.#stores[layer], slot * width, width, into, (position - from) * width);
    }
  }

  #put(store: Store, at: number, rows: Float32Array, from: number, length: number): void {
    if (store instanceof Float32Array) {
      for (let index = 0; index < length; index++) store[at + index] = rows[from + index];
    } else if (store instanceof Uint16Array) {
      for (let index = 0; index < length; index++) store[at + index] = encodeBf16(rows[from + index]);
    } else {
      for (let index = 0; index < length; index++) store[at + index] = encodeE4m3(rows[from + index]);
    }
  }

  #get(store: Store, at: number, length: number, into: Float32Array, to: number): void {
    if (store instanceof Float32Array) into.set(store.subarray(at, at + length), to);
    else if (store instanceof Uint16Array)
      for (let index = 0; index < length; index++) into[to + index] = bf16Value(store[at + index]);
    else for (let index = 0; index < length; index++) into[to + index] = e4m3Values[store[at + index]];
  }

  /** The stored hidden row of a position, one of the last maxDraft before the window's end. */
  hiddenRow(window: number, position: number): Float32Array {
    const { heads, config } = this.layout;
    const at = (window * heads + (position % heads)) * config.hiddenSize;
    return this.#hidden.subarray(at, at + config.hiddenSize);
  }

  copyWindow(from: number, to: number): void {
    const { config, heads } = this.layout;
    const length = this.ring * kvWidth(config.window);
    this.#stores.forEach((store, layer) => {
      if (layer >= config.layers || config.sliding[layer])
        store.copyWithin(to * length, from * length, (from + 1) * length);
    });
    const rows = heads * config.hiddenSize;
    this.#hidden.copyWithin(to * rows, from * rows, (from + 1) * rows);
  }

  copyBlock(from: number, to: number): void {
    const { config, capacity } = this.layout;
    const length = capacity.blockTokens * kvWidth(config.global);
    config.sliding.forEach((sliding, layer) => {
      if (!sliding) this.#stores[layer].copyWithin(to * length, from * length, (from + 1) * length);
    });
  }
}

/** Op kv_copy: every window and block pair of the batch, before any row writes. */
export function kvCopy(kv: KvStore, batch: StepBatch): void {
  for (let row = 0; row < batch.windows.length; row++) {
    if (batch.copyWindow[row] !== none) kv.copyWindow(batch.copyWindow[row], batch.windows[row]);
    if (batch.copyBlock[2 * row] !== none) kv.copyBlock(batch.copyBlock[2 * row], batch.copyBlock[2 * row + 1]);
  }
}
