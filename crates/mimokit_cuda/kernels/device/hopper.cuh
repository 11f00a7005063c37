// Words of Hopper (sm_90a): barriers in shared memory, bulk copies by the tensor memory accelerator, and warpgroup products of E4M3.
// The emulated device has the same words (emulator/hopper.h), with copies and products as early or as late as the barriers allow.
//
// Tiles of 128-byte rows lie swizzled: bits 4-6 of an address are XORed with bits 7-9, so that eight rows of one column meet eight banks. A tile
// begins at a multiple of 1024 bytes. Source: PTX ISA 9.0, "Asynchronous Warpgroup Level Matrix Instructions" and "Tensors".
#pragma once
#include "arguments.cuh"

/// Bytes of a swizzled row.
constexpr u32 SWIZZLED_BYTES = 128;

/// A K-major tile of 128-byte rows as wgmma reads it, beginning at `at` in shared memory: groups of eight rows are 1024 bytes apart, swizzle
/// mode 1 (128 bytes). Adding k / 16 steps k bytes along the rows.
DEVICE u64 tile_descriptor(u32 at) {
  constexpr u64 GROUP_STRIDE = 1024;
  return (static_cast<u64>(at & 0x3ffff) >> 4) | 1ull << 16 | (GROUP_STRIDE >> 4) << 32 | 1ull << 62;
}

#ifdef __CUDACC__
DEVICE u32 shared_address(const void* pointer) { return static_cast<u32>(__cvta_generic_to_shared(pointer)); }

/// A barrier whose phase ends after `count` arrivals and the bytes that were announced.
DEVICE void barrier_init(u64* barrier, u32 count) {
  asm volatile("mbarrier.init.shared::cta.b64 [%0], %1;" ::"r"(shared_address(barrier)), "r"(count) : "memory");
}
/// After the inits, before the barrier of the block that ends them: the accelerator sees them too.
DEVICE void fence_barriers() {
  asm volatile("fence.mbarrier_init.release.cluster;" ::: "memory");
  asm volatile("fence.proxy.async.shared::cta;" ::: "memory");
}
DEVICE void barrier_arrive(u64* barrier) {
  asm volatile("mbarrier.arrive.shared::cta.b64 _, [%0];" ::"r"(shared_address(barrier)) : "memory");
}
/// Arrives, and lets the phase wait for `bytes` of copies.
DEVICE void barrier_expect(u64* barrier, u32 bytes) {
  asm volatile("mbarrier.arrive.expect_tx.shared::cta.b64 _, [%0], %1;" ::"r"(shared_address(barrier)), "r"(bytes)
               : "memory");
}
/// Waits until the phase of this parity has ended.
DEVICE void barrier_wait(u64* barrier, u32 parity) {
  asm volatile(
      "{\n.reg .pred done;\nWAIT:\nmbarrier.try_wait.parity.shared::cta.b64 done, [%0], %1;\n@done bra DONE;\n"
      "bra WAIT;\nDONE:\n}" ::"r"(shared_address(barrier)),
      "r"(parity)
      : "memory");
}
/// Waits for `threads` threads of the block that name the same barrier; 0 is __syncthreads'.
DEVICE void named_barrier(u32 name, u32 threads) {
  asm volatile("bar.sync %0, %1;" ::"r"(name), "r"(threads) : "memory");
}

/// A box of a tensor to shared memory, one thread's call; what lies outside of the tensor is zeros.
DEVICE void load_box(void* to, const TensorMap* map, u64* barrier, u32 x, u32 y, u32 z) {
  asm volatile(
      "cp.async.bulk.tensor.3d.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1, {%3, %4, %5}], [%2];" ::"r"(
          shared_address(to)),
      "l"(map), "r"(shared_address(barrier)), "r"(x), "r"(y), "r"(z)
      : "memory");
}
/// `bytes` in a row, a multiple of 16 as both addresses are.
DEVICE void load_bulk(void* to, const void* from, u32 bytes, u64* barrier) {
  asm volatile("cp.async.bulk.shared::cluster.global.mbarrier::complete_tx::bytes [%0], [%1], %2, [%3];" ::"r"(
                   shared_address(to)),
               "l"(from), "r"(bytes), "r"(shared_address(barrier))
               : "memory");
}

/// Registers of a warpgroup from here on.
template <u32 registers>
DEVICE void fewer_registers() { asm volatile("setmaxnreg.dec.sync.aligned.u32 %0;" ::"n"(registers)); }
template <u32 registers>
DEVICE void more_registers() { asm volatile("setmaxnreg.inc.sync.aligned.u32 %0;" ::"n"(registers)); }

/// Before the first product that uses registers written by other instructions.
DEVICE void products_begin() { asm volatile("wgmma.fence.sync.aligned;" ::: "memory"); }
/// Closes the group of products that wait for one another.
DEVICE void products_commit() { asm volatile("wgmma.commit_group.sync.aligned;" ::: "memory"); }
DEVICE void products_wait() { asm volatile("wgmma.wait_group.sync.aligned 0;" ::: "memory"); }
/// The compiler must not move uses of a sum across the wait.
DEVICE void keep_register(float& value) { asm volatile("" : "+f"(value)::"memory"); }

#define SUMS_8(d, at)                                                                                             \
  "+f"(d[at]), "+f"(d[at + 1]), "+f"(d[at + 2]), "+f"(d[at + 3]), "+f"(d[at + 4]), "+f"(d[at + 5]), "+f"(d[at + 6]), \
      "+f"(d[at + 7])
#define SUMS_32(d, at) SUMS_8(d, at), SUMS_8(d, at + 8), SUMS_8(d, at + 16), SUMS_8(d, at + 24)
#define NAMES_32                                                                                     \
  "%0, %1, %2, %3, %4, %5, %6, %7, %8, %9, %10, %11, %12, %13, %14, %15, %16, %17, %18, %19, %20, " \
  "%21, %22, %23, %24, %25, %26, %27, %28, %29, %30, %31"

/// d = a b^T (+ d if `adds`) of 64 rows of a and N of b, 32 bytes of E4M3 each; sums FP32. One warpgroup. Warp w has rows 16 w on; a thread's
/// d[4 j + i] is row lane / 4 + 8 (i / 2), column 8 j + 2 (lane % 4) + i % 2.
template <u32 N>
DEVICE void multiply_e4m3(float (&d)[N / 2], u64 a, u64 b, bool adds) {
  static_assert(N == 16 || N == 64 || N == 128);
  u32 plus = adds;
  if constexpr (N == 16) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %10, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n16k32.f32.e4m3.e4m3 {%0, %1, %2, %3, %4, %5, %6, %7}, %8, %9, p, 1, 1;\n}"
        : SUMS_8(d, 0)
        : "l"(a), "l"(b), "r"(plus));
  } else if constexpr (N == 64) {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %34, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n64k32.f32.e4m3.e4m3 {" NAMES_32 "}, %32, %33, p, 1, 1;\n}"
        : SUMS_32(d, 0)
        : "l"(a), "l"(b), "r"(plus));
  } else {
    asm volatile(
        "{\n.reg .pred p;\nsetp.ne.b32 p, %66, 0;\n"
        "wgmma.mma_async.sync.aligned.m64n128k32.f32.e4m3.e4m3 {" NAMES_32
        ", %32, %33, %34, %35, %36, %37, %38, %39, %40, %41, %42, %43, %44, %45, %46, %47, %48, %49, %50, %51, %52, %53, %54, "
        "%55, %56, %57, %58, %59, %60, %61, %62, %63}, %64, %65, p, 1, 1;\n}"
        : SUMS_32(d, 0), SUMS_32(d, 32)
        : "l"(a), "l"(b), "r"(plus));
  }
}
#undef NAMES_32
#undef SUMS_32
#undef SUMS_8
#else
#include "hopper.h"
#endif
