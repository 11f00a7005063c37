// 16-byte loads and stores, and FP16 by bits. An address that is not a multiple of 16 is an error on a device and on the emulated one.
#pragma once
#include "target.cuh"

struct alignas(16) Wide {
  u32 words[4];
};

#ifdef __CUDACC__
/// Global memory that others read too: through the caches.
DEVICE Wide load_wide(const void* from) {
  Wide wide;
  asm volatile("ld.global.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(wide.words[0]), "=r"(wide.words[1]), "=r"(wide.words[2]), "=r"(wide.words[3])
               : "l"(from));
  return wide;
}

/// Weights, which stream by once: not kept in L1.
DEVICE Wide load_wide_once(const void* from) {
  Wide wide;
  asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
               : "=r"(wide.words[0]), "=r"(wide.words[1]), "=r"(wide.words[2]), "=r"(wide.words[3])
               : "l"(from));
  return wide;
}

DEVICE Wide load_shared_wide(const void* from) { return *static_cast<const Wide*>(from); }
DEVICE void store_wide(void* to, const Wide& wide) { *static_cast<Wide*>(to) = wide; }

DEVICE float half_to_float(u16 half) {
  float value;
  asm("cvt.f32.f16 %0, %1;" : "=f"(value) : "h"(half));
  return value;
}
#else
DEVICE Wide load_wide(const void* from) { return *static_cast<const Wide*>(emulator::aligned(from, 16)); }
DEVICE Wide load_wide_once(const void* from) { return load_wide(from); }
DEVICE Wide load_shared_wide(const void* from) { return load_wide(from); }
DEVICE void store_wide(void* to, const Wide& wide) {
  *static_cast<Wide*>(const_cast<void*>(emulator::aligned(to, 16))) = wide;
}

DEVICE float half_to_float(u16 half) {
  u32 magnitude = half & 0x7fff;
  // Exponent and mantissa in FP32's places are 2^112 too small; FP16's infinities and NaNs do not occur.
  float value = __uint_as_float(magnitude << 13) * 0x1p112f;
  return half & 0x8000 ? -value : value;
}
#endif

/// E4M3 as FP16 comes out 2^8 too small, which a scale makes up for.
constexpr float E4M3_FACTOR = 256.0f;

/// Bytes 0 and 1 of a word (2 and 3 if `upper`) as two FP16, exactly but for E4M3_FACTOR; 0x7f and 0xff become +-480.
DEVICE u32 e4m3_as_halves(u32 bytes, u32 upper) {
  // To the upper halves of two FP16, then exponent and mantissa one place down.
  u32 spread = __byte_perm(bytes, 0, upper ? 0x3424 : 0x1404);
  return (spread & 0x80008000u) | ((spread & 0x7f007f00u) >> 1);
}
