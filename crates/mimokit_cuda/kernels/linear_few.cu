// linear_few: up to three products of the same rows (q, k and v of an attention; one elsewhere), y = x W^T (+ bias), or y += x W^T.
// A warp takes 4 output columns, a block 32, and 4 rows at a time. Grid: (blocks of all parts, ceil(rows / 4)).
// linear_one: the same for one row, with fewer registers, so that more warps have loads in flight. Grid: (blocks of all parts).
// Dynamic shared memory: 4 (or rows) vectors, few.cuh. Bound: the bytes of the weights per four rows.
#include "device/few.cuh"

constexpr u32 LINEAR_COLUMNS = 4;

template <int stored, u32 R>
DEVICE void multiply(const LinearPart& part, u32 first_out, u32 first_row, u32 rows, u32 adds) {
  DYNAMIC_SHARED(float, shared);
  u32 cols = part.weight.cols;
  const float* x[R];
  UNROLL
  for (u32 row = 0; row < R; row++)
    x[row] = first_row + row < rows ? part.x + static_cast<u64>(first_row + row) * cols : nullptr;
  u32 out = first_out + warp_index() * LINEAR_COLUMNS;
  WeightRows<LINEAR_COLUMNS> weights;
  UNROLL
  for (u32 index = 0; index < LINEAR_COLUMNS; index++) set_row<stored>(weights, index, part.weight, out + index);
  float sums[LINEAR_COLUMNS * R];
  few_dots<stored, LINEAR_COLUMNS, R>(weights, cols, x, shared, sums);
  float sum = warp_sums(sums);
  // The lanes of one sum stand side by side; the first of them stores it.
  constexpr u32 LANES = WARP / (LINEAR_COLUMNS * R);
  u32 place = lane_index() / LANES, column = out + place / R, row = first_row + place % R;
  if (lane_index() % LANES != 0 || column >= part.weight.rows || row >= rows) return;
  float* y = part.y + static_cast<u64>(row) * part.weight.rows + column;
  if (part.bias) sum += part.bias[column];
  *y = adds ? *y + sum : sum;
}

template <int stored, bool is_one>
DEVICE void multiply_rows(const LinearPart& part, u32 first_out, u32 rows, u32 adds) {
  u32 first_row = is_one ? 0 : blockIdx.y * FEW_ROWS;
  u32 left = rows - first_row;
  if (is_one || left == 1) multiply<stored, 1>(part, first_out, first_row, rows, adds);
  else if constexpr (!is_one) {
    if (left == 2) multiply<stored, 2>(part, first_out, first_row, rows, adds);
    else multiply<stored, 4>(part, first_out, first_row, rows, adds);
  }
}

template <bool is_one>
DEVICE void multiply_parts(const LinearFewArgs& args) {
  constexpr u32 BLOCK_COLUMNS = FEW_WARPS * LINEAR_COLUMNS;
  u32 block = blockIdx.x, index = 0;
  while (index + 1 < args.count && block >= ceil_div(args.parts[index].weight.rows, BLOCK_COLUMNS))
    block -= ceil_div(args.parts[index++].weight.rows, BLOCK_COLUMNS);
  const LinearPart& part = args.parts[index];
  u32 first_out = block * BLOCK_COLUMNS;
  if (part.weight.stored == E4M3) multiply_rows<E4M3, is_one>(part, first_out, args.rows, args.adds);
  else if (part.weight.stored == BF16) multiply_rows<BF16, is_one>(part, first_out, args.rows, args.adds);
  else multiply_rows<F32, is_one>(part, first_out, args.rows, args.adds);
}

KERNEL(linear_few, LinearFewArgs, FEW_THREADS) { multiply_parts<false>(args); }

KERNEL_BLOCKS(linear_one, LinearFewArgs, FEW_THREADS, 2) { multiply_parts<true>(args); }
