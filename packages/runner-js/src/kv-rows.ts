// Stored positions of one layer in one of the three formats. A row is [keys of all KV heads | values of all KV heads];
// with fp8 each of these vectors has an FP32 scale of its own, max(|x|, 1e-10) / 448, as quantised activations have.
import type { RunnerOptions } from '@mimokit/protocol';
import type { AttentionShape } from './config.ts';
import { activationScale, bf16Value, e4m3Values, encodeBf16, encodeE4m3 } from './fp8.ts';

export type KvFormat = NonNullable<RunnerOptions['kv']>;

/** Values of one row. */
export function kvWidth(shape: AttentionShape): number {
  return shape.kvHeads * (shape.headDim + shape.valueDim);
}

/** Bytes of one stored row, scales included. */
export function rowBytes(shape: AttentionShape, format: KvFormat): number {
  if (format === 'fp8') return kvWidth(shape) + 2 * shape.kvHeads * 4;
  return kvWidth(shape) * (format === 'bf16' ? 2 : 4);
}

export interface KvRows {
  /** Stores the row that begins at rows[from]. */
  write(slot: number, rows: Float32Array, from: number): void;
  /** Reads `count` rows into into[to..]. */
  read(slot: number, count: number, into: Float32Array, to: number): void;
  copy(fromSlot: number, toSlot: number, count: number): void;
}

export function createRows(shape: AttentionShape, format: KvFormat, slots: number): KvRows {
  const width = kvWidth(shape);
  if (format === 'fp8') return new ScaledRows(shape, slots);
  return format === 'bf16' ? new HalfRows(width, slots) : new FloatRows(width, slots);
}

class FloatRows implements KvRows {
  readonly #width: number;
  readonly #values: Float32Array;

  constructor(width: number, slots: number) {
    this.#width = width;
    this.#values = new Float32Array(slots * width);
  }

  write(slot: number, rows: Float32Array, from: number): void {
    for (let index = 0; index < this.#width; index++) this.#values[slot * this.#width + index] = rows[from + index];
  }

  read(slot: number, count: number, into: Float32Array, to: number): void {
    into.set(this.#values.subarray(slot * this.#width, (slot + count) * this.#width), to);
  }

  copy(fromSlot: number, toSlot: number, count: number): void {
    this.#values.copyWithin(toSlot * this.#width, fromSlot * this.#width, (fromSlot + count) * this.#width);
  }
}

class HalfRows implements KvRows {
  readonly #width: number;
  readonly #halves: Uint16Array;

  constructor(width: number, slots: number) {
    this.#width = width;
    this.#halves = new Uint16Array(slots * width);
  }

  write(slot: number, rows: Float32Array, from: number): void {
    const at = slot * this.#width;
    for (let index = 0; index < this.#width; index++) this.#halves[at + index] = encodeBf16(rows[from + index]);
  }

  read(slot: number, count: number, into: Float32Array, to: number): void {
    const at = slot * this.#width;
    for (let index = 0; index < count * this.#width; index++) into[to + index] = bf16Value(this.#halves[at + index]);
  }

  copy(fromSlot: number, toSlot: number, count: number): void {
    this.#halves.copyWithin(toSlot * this.#width, fromSlot * this.#width, (fromSlot + count) * this.#width);
  }
}

class ScaledRows implements KvRows {
  readonly #width: number;
  /** Where each vector of a row begins, and the row's end. */
  readonly #starts: readonly number[];
  readonly #vectors: number;
  readonly #bytes: Uint8Array;
  readonly #scales: Float32Array;

  constructor({ kvHeads, headDim, valueDim }: AttentionShape, slots: number) {
    this.#vectors = 2 * kvHeads;
    this.#width = kvHeads * (headDim + valueDim);
    this.#starts = Array.from({ length: this.#vectors + 1 }, (_, vector) =>
      vector <= kvHeads ? vector * headDim : kvHeads * headDim + (vector - kvHeads) * valueDim,
    );
    this.#bytes = new Uint8Array(slots * this.#width);
    this.#scales = new Float32Array(slots * this.#vectors);
  }

  write(slot: number, rows: Float32Array, from: number): void {
    for (let vector = 0; vector < this.#vectors; vector++) {
      const [start, end] = [this.#starts[vector], this.#starts[vector + 1]];
      const scale = activationScale(rows, from + start, from + end);
      this.#scales[slot * this.#vectors + vector] = scale;
      for (let index = start; index < end; index++) {
        this.#bytes[slot * this.#width + index] = encodeE4m3(Math.fround(rows[from + index] / scale));
      }
    }
  }

  read(slot: number, count: number, into: Float32Array, to: number): void {
    for (let row = 0; row < count; row++) {
      const at = (slot + row) * this.#width;
      for (let vector = 0; vector < this.#vectors; vector++) {
        const scale = this.#scales[(slot + row) * this.#vectors + vector];
        for (let index = this.#starts[vector]; index < this.#starts[vector + 1]; index++) {
          into[to + row * this.#width + index] = e4m3Values[this.#bytes[at + index]] * scale;
        }
      }
    }
  }

  copy(fromSlot: number, toSlot: number, count: number): void {
    this.#bytes.copyWithin(toSlot * this.#width, fromSlot * this.#width, (fromSlot + count) * this.#width);
    this.#scales.copyWithin(toSlot * this.#vectors, fromSlot * this.#vectors, (fromSlot + count) * this.#vectors);
  }
}
