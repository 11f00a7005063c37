// One source, two compilers: nvcc for a device; the host's C++ compiler for the emulated device of mimokit_cuda_check, whose
// emulator.h gives the same words (threadIdx, __syncthreads, __shfl_xor_sync, …) to plain C++.
//
// A kernel takes one struct of arguments by value, so that launching is the same everywhere and every argument has a name:
//   KERNEL(rms_norm, RmsNormArgs, 256) { … args.x … }
// The number is the threads of a block; the grid is said in the kernel's head.
#pragma once

#ifdef __CUDACC__
#define KERNEL(name, Args, threads) KERNEL_BLOCKS(name, Args, threads, 1)
/// With registers for `blocks` blocks side by side on a multiprocessor.
#define KERNEL_BLOCKS(name, Args, threads, blocks) \
  extern "C" __global__ void __launch_bounds__(threads, blocks) name(const __grid_constant__ Args args)
#define DEVICE __device__ __forceinline__
#define SHARED __shared__
extern __shared__ __align__(1024) unsigned char shared_bytes[];
/// Dynamic shared memory as an array of T, from the block's start.
#define DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(shared_bytes)
#define UNROLL _Pragma("unroll")
#else
#include "emulator.h"
#endif

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long long u64;

constexpr u32 WARP = 32;
constexpr u32 ALL_LANES = 0xffffffffu;

DEVICE u32 lane_index() { return threadIdx.x % WARP; }
DEVICE u32 warp_index() { return threadIdx.x / WARP; }
DEVICE u32 ceil_div(u32 a, u32 b) { return (a + b - 1) / b; }
