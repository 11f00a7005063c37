// linear: y = x W^T (+ bias), or y += x W^T. One warp per output column and four rows. Grid: (ceil(out / 4), ceil(rows / 4)).
//   x [rows, in] FP32, W [out, in] stored -> y [rows, out]
// Lane l sums columns l, l + 32, …, then the lanes are added by a butterfly: one order per element, whatever the number of rows.
// The portable tier: right on every card and shape, near no limit. Bound: the bytes of W per four rows.
#include "device/arguments.cuh"
#include "device/reduce.cuh"

constexpr u32 ROWS = 4;

KERNEL(linear, LinearArgs, 128) {
  u32 out = blockIdx.x * 4 + warp_index();
  if (out >= args.weight.rows) return;
  u32 cols = args.weight.cols;
  u32 first_row = blockIdx.y * ROWS;
  u32 rows = min(ROWS, args.rows - first_row);
  const float* scales = scales_of_row(args.weight, out);
  const float* x = args.x + static_cast<u64>(first_row) * cols;
  u64 row_start = static_cast<u64>(out) * cols;
  float sums[ROWS] = {};
  for (u32 col = lane_index(); col < cols; col += WARP) {
    float weight = weight_at(args.weight, row_start, col, scales);
    UNROLL
    for (u32 row = 0; row < ROWS; row++)
      if (row < rows) sums[row] = fmaf(x[static_cast<u64>(row) * cols + col], weight, sums[row]);
  }
  float bias = args.bias ? args.bias[out] : 0.0f;
  UNROLL
  for (u32 row = 0; row < ROWS; row++) {
    if (row >= rows) break;
    float sum = warp_sum(sums[row]) + bias;
    if (lane_index() == 0) {
      float* y = args.y + static_cast<u64>(first_row + row) * args.weight.rows + out;
      *y = args.adds ? *y + sum : sum;
    }
  }
}
