// CUDA's words for kernels compiled as plain C++: one host thread runs the blocks of a grid one after another, and the threads of a
// block in turn, each on a stack of its own, from barrier to barrier.
//
// What this shows: indices, launch geometry, arithmetic (the same IEEE operations in the same order; expf is the host's), barriers that
// all threads reach, reads and writes inside of allocations (guard pages behind each), no dependence on the order of threads
// (they can run forwards, backwards or shuffled). What it cannot show: the memory model between barriers, speed, and whether nvcc and
// the hardware agree with it. See docs/cuda.md.
#pragma once
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <math.h>

#define DEVICE inline
#define UNROLL
/// Blocks run one at a time on a host thread, so what is static there is what a block shares.
#define SHARED static thread_local

struct Index3 {
  unsigned x, y, z;
};

namespace emulator {

/// One thread of a block; its stack is the emulator's.
struct Thread {
  Index3 index;
  unsigned lane, warp;
  /// How many warp exchanges it has made; two sets of places are used in turn.
  unsigned exchanges;
  /// hopper.cpp: products may begin; some have begun that no group holds.
  bool may_multiply, open_products;
};

extern constinit thread_local Thread* current;
extern constinit thread_local Index3 block_index, block_size, grid_size;
extern constinit thread_local unsigned char* shared;

void block_barrier();
void warp_barrier();
/// Puts 8 bytes in this lane's place, waits for the warp, and returns the places of all lanes.
const std::uint64_t* exchange(std::uint64_t value);
/// Ends the launch with an error.
[[noreturn]] void fail(const char* problem);

/// The address, which must be a multiple of `bytes`, as it must on a device.
inline const void* aligned(const void* address, std::uintptr_t bytes) {
  if (reinterpret_cast<std::uintptr_t>(address) % bytes != 0) fail("a wide access that is not aligned");
  return address;
}

template <class T>
T exchanged(T value, unsigned lane) {
  static_assert(sizeof(T) <= 8);
  std::uint64_t bits = 0;
  std::memcpy(&bits, &value, sizeof(T));
  bits = exchange(bits)[lane];
  std::memcpy(&value, &bits, sizeof(T));
  return value;
}

/// What KERNEL makes of a kernel: its body over type-less arguments.
struct Kernel {
  const char* name;
  unsigned threads, argument_bytes;
  void (*body)(const void* arguments);
};
void add(const Kernel& kernel);

struct Registration {
  explicit Registration(const Kernel& kernel) { add(kernel); }
};

}  // namespace emulator

#define threadIdx (emulator::current->index)
#define blockIdx (emulator::block_index)
#define blockDim (emulator::block_size)
#define gridDim (emulator::grid_size)

#define KERNEL(name, Args, threads)                                                                            \
  static void name##_body(const Args& args);                                                                   \
  static const emulator::Registration name##_registration({                                                    \
      #name, threads, sizeof(Args), [](const void* args) { name##_body(*static_cast<const Args*>(args)); }});  \
  static void name##_body(const Args& args)

#define KERNEL_BLOCKS(name, Args, threads, blocks) KERNEL(name, Args, threads)

#define DYNAMIC_SHARED(T, name) T* name = reinterpret_cast<T*>(emulator::shared)

inline void __syncthreads() { emulator::block_barrier(); }
inline void __syncwarp(unsigned = 0xffffffffu) { emulator::warp_barrier(); }

template <class T>
T __shfl_xor_sync(unsigned mask, T value, unsigned lanes) {
  if (mask != 0xffffffffu) emulator::fail("a shuffle of a part of a warp");
  return emulator::exchanged(value, emulator::current->lane ^ lanes);
}
template <class T>
T __shfl_sync(unsigned mask, T value, unsigned lane) {
  if (mask != 0xffffffffu) emulator::fail("a shuffle of a part of a warp");
  return emulator::exchanged(value, lane % 32);
}

/// A bit for each lane whose predicate holds.
inline unsigned __ballot_sync(unsigned mask, bool predicate) {
  if (mask != 0xffffffffu) emulator::fail("a vote of a part of a warp");
  const std::uint64_t* votes = emulator::exchange(predicate);
  unsigned bits = 0;
  for (unsigned lane = 0; lane < 32; lane++) bits |= static_cast<unsigned>(votes[lane]) << lane;
  return bits;
}
inline unsigned __popc(unsigned bits) { return static_cast<unsigned>(__builtin_popcount(bits)); }

struct alignas(8) float2 {
  float x, y;
};

inline float __uint_as_float(unsigned bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline unsigned __float_as_uint(float value) {
  unsigned bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

/// Bytes of {a, b} chosen by the four lowest digits of `digits`.
inline unsigned __byte_perm(unsigned a, unsigned b, unsigned digits) {
  std::uint64_t bytes = static_cast<std::uint64_t>(b) << 32 | a;
  unsigned result = 0;
  for (unsigned place = 0; place < 4; place++)
    result |= static_cast<unsigned>(bytes >> 8 * (digits >> 4 * place & 7) & 0xff) << 8 * place;
  return result;
}

inline unsigned min(unsigned a, unsigned b) { return a < b ? a : b; }
inline unsigned max(unsigned a, unsigned b) { return a > b ? a : b; }
inline int min(int a, int b) { return a < b ? a : b; }
inline int max(int a, int b) { return a > b ? a : b; }
