// embed: rows of the embedding table as FP32. Grid: (rows).
//   ids [rows], table [vocab, width] stored -> out [rows, width]
// Bound: the bytes of `rows` table rows.
#include "device/arguments.cuh"

KERNEL(embed, EmbedArgs, 256) {
  u32 id = args.ids[blockIdx.x];
  const float* scales = scales_of_row(args.table, id);
  u64 row_start = static_cast<u64>(id) * args.table.cols;
  float* out = args.out + static_cast<u64>(blockIdx.x) * args.table.cols;
  for (u32 col = threadIdx.x; col < args.table.cols; col += blockDim.x)
    out[col] = weight_at(args.table, row_start, col, scales);
}
