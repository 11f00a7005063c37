// Single ops of the native core over plain arrays, for tests, benches and research. They run at once, on the calling thread.
import type { AttnWindowShape, RouterResult, RouterShape } from '../binding.d.cts';
import { loadBinding } from './load-binding.ts';
import { translated } from './native-error.ts';

export type { AttnWindowShape, RouterResult, RouterShape } from '../binding.d.cts';

/** The values of E4M3 bytes; NaN for 0x7f and 0xff. */
export function fp8Decode(bytes: Uint8Array): Float32Array {
  return translated('invalid-argument', () => loadBinding().fp8Decode(bytes));
}

/** The nearest E4M3 bytes, ties to even, after clamping to ±448. */
export function fp8Encode(values: Float32Array): Uint8Array {
  return translated('invalid-argument', () => loadBinding().fp8Encode(values));
}

/**
 * y [n, rows] = W x: E4M3 weights [rows, columns], scales [ceil(rows / 128), ceil(columns / 128)], x [n, columns]. With `quantise`, x is
 * rounded to E4M3 per 128 columns first, the checkpoint's own scheme. Throws `invalid-argument` for lengths that do not fit.
 */
export function fp8Linear(
  x: Float32Array,
  weight: Uint8Array,
  scales: Float32Array,
  columns: number,
  options: { quantise?: boolean } = {},
): Float32Array {
  return translated('invalid-argument', () =>
    loadBinding().fp8Linear(x, weight, scales, columns, options.quantise ?? false),
  );
}

/**
 * Sliding-window attention of positions 0..n: q [n, heads, qkDim], k [n, kvHeads, qkDim], v [n, kvHeads, vDim], one sink per head (empty:
 * none) -> [n, heads, vDim]. Throws `invalid-argument` for lengths that do not fit.
 */
export function attnWindow(
  q: Float32Array,
  k: Float32Array,
  v: Float32Array,
  sinks: Float32Array,
  shape: AttnWindowShape,
): Float32Array {
  return translated('invalid-argument', () => loadBinding().attnWindow(q, k, v, sinks, shape));
}

/**
 * The router of a MoE layer: x [n, hidden] through RMSNorm, sigmoid scores by gate [experts, hidden], the topK largest of score + bias (the
 * lower expert on a tie), their scores divided by their sum. Throws `invalid-argument` for lengths that do not fit.
 */
export function router(
  x: Float32Array,
  norm: Float32Array,
  gate: Float32Array,
  bias: Float32Array,
  shape: RouterShape,
): RouterResult {
  return translated('invalid-argument', () => loadBinding().router(x, norm, gate, bias, shape));
}
