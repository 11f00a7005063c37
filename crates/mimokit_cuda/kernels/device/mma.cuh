// Tensor-core products of one warp (mma.sync, sm_80 on) and copies to shared memory that run beside it (cp.async).
// Fragments of m16n8k16, as the PTX manual lays them out; lane = 4 * group + inner, two BF16 in a word, the lower index in the lower half:
//   a[0]: row group,     columns 2 * inner ..        a[2]: the same row, columns 2 * inner + 8 ..
//   a[1]: row group + 8, columns 2 * inner ..        a[3]: row group + 8, columns 2 * inner + 8 ..
//   b[0]: rows 2 * inner .., column group            b[1]: rows 2 * inner + 8 .., column group
//   d[0], d[1]: row group, columns 2 * inner, + 1    d[2], d[3]: row group + 8
#pragma once
#include "wide.cuh"

#ifdef __CUDACC__
/// d += a b, BF16 in, FP32 sums.
DEVICE void mma_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// d += a b, FP16 in, FP32 sums.
DEVICE void mma_half(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.f16.f16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/// Four 8 x 8 matrices of 16-bit elements from shared memory: lane l names row l % 8 of matrix l / 8, of 16 bytes; a lane gets of each the pair of
/// columns 2 * inner of row `group`.
DEVICE void load_matrices(u32 (&to)[4], const u8* row) {
  u32 at = static_cast<u32>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(at)
               : "memory");
}
/// The same with rows and columns turned: a lane gets rows 2 * inner and the next of column `group`.
DEVICE void load_matrices_turned(u32 (&to)[4], const u8* row) {
  u32 at = static_cast<u32>(__cvta_generic_to_shared(row));
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(at)
               : "memory");
}

/// Starts copying 16 bytes from global to shared memory.
DEVICE void copy_wide_async(void* to, const void* from) {
  u32 shared = static_cast<u32>(__cvta_generic_to_shared(to));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;" ::"r"(shared), "l"(from) : "memory");
}
/// Closes a group of copies.
DEVICE void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
/// Waits until at most `open` of this thread's groups are not done.
template <u32 open>
DEVICE void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(open) : "memory");
}
#else
/// `number(word, half)` is a half of a word as a number.
template <class Number>
DEVICE void mma_16x8x16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2], const Number& number) {
  u32 group = emulator::current->lane / 4, inner = emulator::current->lane % 4;
  auto pair = [](u32 low, u32 high) { return static_cast<u64>(high) << 32 | low; };
  // Rows `group` and `group + 8` of a, columns 2 * inner and one more of b; copied out before the next exchange.
  float rows[2][16], columns[2][16];
  for (u32 upper = 0; upper < 2; upper++) {
    const std::uint64_t* words = emulator::exchange(pair(a[2 * upper], a[2 * upper + 1]));
    for (u32 k = 0; k < 8; k++) {
      std::uint64_t both = words[group * 4 + k / 2];
      rows[0][8 * upper + k] = number(static_cast<u32>(both), k % 2);
      rows[1][8 * upper + k] = number(static_cast<u32>(both >> 32), k % 2);
    }
  }
  const std::uint64_t* words = emulator::exchange(pair(b[0], b[1]));
  for (u32 column = 0; column < 2; column++) {
    for (u32 k = 0; k < 16; k++) {
      std::uint64_t both = words[(2 * inner + column) * 4 + k % 8 / 2];
      columns[column][k] = number(static_cast<u32>(k < 8 ? both : both >> 32), k % 2);
    }
  }
  for (u32 index = 0; index < 4; index++)
    for (u32 k = 0; k < 16; k++) d[index] = fmaf(rows[index / 2][k], columns[index % 2][k], d[index]);
}

DEVICE void mma_bf16(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  mma_16x8x16(d, a, b, [](u32 word, u32 half) { return __uint_as_float(half ? word & 0xffff0000u : word << 16); });
}
DEVICE void mma_half(float (&d)[4], const u32 (&a)[4], const u32 (&b)[2]) {
  mma_16x8x16(d, a, b, [](u32 word, u32 half) { return half_to_float(static_cast<u16>(half ? word >> 16 : word)); });
}

/// `element(rows, lane)` is what a lane gets of a matrix with these eight rows.
template <class Element>
DEVICE void load_8x8(u32 (&to)[4], const u8* row, const Element& element) {
  emulator::aligned(row, 16);
  const std::uint64_t* places = emulator::exchange(reinterpret_cast<std::uint64_t>(row));
  const u16* rows[32];
  for (u32 lane = 0; lane < 32; lane++) rows[lane] = reinterpret_cast<const u16*>(places[lane]);
  for (u32 matrix = 0; matrix < 4; matrix++) to[matrix] = element(rows + 8 * matrix, emulator::current->lane);
}
DEVICE void load_matrices(u32 (&to)[4], const u8* row) {
  load_8x8(to, row, [](const u16* const* rows, u32 lane) {
    const u16* pair = rows[lane / 4] + 2 * (lane % 4);
    return static_cast<u32>(pair[0]) | static_cast<u32>(pair[1]) << 16;
  });
}
DEVICE void load_matrices_turned(u32 (&to)[4], const u8* row) {
  load_8x8(to, row, [](const u16* const* rows, u32 lane) {
    u32 first = 2 * (lane % 4), column = lane / 4;
    return static_cast<u32>(rows[first][column]) | static_cast<u32>(rows[first + 1][column]) << 16;
  });
}

DEVICE void copy_wide_async(void* to, const void* from) { store_wide(to, load_wide(from)); }
DEVICE void commit_copies() {}
template <u32 open>
DEVICE void wait_copies() {}
#endif
