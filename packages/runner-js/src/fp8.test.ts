// The number formats against their golden tables.
import { fixtureJson, fixtureJsonl, readSafetensors } from '@mimokit/fixtures';
import { expect, test } from 'vitest';
import { golden, largestDifference } from '../test/goldens.ts';
import { applyScales, fuseHeadScales, headGrid } from './fp8-scales.ts';
import {
  activationScale,
  bf16Value,
  decodeE4m3,
  e4m3Values,
  encodeBf16,
  encodeE4m3,
  quantiseActivations,
} from './fp8.ts';
import { linear } from './linear.ts';

test('every byte has its value', () => {
  const { values } = fixtureJson<{ values: (number | null)[] }>('fp8', 'e4m3_table.json');
  expect(values).toHaveLength(256);
  values.forEach((value, byte) => {
    if (value === null) expect(e4m3Values[byte]).toBeNaN();
    else expect({ byte, value: e4m3Values[byte] }).toEqual({ byte, value });
  });
});

test('rounding: ties to even, saturation, subnormals, zeros', () => {
  const cases = fixtureJsonl<{ kind: string; f32_bits: string; clamped_byte: number }>('fp8', 'rounding.jsonl');
  expect(cases.length).toBeGreaterThan(400);
  for (const { kind, f32_bits: hex, clamped_byte: byte } of cases) {
    const value = new DataView(Uint32Array.of(Number.parseInt(hex, 16)).buffer).getFloat32(0, true);
    if (Number.isNaN(value)) continue;
    expect({ kind, hex, byte: encodeE4m3(value) }).toEqual({ kind, hex, byte });
  }
});

test('every finite byte survives a round trip', () => {
  for (let byte = 0; byte < 256; byte++) if ((byte & 127) !== 127) expect(encodeE4m3(e4m3Values[byte])).toBe(byte);
});

test('BF16 rounds to nearest, ties to even, and keeps infinities and NaN', () => {
  const words = new Uint32Array(1);
  const floats = new Float32Array(words.buffer);
  for (const [bits, half] of [
    [0x3f808000, 0x3f80],
    [0x3f818000, 0x3f82],
    [0x3f808001, 0x3f81],
    [0xff800000, 0xff80],
    [0x7f7fffff, 0x7f80],
  ]) {
    words[0] = bits;
    expect(encodeBf16(floats[0])).toBe(half);
  }
  expect(bf16Value(encodeBf16(Number.NaN))).toBeNaN();
});

test('a linear with FP8 weights: exact inputs and dynamically quantised ones', () => {
  const tensors = readSafetensors('fp8', 'linear.safetensors');
  const weight = decodeE4m3(golden(tensors, 'weight').data as Uint8Array);
  const [outputs, inputs] = golden(tensors, 'weight').shape;
  applyScales(weight, outputs, inputs, golden(tensors, 'weight_scale_inv').data as Float32Array, 128, (row) =>
    Math.floor(row / 128),
  );
  const x = golden(tensors, 'x').data as Float32Array;
  const rows = golden(tensors, 'x').shape[0];
  const y = new Float32Array(rows * outputs);
  const layer = { weight, outputs, inputs, fp8: true };

  linear(layer, x, rows, y);
  expect(largestDifference(y, golden(tensors, 'y.weight_only').data)).toBeLessThanOrEqual(1e-4);

  const scales = golden(tensors, 'x.scale').data;
  const bytes = golden(tensors, 'x.q').data;
  for (let group = 0; group < scales.length; group++)
    expect(activationScale(x, group * 128, group * 128 + 128)).toBe(scales[group]);
  const quantised = new Float32Array(x.length);
  quantiseActivations(x, rows, inputs, 128, quantised);
  quantised.forEach((value, index) =>
    expect(value).toBe(Math.fround(e4m3Values[bytes[index]] * scales[Math.floor(index / 128)])),
  );
  linear(layer, quantised, rows, y);
  expect(largestDifference(y, golden(tensors, 'y.dynamic').data)).toBeLessThanOrEqual(1e-4);
});

test('the K and V grid that restarts per KV head', () => {
  const tensors = readSafetensors('fp8', 'ga_kv_grid.safetensors');
  const [heads, keyDim, valueDim] = [4, 192, 128];
  const grid = headGrid(keyDim, valueDim, 128);
  expect(grid).toEqual({ perHead: 3, key: 2, value: 1 });
  const scales = (name: string): Float32Array => golden(tensors, `h4.${name}.weight_scale_inv`).data as Float32Array;
  const fused = fuseHeadScales(grid, heads, 1, scales('k_proj'), scales('v_proj'));
  for (const [name, width, offset] of [
    ['k_proj', keyDim, 0],
    ['v_proj', valueDim, keyDim],
  ] as const) {
    const { data, shape } = golden(tensors, `h4.${name}.weight`);
    const weight = decodeE4m3(data as Uint8Array);
    const rowOf = (row: number): number =>
      Math.floor(row / width) * grid.perHead + Math.floor((offset + (row % width)) / 128);
    applyScales(weight, shape[0], shape[1], fused, 128, rowOf);
    const sums = Float32Array.from({ length: shape[0] }, (_, row) =>
      weight.subarray(row * shape[1], (row + 1) * shape[1]).reduce((sum, value) => sum + value, 0),
    );
    expect(largestDifference(sums, golden(tensors, `h4.${name}.row_sum`).data)).toBeLessThanOrEqual(1e-4);
  }
});
