// The tensor formats of a GGUF file → float32, a block at a time. Each product and each sum is rounded to float32, in the order of
// llama.cpp's Python package `gguf` (quants.py), so that the results have the same bits.
import { fromBf16, fromF16 } from './number-formats.ts';

export interface TensorFormat {
  readonly name: string;
  /** Values a block, and bytes it takes. */
  readonly blockValues: number;
  readonly blockBytes: number;
  /** Reads the block at byte `at` of `view` into `out` from `to` on. */
  readonly read: (view: DataView, at: number, out: Float32Array, to: number) => void;
}

const { fround } = Math;

const half = (view: DataView, at: number): number => fromF16(view.getUint16(at, true));

/** 32 nibbles, the low ones of all 16 bytes first: `value` gets each with its place. */
function nibbles(view: DataView, at: number, take: (nibble: number, place: number) => void): void {
  for (let i = 0; i < 16; i++) {
    const byte = view.getUint8(at + i);
    take(byte & 15, i);
    take(byte >> 4, i + 16);
  }
}

/** The 8 scales and 8 minima of a Q4_K or Q5_K block, 6 bits each in 12 bytes. */
function scalesAndMinima(view: DataView, at: number): { scales: number[]; minima: number[] } {
  const byte = (i: number): number => view.getUint8(at + i);
  const scales: number[] = [];
  const minima: number[] = [];
  for (let i = 0; i < 4; i++) {
    scales.push(byte(i) & 63);
    minima.push(byte(i + 4) & 63);
  }
  for (let i = 0; i < 4; i++) {
    scales.push((byte(i + 8) & 15) | ((byte(i) >> 6) << 4));
    minima.push((byte(i + 8) >> 4) | ((byte(i + 4) >> 6) << 4));
  }
  return { scales, minima };
}

/** Q4_K and Q5_K: 8 groups of 32 values, `quant` gives value i of group g. */
function kGroups(
  view: DataView,
  at: number,
  out: Float32Array,
  to: number,
  quant: (group: number, i: number) => number,
): void {
  const scale = half(view, at);
  const minimum = half(view, at + 2);
  const { scales, minima } = scalesAndMinima(view, at + 4);
  for (let group = 0; group < 8; group++) {
    const d = fround(scale * scales[group]);
    const m = fround(minimum * minima[group]);
    for (let i = 0; i < 32; i++) out[to + group * 32 + i] = fround(d * quant(group, i)) - m;
  }
}

/** By ggml's number of the type. */
export const tensorFormats: ReadonlyMap<number, TensorFormat> = new Map<number, TensorFormat>([
  [
    0,
    {
      name: 'F32',
      blockValues: 1,
      blockBytes: 4,
      read: (view, at, out, to) => {
        out[to] = view.getFloat32(at, true);
      },
    },
  ],
  [
    1,
    {
      name: 'F16',
      blockValues: 1,
      blockBytes: 2,
      read: (view, at, out, to) => {
        out[to] = half(view, at);
      },
    },
  ],
  [
    30,
    {
      name: 'BF16',
      blockValues: 1,
      blockBytes: 2,
      read: (view, at, out, to) => {
        out[to] = fromBf16(view.getUint16(at, true));
      },
    },
  ],
  [
    2,
    {
      name: 'Q4_0',
      blockValues: 32,
      blockBytes: 18,
      read: (view, at, out, to) => {
        const d = half(view, at);
        nibbles(view, at + 2, (q, i) => (out[to + i] = d * (q - 8)));
      },
    },
  ],
  [
    3,
    {
      name: 'Q4_1',
      blockValues: 32,
      blockBytes: 20,
      read: (view, at, out, to) => {
        const d = half(view, at);
        const m = half(view, at + 2);
        nibbles(view, at + 4, (q, i) => (out[to + i] = fround(d * q) + m));
      },
    },
  ],
  [
    6,
    {
      name: 'Q5_0',
      blockValues: 32,
      blockBytes: 22,
      read: (view, at, out, to) => {
        const d = half(view, at);
        const high = view.getUint32(at + 2, true);
        nibbles(view, at + 6, (q, i) => (out[to + i] = d * ((q | (((high >>> i) & 1) << 4)) - 16)));
      },
    },
  ],
  [
    7,
    {
      name: 'Q5_1',
      blockValues: 32,
      blockBytes: 24,
      read: (view, at, out, to) => {
        const d = half(view, at);
        const m = half(view, at + 2);
        const high = view.getUint32(at + 4, true);
        nibbles(view, at + 8, (q, i) => (out[to + i] = fround(d * (q | (((high >>> i) & 1) << 4))) + m));
      },
    },
  ],
  [
    8,
    {
      name: 'Q8_0',
      blockValues: 32,
      blockBytes: 34,
      read: (view, at, out, to) => {
        const d = half(view, at);
        for (let i = 0; i < 32; i++) out[to + i] = d * view.getInt8(at + 2 + i);
      },
    },
  ],
  [
    12,
    {
      name: 'Q4_K',
      blockValues: 256,
      blockBytes: 144,
      read: (view, at, out, to) =>
        kGroups(view, at, out, to, (group, i) => {
          const byte = view.getUint8(at + 16 + (group >> 1) * 32 + i);
          return group & 1 ? byte >> 4 : byte & 15;
        }),
    },
  ],
  [
    13,
    {
      name: 'Q5_K',
      blockValues: 256,
      blockBytes: 176,
      read: (view, at, out, to) =>
        kGroups(view, at, out, to, (group, i) => {
          const byte = view.getUint8(at + 48 + (group >> 1) * 32 + i);
          const high = (view.getUint8(at + 16 + i) >> group) & 1;
          return (group & 1 ? byte >> 4 : byte & 15) | (high << 4);
        }),
    },
  ],
  [
    14,
    {
      name: 'Q6_K',
      blockValues: 256,
      blockBytes: 210,
      read: (view, at, out, to) => {
        const scale = half(view, at + 208);
        for (let i = 0; i < 256; i++) {
          // Each half of 128 has 64 low and 32 high bytes; quarter k of it is the nibble k >> 1 and the bit pair k.
          const part = i >> 7;
          const quarter = (i >> 5) & 3;
          const low = view.getUint8(at + part * 64 + (i & 63)) >> (quarter >> 1 ? 4 : 0);
          const high = view.getUint8(at + 128 + part * 32 + (i & 31)) >> (quarter * 2);
          const q = ((low & 15) | ((high & 3) << 4)) - 32;
          out[to + i] = fround(scale * view.getInt8(at + 192 + (i >> 4))) * q;
        }
      },
    },
  ],
]);
