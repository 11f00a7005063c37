// read_probe: reads memory as fast as it goes, for the benches: the limit that ops are held against. Grid: any.
//   `loads` 16-byte loads from `from` -> one word a block in `sums`, so that nothing is left out
#include "device/arguments.cuh"

KERNEL(read_probe, ReadProbeArgs, 256) {
  constexpr u32 AHEAD = 8;
  u64 step = static_cast<u64>(gridDim.x) * blockDim.x;
  u32 sum = 0;
  for (u64 at = static_cast<u64>(blockIdx.x) * blockDim.x + threadIdx.x; at < args.loads; at += AHEAD * step) {
    Wide wide[AHEAD] = {};
    UNROLL
    for (u32 index = 0; index < AHEAD; index++)
      if (at + index * step < args.loads) wide[index] = load_wide_once(args.from + 16 * (at + index * step));
    UNROLL
    for (u32 index = 0; index < AHEAD; index++)
      sum ^= wide[index].words[0] ^ wide[index].words[1] ^ wide[index].words[2] ^ wide[index].words[3];
  }
  if (args.sums && threadIdx.x == sum % 256) args.sums[blockIdx.x] = sum;
}
