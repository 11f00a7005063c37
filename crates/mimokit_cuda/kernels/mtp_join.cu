// join_rows: [rmsnorm(embed(id)), rmsnorm(h)], the input of an MTP head's W_join; h is a row of this step or one kept in a window.
//   ids [rows], fresh and kept [*, width] -> out [rows, 2 * width], embedding first. Grid: (rows, 2).
#include "device/arguments.cuh"
#include "device/reduce.cuh"

KERNEL(join_rows, JoinArgs, 256) {
  u64 row = blockIdx.x;
  u32 width = args.width;
  bool is_embedding = blockIdx.y == 0;
  float* out = args.out + row * 2 * width + (is_embedding ? 0 : width);
  u32 id = args.ids[row];
  const float* scales = scales_of_row(args.table, id);
  u64 table_start = static_cast<u64>(id) * width;
  const float* hidden = (args.sources[2 * row] ? args.kept : args.fresh) + static_cast<u64>(args.sources[2 * row + 1]) * width;
  float squares = 0.0f;
  for (u32 col = threadIdx.x; col < width; col += 256) {
    float value = is_embedding ? weight_at(args.table, table_start, col, scales) : hidden[col];
    out[col] = value;
    squares = fmaf(value, value, squares);
  }
  float inverse = 1.0f / sqrtf(block_sum<256>(squares) / static_cast<float>(width) + args.eps);
  const float* weight = is_embedding ? args.embedding_norm : args.hidden_norm;
  for (u32 col = threadIdx.x; col < width; col += 256) out[col] = out[col] * inverse * weight[col];
}
