// The number formats of a checkpoint, as bit patterns: BF16, E4M3 with one scale per 128x128 block, and reading F16. Rounding is to
// nearest, ties to even; weights are finite.

const scratch = new Float32Array(1);
const scratchBits = new Uint32Array(scratch.buffer);

/** Rows and columns that share one FP8 scale. */
export const blockSize = 128;

/** float32 → BF16 bit patterns. */
export function toBf16(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const out = new Uint16Array(values.length);
  for (let i = 0; i < out.length; i++) {
    const bit = bits[i];
    out[i] = (bit + 0x7fff + ((bit >>> 16) & 1)) >>> 16;
  }
  return out;
}

export function fromBf16(bits: number): number {
  scratchBits[0] = bits << 16;
  return scratch[0];
}

export function fromF16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 0x8000 ? -1 : 1;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 31) return fraction === 0 ? sign * Infinity : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

/** Bit patterns of finite float32 → E4M3FN, saturating at 448. */
function toE4m3(bits: number): number {
  const sign = (bits >>> 24) & 0x80;
  const magnitude = bits & 0x7fffffff;
  // 2^-6, the least normal number of E4M3: below it the steps are 2^-9, and adding 2^52 rounds a double to a whole number.
  if (magnitude < 0x3c800000) {
    scratchBits[0] = magnitude;
    return sign | (scratch[0] * 512 + 2 ** 52 - 2 ** 52);
  }
  // 448.
  if (magnitude >= 0x43e00000) return sign | 0x7e;
  // The last 20 bits of the fraction go; the exponent's bias is 127 and becomes 7.
  return sign | (((magnitude + 0x7ffff + ((magnitude >>> 20) & 1)) >>> 20) - (120 << 3));
}

export interface Fp8Blocks {
  /** [rows, columns] E4M3 bit patterns. */
  readonly bits: Uint8Array<ArrayBuffer>;
  /** [ceil(rows / 128), ceil(columns / 128)]; real value = E4M3 value x scale. */
  readonly scales: Float32Array<ArrayBuffer>;
}

/** A float32 matrix → FP8 blocks: each scale maps the greatest magnitude of its block to 448; 1 where all is zero. */
export function toFp8Blocks(values: Float32Array, rows: number, columns: number): Fp8Blocks {
  const across = Math.ceil(columns / blockSize);
  const scales = new Float32Array(Math.ceil(rows / blockSize) * across);
  for (let row = 0; row < rows; row++) {
    const firstScale = Math.floor(row / blockSize) * across;
    for (let column = 0; column < columns; column++) {
      const at = firstScale + Math.floor(column / blockSize);
      const magnitude = Math.abs(values[row * columns + column]);
      if (magnitude > scales[at]) scales[at] = magnitude;
    }
  }
  for (let i = 0; i < scales.length; i++) scales[i] = scales[i] > 0 ? scales[i] / 448 : 1;
  const quotients = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) {
    const firstScale = Math.floor(row / blockSize) * across;
    for (let column = 0; column < columns; column++) {
      const at = row * columns + column;
      quotients[at] = values[at] / scales[firstScale + Math.floor(column / blockSize)];
    }
  }
  return { bits: Uint8Array.from(new Uint32Array(quotients.buffer), toE4m3), scales };
}
