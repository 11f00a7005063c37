// What the ops of a forward pass share: the model, its KV, working memory, and the slice of tokens that runs now.
import type { KvStore } from './kv.ts';
import type { Linear } from './linear.ts';
import { linear } from './linear.ts';
import type { Pace } from './pace.ts';
import type { AttentionShape } from './config.ts';
import { quantiseActivations } from './fp8.ts';
import type { Model } from './weights.ts';

/** Consecutive positions of one sequence inside a slice. */
export interface Part {
  /** First token of the part within the slice. */
  offset: number;
  count: number;
  /** Position of that first token. */
  start: number;
  /** Block ids of the sequence. */
  table: Int32Array;
  window: number;
}

/** Tokens that go through the layers together, from one or many sequences. */
export interface Slice {
  count: number;
  parts: readonly Part[];
  /** cos and sin per token for the global and the sliding layers, [count, rotaryDim] as cos, sin pairs. */
  globalRotation: Float64Array;
  windowRotation: Float64Array;
}

export interface Pass {
  model: Model;
  kv: KvStore;
  windowKeys: number;
  /** Quantise the inputs of FP8 linears as an FP8 GEMM would. */
  quantise: boolean;
  memory: Memory;
  pace: Pace;
}

/** Named working arrays that grow and are reused; contents never survive the op that took them. */
export class Memory {
  readonly #arrays = new Map<string, Float32Array>();

  take(name: string, length: number): Float32Array {
    const array = this.#arrays.get(name);
    if (array !== undefined && array.length >= length) return array;
    const grown = new Float32Array(Math.ceil(length * 1.25));
    this.#arrays.set(name, grown);
    return grown;
  }
}

export function createSlice(model: Model, parts: readonly Part[]): Slice {
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  return {
    count,
    parts,
    globalRotation: rotation(model.config.global, parts, count),
    windowRotation: rotation(model.config.window, parts, count),
  };
}

/** Angle of pair i at position p: p * theta^(-2i / rotaryDim). */
function rotation({ rotaryDim, theta }: AttentionShape, parts: readonly Part[], count: number): Float64Array {
  const table = new Float64Array(count * rotaryDim);
  for (let pair = 0; pair < rotaryDim / 2; pair++) {
    const frequency = theta ** ((-2 * pair) / rotaryDim);
    for (const { offset, count, start } of parts) {
      for (let index = 0; index < count; index++) {
        const angle = (start + index) * frequency;
        const at = (offset + index) * rotaryDim + 2 * pair;
        table[at] = Math.cos(angle);
        table[at + 1] = Math.sin(angle);
      }
    }
  }
  return table;
}

/** y = x W^T, with x quantised first where the weight is FP8 and the pass asks for it. */
export function project(pass: Pass, layer: Linear, x: Float32Array, rows: number, y: Float32Array): void {
  if (!pass.quantise || !layer.fp8) return linear(layer, x, rows, y);
  const quantised = pass.memory.take('quantised', rows * layer.inputs);
  quantiseActivations(x, rows, layer.inputs, pass.model.config.scaleBlock[1], quantised);
  return linear(layer, quantised, rows, y);
}
