// The rows of q, k and v in a fused projection, sharded and plain.
import { expect, test } from 'vitest';
import { fusedLayout, splitRows } from './fused-qkv.ts';

const shape = { heads: 4, kvHeads: 2, headDim: 2, valueDim: 3, rotaryDim: 2, theta: 1, sink: false };
const parts = ['query', 'key', 'value'] as const;

/** Each row holds its own number. */
const rows = (count: number, width: number): Float32Array =>
  Float32Array.from({ length: count * width }, (_, index) => Math.floor(index / width));
const firsts = (part: Float32Array, width: number): number[] => [...part].filter((_, index) => index % width === 0);

test('shards hold [Q | K | V] each', () => {
  const layout = fusedLayout('x', shape, 2);
  expect(layout.rows).toBe(18);
  const split = parts.map((part) => firsts(splitRows(layout, part, rows(18, 5), 5), 5));
  expect(split).toEqual([
    [0, 1, 2, 3, 9, 10, 11, 12],
    [4, 5, 13, 14],
    [6, 7, 8, 15, 16, 17],
  ]);
});

test('plain rows are one shard', () => {
  const layout = fusedLayout('x', shape, 1);
  const split = parts.map((part) => [...splitRows(layout, part, rows(18, 1), 1)]);
  expect(split.flat()).toEqual(Array.from({ length: 18 }, (_, row) => row));
});

test('shards that do not divide the KV heads are refused', () => {
  expect(() => fusedLayout('x', shape, 4)).toThrow(expect.objectContaining({ code: 'config-unsupported' }));
});
