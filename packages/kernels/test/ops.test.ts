// Single ops against the fixtures and against formulas written out here.
import { fixtureJson, fixtureJsonl, readSafetensors } from '@mimokit/fixtures';
import { attnWindow, fp8Decode, fp8Encode, fp8Linear, router } from '@mimokit/kernels';
import { isMimoError } from '@mimokit/protocol';
import { expect, test } from 'vitest';
import { expectClose } from './goldens.ts';

/** Numbers in [-1, 1), the same on every run. */
function noise(length: number, seed: number): Float32Array {
  let state = seed;
  return Float32Array.from({ length }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return state / 2147483648;
  });
}

test('fp8Decode gives the table of all 256 bytes', () => {
  const { values } = fixtureJson<{ values: (number | null)[] }>('fp8', 'e4m3_table.json');
  const found = fp8Decode(Uint8Array.from({ length: 256 }, (_, byte) => byte));
  expect([...found].map((value) => (Number.isNaN(value) ? null : value))).toEqual(values);
});

test('fp8Encode rounds to nearest even after clamping', () => {
  const cases = fixtureJsonl<{ f32_bits: string; clamped_byte: number }>('fp8', 'rounding.jsonl');
  const bits = Uint32Array.from(cases, (one) => Number.parseInt(one.f32_bits, 16));
  expect([...fp8Encode(new Float32Array(bits.buffer))]).toEqual(cases.map((one) => one.clamped_byte));
});

test('fp8Linear agrees with the fixture, exact and with quantised activations', () => {
  const tensors = readSafetensors('fp8', 'linear.safetensors');
  const tensor = (name: string): NonNullable<ReturnType<typeof tensors.get>> => {
    const found = tensors.get(name);
    if (found === undefined) throw new Error(`${name} is missing`);
    return found;
  };
  const x = Float32Array.from(tensor('x').data);
  const weight = Uint8Array.from(tensor('weight').data);
  const scales = Float32Array.from(tensor('weight_scale_inv').data);
  for (const [quantise, name] of [
    [false, 'y.weight_only'],
    [true, 'y.dynamic'],
  ] as const) {
    const expected = tensor(name);
    const largest = Math.max(...expected.data.map(Math.abs));
    const found = fp8Linear(x, weight, scales, 256, { quantise });
    const relative = found.map((value) => value / largest);
    expectClose(relative, { ...expected, data: Float32Array.from(expected.data, (value) => value / largest) }, name);
  }
});

test('attnWindow is the formula of the report: sinks in the denominator, the window counts the query', () => {
  const [rows, heads, kvHeads, qkDim, vDim, windowKeys] = [20, 4, 2, 24, 16, 5];
  const q = noise(rows * heads * qkDim, 1);
  const k = noise(rows * kvHeads * qkDim, 2);
  const v = noise(rows * kvHeads * vDim, 3);
  const sinks = noise(heads, 4);
  const expected = new Float32Array(rows * heads * vDim);
  for (let row = 0; row < rows; row++) {
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / (heads / kvHeads));
      let total = Math.exp(sinks[head]);
      for (let key = Math.max(0, row - windowKeys + 1); key <= row; key++) {
        let score = 0;
        for (let dim = 0; dim < qkDim; dim++) {
          score += q[(row * heads + head) * qkDim + dim] * k[(key * kvHeads + kvHead) * qkDim + dim];
        }
        const weight = Math.exp(score / Math.sqrt(qkDim));
        total += weight;
        for (let dim = 0; dim < vDim; dim++) {
          expected[(row * heads + head) * vDim + dim] += weight * v[(key * kvHeads + kvHead) * vDim + dim];
        }
      }
      for (let dim = 0; dim < vDim; dim++) expected[(row * heads + head) * vDim + dim] /= total;
    }
  }
  const found = attnWindow(q, k, v, sinks, { heads, kvHeads, qkDim, vDim, windowKeys });
  expectClose(found, { dtype: 'F32', shape: [rows, heads * vDim], data: expected }, 'attnWindow');
});

test('router takes the largest score + bias, mixes by score, and the lower expert wins a tie', () => {
  const [hidden, experts] = [8, 6];
  const x = noise(hidden, 5);
  const norm = new Float32Array(hidden).fill(1);
  const gate = new Float32Array(experts * hidden);
  // Experts 1 and 4 are equal, 5 is chosen for its bias alone.
  const direction = noise(hidden, 5);
  for (const expert of [1, 4]) gate.set(direction, expert * hidden);
  const bias = Float32Array.of(0, 0, 0, 0, 0, 3);
  const { ids, weights } = router(x, norm, gate, bias, { experts, topK: 2, eps: 1e-6 });
  expect([...ids]).toEqual([1, 5]);
  const squares = x.reduce((sum, value) => sum + value * value, 0);
  const logit = squares / Math.sqrt(squares / hidden + 1e-6);
  const [one, five] = [1 / (1 + Math.exp(-logit)), 0.5];
  expect(weights[0]).toBeCloseTo(one / (one + five), 6);
  expect(weights[1]).toBeCloseTo(five / (one + five), 6);
});

test('lengths that do not fit are refused', () => {
  const floats = new Float32Array(10);
  const codes = [
    () => fp8Linear(floats, new Uint8Array(7), floats, 5),
    () => fp8Linear(floats, new Uint8Array(10), floats, 5),
    () => fp8Linear(floats, new Uint8Array(10), floats, 0),
    () => attnWindow(floats, floats, floats, floats, { heads: 3, kvHeads: 2, qkDim: 1, vDim: 1, windowKeys: 1 }),
    () => router(floats, floats, floats, floats, { experts: 2, topK: 3, eps: 0 }),
  ].map((call) => {
    try {
      call();
      return 'no error';
    } catch (error) {
      return isMimoError(error) ? error.code : String(error);
    }
  });
  expect(codes).toEqual(codes.map(() => 'invalid-argument'));
});
