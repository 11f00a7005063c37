// Blocks and windows: which slot of which layer holds a position. How a slot is stored is kv-rows.ts.
//   block b, global layer: slots b * blockTokens ..     position p of a sequence sits in slot p % blockTokens of its block
//   window w, sliding layer or head: slots w * ring ..  position p sits in slot p % ring; ring = windowKeys + maxDraft - 1
//   window w, hidden: the last maxDraft rows h[p] of the main model, position p in row p % maxDraft
import { type KvCapacity, none, type StepBatch } from '@mimokit/protocol';
import type { ModelConfig } from './config.ts';
import { createRows, type KvFormat, type KvRows, kvWidth, rowBytes } from './kv-rows.ts';

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
  return {
    ring,
    blockBytes: (config.layers - slidingLayers) * blockTokens * rowBytes(config.global, format),
    windowBytes: (slidingLayers + heads) * ring * rowBytes(config.window, format) + heads * config.hiddenSize * 4,
  };
}

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
  readonly #rows: readonly KvRows[];
  readonly #hidden: Float32Array;
  /** One slot of the windows' kind, to see what the format makes of a row. */
  readonly #sample: KvRows;

  constructor(layout: KvLayout) {
    const { config, heads, windowKeys, format, capacity } = layout;
    this.layout = layout;
    this.ring = kvGeometry(config, windowKeys, heads, format, capacity.blockTokens).ring;
    const createWindows = (): KvRows => createRows(config.window, format, capacity.windows * this.ring);
    const createBlocks = (): KvRows => createRows(config.global, format, capacity.blocks * capacity.blockTokens);
    this.#rows = [
      ...config.sliding.map((sliding) => (sliding ? createWindows() : createBlocks())),
      ...Array.from({ length: heads }, createWindows),
    ];
    this.#hidden = new Float32Array(capacity.windows * heads * config.hiddenSize);
    this.#sample = createRows(config.window, format, 1);
  }

  /** Writes `count` rows for positions start.. of a global layer. */
  writeBlocks(layer: number, table: Int32Array, start: number, count: number, rows: Float32Array): void {
    const width = kvWidth(this.layout.config.global);
    for (let index = 0; index < count; index++) {
      this.#rows[layer].write(this.#blockSlot(table, start + index), rows, index * width);
    }
  }

  /** Reads positions [0, end) of a global layer into `into`, one row each. */
  readBlocks(layer: number, table: Int32Array, end: number, into: Float32Array): void {
    const width = kvWidth(this.layout.config.global);
    const { blockTokens } = this.layout.capacity;
    for (let position = 0; position < end; position += blockTokens) {
      const count = Math.min(blockTokens, end - position);
      this.#rows[layer].read(this.#blockSlot(table, position), count, into, position * width);
    }
  }

  #blockSlot(table: Int32Array, position: number): number {
    const { blockTokens } = this.layout.capacity;
    return table[Math.floor(position / blockTokens)] * blockTokens + (position % blockTokens);
  }

  /** Writes rows for positions start.. into a ring; of more than a ring only the last remain. `layer` counts MTP heads on. */
  writeWindow(layer: number, window: number, start: number, count: number, rows: Float32Array): void {
    const width = kvWidth(this.layout.config.window);
    for (let index = Math.max(0, count - this.ring); index < count; index++) {
      this.#rows[layer].write(window * this.ring + ((start + index) % this.ring), rows, index * width);
    }
  }

  /** Reads positions [from, end) of a ring into `into`, one row each. */
  readWindow(layer: number, window: number, from: number, end: number, into: Float32Array): void {
    const width = kvWidth(this.layout.config.window);
    for (let position = from; position < end; position++) {
      this.#rows[layer].read(window * this.ring + (position % this.ring), 1, into, (position - from) * width);
    }
  }

  /** What `count` fresh rows of a window will read as once they are stored, into into[to..]. */
  asStored(rows: Float32Array, count: number, into: Float32Array, to: number): void {
    const width = kvWidth(this.layout.config.window);
    for (let index = 0; index < count; index++) {
      this.#sample.write(0, rows, index * width);
      this.#sample.read(0, 1, into, to + index * width);
    }
  }

  /** The stored hidden row of a position, one of the last maxDraft before the window's end. */
  hiddenRow(window: number, position: number): Float32Array {
    const { heads, config } = this.layout;
    const at = (window * heads + (position % heads)) * config.hiddenSize;
    return this.#hidden.subarray(at, at + config.hiddenSize);
  }

  copyWindow(from: number, to: number): void {
    const { config, heads } = this.layout;
    this.#rows.forEach((rows, layer) => {
      const isWindow = layer >= config.layers || config.sliding[layer];
      if (isWindow) rows.copy(from * this.ring, to * this.ring, this.ring);
    });
    const rows = heads * config.hiddenSize;
    this.#hidden.copyWithin(to * rows, from * rows, (from + 1) * rows);
  }

  copyBlock(from: number, to: number): void {
    const { config, capacity } = this.layout;
    config.sliding.forEach((sliding, layer) => {
      if (!sliding)
        this.#rows[layer].copy(from * capacity.blockTokens, to * capacity.blockTokens, capacity.blockTokens);
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
