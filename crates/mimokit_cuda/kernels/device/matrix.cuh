// A linear's weight [rows, cols] on the device, as it lies in the checkpoint: FP32, BF16, or E4M3 with block scales.
#pragma once
#include "numbers.cuh"

/// `src/arguments.rs` has the same struct. value(r, c) = stored(r, c) * scales[row_index[r] * col_blocks + c / block_cols].
struct Matrix {
  const u8* values;
  /// [grid rows, col_blocks]; null unless E4M3.
  const float* scales;
  /// [rows]: which grid row; one form for plain grids, grids that restart per KV head, and grids of a fused qkv.
  const u32* row_index;
  u32 rows, cols;
  u32 col_blocks, block_cols;
  int stored;
  u32 reserved;
};

DEVICE const float* scales_of_row(const Matrix& matrix, u32 row) {
  if (matrix.stored != E4M3) return nullptr;
  return matrix.scales + static_cast<u64>(matrix.row_index[row]) * matrix.col_blocks;
}

/// One weight, scaled and rounded to FP32; `scales` are those of its row.
DEVICE float weight_at(const Matrix& matrix, u64 row_start, u32 col, const float* scales) {
  float value = stored_value(matrix.values, row_start + col, matrix.stored);
  return scales ? value * scales[col / matrix.block_cols] : value;
}
