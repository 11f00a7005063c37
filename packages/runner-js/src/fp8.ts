// The number formats: E4M3FN and BF16 to and from FP32, and dynamic activation quantisation. No model, no layout.
//   E4M3FN: 1 sign, 4 exponent (bias 7), 3 mantissa bits; largest 448; no infinity; 0x7f and 0xff are NaN.
// Source: facts of the checkpoint's own scheme: FP8 weights in blocks, activations per token and 128 channels.

const float = new Float32Array(1);
const bits = new Uint32Array(float.buffer);

/** The value of every E4M3 byte. */
export const e4m3Values: Float32Array = Float32Array.from({ length: 256 }, (_, byte) => {
  const exponent = (byte >> 3) & 15;
  const mantissa = byte & 7;
  const magnitude =
    (byte & 127) === 127
      ? Number.NaN
      : exponent === 0
        ? (mantissa / 8) * 2 ** -6
        : (1 + mantissa / 8) * 2 ** (exponent - 7);
  return byte & 128 ? -magnitude : magnitude;
});

/** The nearest E4M3 byte, ties to even, after clamping to +-448. NaN gives NaN (0x7f). */
export function encodeE4m3(value: number): number {
  float[0] = value;
  const sign = (bits[0] >>> 24) & 128;
  const magnitude = bits[0] & 0x7fffffff;
  if (magnitude > 0x7f800000) return sign | 127;
  if (magnitude >= 0x43e00000) return sign | 126; // 448 and above
  // Normal numbers, from 2^-6: 20 of 23 mantissa bits go; adding half of the last kept place, less one if it is even, rounds.
  if (magnitude >= 0x3c800000) {
    const rounded = magnitude + 0x7ffff + ((magnitude >>> 20) & 1);
    return sign | ((rounded >>> 20) - (120 << 3));
  }
  // Subnormals are multiples of 2^-9: adding 2^14 makes the FPU round to that place, ties to even.
  float[0] = Math.abs(float[0]) + 16384;
  return sign | (bits[0] & 15);
}

/** E4M3 bytes to FP32, unscaled. */
export function decodeE4m3(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length);
  for (let index = 0; index < bytes.length; index++) values[index] = e4m3Values[bytes[index]];
  return values;
}

/** Little-endian BF16 to FP32. */
export function decodeBf16(bytes: Uint8Array): Float32Array {
  const values = new Float32Array(bytes.length >> 1);
  const words = new Uint32Array(values.buffer);
  for (let index = 0; index < words.length; index++)
    words[index] = ((bytes[2 * index + 1] << 8) | bytes[2 * index]) << 16;
  return values;
}

/** The nearest BF16 as its 16 bits, ties to even. */
export function encodeBf16(value: number): number {
  float[0] = value;
  if (Number.isNaN(value)) return (bits[0] >>> 16) | 64;
  return (bits[0] + 0x7fff + ((bits[0] >>> 16) & 1)) >>> 16;
}

/** The FP32 value of 16 BF16 bits. */
export function bf16Value(half: number): number {
  bits[0] = half << 16;
  return float[0];
}

/**
 * Dynamic activation quantisation of x [rows, width] as FP8 GEMMs see it: per row and group of `group` channels,
 * scale = max(|x|, 1e-10) / 448, each value rounded to E4M3 and scaled back. FP32 arithmetic; `into` gets q * scale.
 */
export function quantiseActivations(
  x: Float32Array,
  rows: number,
  width: number,
  group: number,
  into: Float32Array,
): void {
  for (let row = 0; row < rows; row++) {
    for (let start = 0; start < width; start += group) {
      const from = row * width + start;
      const to = row * width + Math.min(width, start + group);
      const scale = activationScale(x, from, to);
      for (let index = from; index < to; index++)
        into[index] = e4m3Values[encodeE4m3(Math.fround(x[index] / scale))] * scale;
    }
  }
}

/** The FP32 scale of one group x[from..to). */
export function activationScale(x: Float32Array, from: number, to: number): number {
  let largest = Math.fround(1e-10);
  for (let index = from; index < to; index++) largest = Math.max(largest, Math.abs(x[index]));
  return Math.fround(largest / 448);
}
