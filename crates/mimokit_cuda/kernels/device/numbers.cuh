// E4M3 (1 sign, 4 exponent, 3 mantissa bits, bias 7, no infinities, NaN at 0x7f and 0xff) and BF16, by bits: the same results on
// every architecture and as mimokit_cpu/src/fp8.rs. Hardware conversions are in sm90.cuh.
#pragma once
#include "target.cuh"

/// Stored type of a matrix or of keys and values; src/arguments.rs has the same numbers.
enum Stored : int { F32 = 0, BF16 = 1, E4M3 = 2 };

constexpr float E4M3_MAX = 448.0f;
/// Columns that share a scale of dynamically quantised activations.
constexpr u32 GROUP = 128;

DEVICE float bits_to_float(u32 bits) { return __uint_as_float(bits); }
DEVICE u32 float_to_bits(float value) { return __float_as_uint(value); }

DEVICE float decode_e4m3(u8 byte) {
  u32 magnitude = byte & 0x7f;
  // Exponent and mantissa bits in FP32's places are 2^120 too small; subnormals come out right by themselves.
  float value = bits_to_float(magnitude << 20) * 0x1p120f;
  if (magnitude == 0x7f) value = bits_to_float(0x7fc00000);
  return byte & 0x80 ? -value : value;
}

/// Nearest, ties to even, after clamping to +-448. NaN stays NaN.
DEVICE u8 encode_e4m3(float value) {
  u32 sign = (float_to_bits(value) >> 24) & 0x80;
  if (value != value) return static_cast<u8>(sign | 0x7f);
  float magnitude = fminf(fabsf(value), E4M3_MAX);
  if (magnitude < 0x1p-6f) {
    // Subnormals are multiples of 2^-9: adding 2^14 makes the adder round to them.
    return static_cast<u8>(sign | (float_to_bits(magnitude + 16384.0f) & 0xff));
  }
  u32 bits = float_to_bits(magnitude);
  u32 rounded = bits + 0x7ffff + ((bits >> 20) & 1);
  return static_cast<u8>(sign | ((rounded >> 20) - (120u << 3)));
}

DEVICE float group_scale(float largest) { return fmaxf(largest, 1e-10f) / E4M3_MAX; }

DEVICE float decode_bf16(u16 half) { return bits_to_float(static_cast<u32>(half) << 16); }

/// Nearest, ties to even. NaN stays NaN.
DEVICE u16 encode_bf16(float value) {
  u32 bits = float_to_bits(value);
  if (value != value) return static_cast<u16>((bits >> 16) | 0x40);
  return static_cast<u16>((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

/// Element `index` of stored values, before any scale.
DEVICE float stored_value(const u8* values, u64 index, int stored) {
  if (stored == E4M3) return decode_e4m3(values[index]);
  if (stored == BF16) return decode_bf16(reinterpret_cast<const u16*>(values)[index]);
  return reinterpret_cast<const float*>(values)[index];
}
