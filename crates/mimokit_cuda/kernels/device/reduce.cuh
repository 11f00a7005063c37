// Sums and maxima over a warp or a block. Orders are fixed, and every thread gets the same bits.
#pragma once
#include "target.cuh"

DEVICE float warp_sum(float value) {
  UNROLL
  for (u32 step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
  return value;
}

DEVICE float warp_max(float value) {
  UNROLL
  for (u32 step = WARP / 2; step > 0; step /= 2) value = fmaxf(value, __shfl_xor_sync(ALL_LANES, value, step));
  return value;
}

/// Adds N values each over the lanes, N a power of two of at most 32: lane l gets the sum of value l / (32 / N), in the order of warp_sum.
/// Each step sends half of what is left, so it takes N shuffles instead of 5 N. `LEFT` and `STEP` are the recursion's own.
template <u32 N, u32 LEFT = N / 2, u32 STEP = WARP / 2>
DEVICE float warp_sums(float (&values)[N]) {
  if constexpr (STEP == 0) {
    return values[0];
  } else if constexpr (LEFT == 0) {
    values[0] += __shfl_xor_sync(ALL_LANES, values[0], STEP);
    return warp_sums<N, 0, STEP / 2>(values);
  } else {
    bool is_upper = lane_index() & STEP;
    UNROLL
    for (u32 index = 0; index < LEFT; index++) {
      float sent = is_upper ? values[index] : values[index + LEFT];
      float kept = is_upper ? values[index + LEFT] : values[index];
      values[index] = kept + __shfl_xor_sync(ALL_LANES, sent, STEP);
    }
    return warp_sums<N, LEFT / 2, STEP / 2>(values);
  }
}

/// Over all threads of a block of `threads`, a multiple of 32. All threads call it; it ends with a barrier.
template <u32 threads>
DEVICE float block_sum(float value) {
  SHARED float parts[threads / WARP];
  value = warp_sum(value);
  if (lane_index() == 0) parts[warp_index()] = value;
  __syncthreads();
  value = 0.0f;
  UNROLL
  for (u32 warp = 0; warp < threads / WARP; warp++) value += parts[warp];
  __syncthreads();
  return value;
}

template <u32 threads>
DEVICE float block_max(float value) {
  SHARED float parts[threads / WARP];
  value = warp_max(value);
  if (lane_index() == 0) parts[warp_index()] = value;
  __syncthreads();
  value = parts[0];
  UNROLL
  for (u32 warp = 1; warp < threads / WARP; warp++) value = fmaxf(value, parts[warp]);
  __syncthreads();
  return value;
}
