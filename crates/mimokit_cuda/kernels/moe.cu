// expert_gate_up: inner = silu(W_gate n) * (W_up n) of every (row, chosen expert) pair. One warp a column.
//   Grid: (rows * top_k, ceil(width / 4)).
// expert_down: x += sum over the chosen experts, ascending, of weight * W_down inner. One warp a column. Grid: (rows, ceil(hidden / 4)).
// A dense feed-forward is one expert that every row chooses with weight 1.
// The portable tier: pairs do not share the bytes of an expert. Bound: the bytes of the union of chosen experts.
#include "device/arguments.cuh"
#include "device/reduce.cuh"

/// Dot product of a weight row and a vector, by one warp; all lanes get it.
DEVICE float row_dot(const Matrix& weight, u32 row, const float* x) {
  const float* scales = scales_of_row(weight, row);
  u64 row_start = static_cast<u64>(row) * weight.cols;
  float sum = 0.0f;
  for (u32 col = lane_index(); col < weight.cols; col += WARP)
    sum = fmaf(x[col], weight_at(weight, row_start, col, scales), sum);
  return warp_sum(sum);
}

KERNEL(expert_gate_up, ExpertsArgs, 128) {
  u32 column = blockIdx.y * 4 + warp_index();
  if (column >= args.width) return;
  u64 pair = blockIdx.x;
  u32 expert = args.ids ? args.ids[pair] : 0;
  const float* n = args.n + pair / args.top_k * args.hidden;
  float gate = row_dot(args.matrices[3 * expert], column, n);
  float up = row_dot(args.matrices[3 * expert + 1], column, n);
  if (lane_index() == 0) args.inner[pair * args.width + column] = gate / (1.0f + expf(-gate)) * up;
}

KERNEL(expert_down, ExpertsArgs, 128) {
  u32 column = blockIdx.y * 4 + warp_index();
  if (column >= args.hidden) return;
  u64 row = blockIdx.x;
  float sum = 0.0f;
  for (u32 index = 0; index < args.top_k; index++) {
    u64 pair = row * args.top_k + index;
    u32 expert = args.ids ? args.ids[pair] : 0;
    float weight = args.weights ? args.weights[pair] : 1.0f;
    sum = fmaf(weight, row_dot(args.matrices[3 * expert + 2], column, args.inner + pair * args.width), sum);
  }
  if (lane_index() == 0) args.x[row * args.hidden + column] += sum;
}
