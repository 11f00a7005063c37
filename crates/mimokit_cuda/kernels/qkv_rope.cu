// rope: what follows the three projections of qkv_rope, in place. Grid: (rows).
//   The first `rotary` dims of every q and k head turn in half-split pairs (i, i + rotary/2); v *= value_scale.
// Cosines and sines come from the host, taken in FP64: positions near 2^18 leave too few bits in FP32.
#include "device/arguments.cuh"

KERNEL(rope, RopeArgs, 256) {
  u64 row = blockIdx.x;
  u32 half = args.rotary / 2;
  const float* cosines = args.cosines + row * half;
  const float* sines = args.sines + row * half;
  u32 heads = args.heads + args.kv_heads;
  for (u32 index = threadIdx.x; index < heads * half; index += blockDim.x) {
    u32 head = index / half, pair = index % half;
    float* vector = head < args.heads ? args.q + (row * args.heads + head) * args.qk_dim
                                      : args.k + (row * args.kv_heads + head - args.heads) * args.qk_dim;
    float a = vector[pair], b = vector[pair + half];
    vector[pair] = a * cosines[pair] - b * sines[pair];
    vector[pair + half] = b * cosines[pair] + a * sines[pair];
  }
  float* v = args.v + row * args.kv_heads * args.v_dim;
  for (u32 index = threadIdx.x; index < args.kv_heads * args.v_dim; index += blockDim.x) v[index] *= args.value_scale;
}
