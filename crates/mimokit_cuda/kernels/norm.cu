// rms_norm: x / sqrt(mean(x^2) + eps) * weight. Grid: (rows). A part of most ops, none by itself.
// quantise: what E4M3 activations make of rows: per group of 128 columns, scale = max(amax, 1e-10) / 448. Grid: (rows, groups).
#include "device/arguments.cuh"
#include "device/reduce.cuh"

KERNEL(rms_norm, RmsNormArgs, 256) {
  u64 row = args.rows ? args.rows[blockIdx.x] : blockIdx.x;
  const float* x = args.x + row * args.width;
  float* out = args.out + static_cast<u64>(blockIdx.x) * args.width;
  float squares = 0.0f;
  for (u32 col = threadIdx.x; col < args.width; col += 256) squares = fmaf(x[col], x[col], squares);
  float mean = block_sum<256>(squares) / static_cast<float>(args.width);
  float inverse = 1.0f / sqrtf(mean + args.eps);
  for (u32 col = threadIdx.x; col < args.width; col += 256) out[col] = x[col] * inverse * args.weight[col];
}

KERNEL(quantise, QuantiseArgs, 32) {
  u32 first = blockIdx.y * GROUP;
  u32 end = min(first + GROUP, args.width);
  u64 row_start = static_cast<u64>(blockIdx.x) * args.width;
  float largest = 0.0f;
  for (u32 col = first + threadIdx.x; col < end; col += WARP) largest = fmaxf(largest, fabsf(args.x[row_start + col]));
  float scale = group_scale(warp_max(largest));
  for (u32 col = first + threadIdx.x; col < end; col += WARP)
    args.out[row_start + col] = decode_e4m3(encode_e4m3(args.x[row_start + col] / scale)) * scale;
}
