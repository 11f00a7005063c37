// Hopper's words on the emulated device: what device/hopper.cuh gives nvcc. Barriers, boxes and descriptors work as the PTX ISA says of them, bit by
// bit where a kernel makes the bits itself (descriptors, swizzle, phases).
//
// Copies and products are asynchronous, so they happen as early or as late as their barriers allow, by the launch's order: early ones show a stage that
// is filled while it is still read, late ones a stage, or a sum, that is read before it is there. A late copy leaves NaN until it arrives.
#pragma once
#include "emulator.h"

namespace emulator {

/// Of shared memory, from the block's start; a device's 32-bit shared address.
inline unsigned shared_offset(const void* pointer) {
  return static_cast<unsigned>(static_cast<const unsigned char*>(pointer) - shared);
}

/// Swizzle of 128 bytes, on the address from the block's start.
inline unsigned swizzled(unsigned at) { return at ^ (at >> 3 & 0x70); }

/// Bits of a barrier: arrivals that are missing (16), arrivals of a phase (15), phase (1), bytes that are missing (32, signed).
struct BarrierState {
  unsigned missing : 16, count : 15, phase : 1;
  int bytes;
};
static_assert(sizeof(BarrierState) == 8);

void barrier_settle(std::uint64_t* barrier, int arrivals, int bytes);
/// Lets the thread wait until `ready(of)`.
void wait_until(bool (*ready)(const void* of, unsigned with), const void* of, unsigned with);
void barrier_join(unsigned name, unsigned threads);

/// A copy, done at once or when nothing else can go on.
void copy_later(void* to, const void* map, unsigned x, unsigned y, unsigned z, unsigned bytes, std::uint64_t* barrier);
/// Adds the products of one instruction to the sums of the calling thread, at once or when it waits for them.
void multiply_later(float* sums, unsigned columns, std::uint64_t a, std::uint64_t b, bool adds);
void products_fence();
void products_close();
void products_done();

}  // namespace emulator

inline unsigned shared_address(const void* pointer) { return emulator::shared_offset(pointer); }

inline void barrier_init(u64* barrier, unsigned count) {
  emulator::BarrierState state{count, count, 0, 0};
  std::memcpy(barrier, &state, sizeof(state));
}
inline void fence_barriers() {}
inline void barrier_arrive(u64* barrier) { emulator::barrier_settle(reinterpret_cast<std::uint64_t*>(barrier), 1, 0); }
inline void barrier_expect(u64* barrier, unsigned bytes) {
  emulator::barrier_settle(reinterpret_cast<std::uint64_t*>(barrier), 1, static_cast<int>(bytes));
}
inline void barrier_wait(u64* barrier, unsigned parity) {
  emulator::wait_until(
      [](const void* of, unsigned wanted) {
        emulator::BarrierState state;
        std::memcpy(&state, of, sizeof(state));
        return state.phase != wanted;
      },
      barrier, parity);
}
inline void named_barrier(unsigned name, unsigned threads) { emulator::barrier_join(name, threads); }

inline void load_box(void* to, const TensorMap* map, u64* barrier, unsigned x, unsigned y, unsigned z) {
  emulator::copy_later(to, map, x, y, z, 0, reinterpret_cast<std::uint64_t*>(barrier));
}
inline void load_bulk(void* to, const void* from, unsigned bytes, u64* barrier) {
  emulator::copy_later(const_cast<void*>(emulator::aligned(to, 16)), emulator::aligned(from, 16), 0, 0, 0, bytes,
                       reinterpret_cast<std::uint64_t*>(barrier));
}

template <unsigned registers>
void fewer_registers() {}
template <unsigned registers>
void more_registers() {}

inline void products_begin() { emulator::products_fence(); }
inline void products_commit() { emulator::products_close(); }
inline void products_wait() { emulator::products_done(); }
inline void keep_register(float&) {}

template <unsigned N>
void multiply_e4m3(float (&d)[N / 2], u64 a, u64 b, bool adds) {
  emulator::multiply_later(d, N, a, b, adds);
}
