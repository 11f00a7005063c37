// argmax: the largest logit below `pickable`, the lowest id on a tie; NaN counts as minus infinity. Grid: (rows).
//   logits [rows, vocab] -> best [rows]
// The greedy part of pick: ids instead of logits go to the host. Sampling and log-probabilities read the logits (pick.rs).
#include "device/arguments.cuh"
#include "device/reduce.cuh"

constexpr u32 NONE = 0xffffffffu;

KERNEL(argmax, ArgmaxArgs, 256) {
  SHARED float warp_best[256 / WARP];
  SHARED u32 warp_id[256 / WARP];
  const float* logits = args.logits + static_cast<u64>(blockIdx.x) * args.vocab;
  float best = -INFINITY;
  u32 best_id = NONE;
  for (u32 id = threadIdx.x; id < args.pickable; id += 256) {
    if (logits[id] > best) {
      best = logits[id];
      best_id = id;
    }
  }
  UNROLL
  for (u32 step = WARP / 2; step > 0; step /= 2) {
    float other = __shfl_xor_sync(ALL_LANES, best, step);
    u32 other_id = __shfl_xor_sync(ALL_LANES, best_id, step);
    if (other > best || (other == best && other_id < best_id)) {
      best = other;
      best_id = other_id;
    }
  }
  if (lane_index() == 0) {
    warp_best[warp_index()] = best;
    warp_id[warp_index()] = best_id;
  }
  __syncthreads();
  if (threadIdx.x != 0) return;
  for (u32 warp = 1; warp < 256 / WARP; warp++) {
    if (warp_best[warp] > best || (warp_best[warp] == best && warp_id[warp] < best_id)) {
      best = warp_best[warp];
      best_id = warp_id[warp];
    }
  }
  args.best[blockIdx.x] = best_id;
}
