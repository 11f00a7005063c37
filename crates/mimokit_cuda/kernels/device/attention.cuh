// Softmax attention of one query head over keys that come one by one from `Keys`, 128 at a time with a running maximum:
//   p_t = exp(s_t - m) / (exp(sink - m) + sum_u exp(s_u - m)),   s_t = q . k_t * scale
// The sink is not scaled and has no value. Tiles count from the first key, so the order of sums depends on the keys only.
// Source: MiMo-V2-Flash report, arXiv 2601.02780, eq. 1-4.
#pragma once
#include "kv.cuh"

constexpr u32 ATTENTION_THREADS = 128;

/// Dynamic shared memory: qk_dim + 128 + v_dim floats.
template <class Keys>
DEVICE void attend(const Keys& keys, u32 count, const float* q, u32 qk_dim, u32 v_dim, float scale, const float* sink,
                   float* out) {
  constexpr u32 TILE = ATTENTION_THREADS;
  DYNAMIC_SHARED(float, query);
  float* weights = query + qk_dim;
  float* sums = weights + TILE;
  u32 thread = threadIdx.x;
  for (u32 dim = thread; dim < qk_dim; dim += TILE) query[dim] = q[dim];
  for (u32 dim = thread; dim < v_dim; dim += TILE) sums[dim] = 0.0f;
  __syncthreads();
  float largest = sink ? *sink : -INFINITY;
  float denominator = sink ? 1.0f : 0.0f;
  for (u32 first = 0; first < count; first += TILE) {
    u32 tile = min(TILE, count - first);
    float score = -INFINITY;
    if (thread < tile) {
      float dot = 0.0f;
      for (u32 dim = 0; dim < qk_dim; dim++) dot = fmaf(query[dim], keys.key(first + thread, dim), dot);
      score = dot * scale;
    }
    float now = fmaxf(largest, block_max<TILE>(score));
    float weight = thread < tile ? expf(score - now) : 0.0f;
    weights[thread] = weight;
    // Ends with a barrier, after which all weights are there.
    float sum = block_sum<TILE>(weight);
    float shrink = expf(largest - now);
    denominator = fmaf(denominator, shrink, sum);
    largest = now;
    for (u32 dim = thread; dim < v_dim; dim += TILE) {
      float total = sums[dim] * shrink;
      for (u32 index = 0; index < tile; index++) total = fmaf(weights[index], keys.value(first + index, dim), total);
      sums[dim] = total;
    }
    __syncthreads();
  }
  for (u32 dim = thread; dim < v_dim; dim += TILE) out[dim] = sums[dim] / denominator;
}
