// move_rows: out[targets[i]] = x[rows[i]]. Gathers rows of a result, keeps hidden rows in windows. Grid: (rows).
#include "device/arguments.cuh"

KERNEL(move_rows, MoveRowsArgs, 256) {
  u64 from = args.rows ? args.rows[blockIdx.x] : blockIdx.x;
  u64 to = args.targets ? args.targets[blockIdx.x] : blockIdx.x;
  for (u32 col = threadIdx.x; col < args.width; col += 256)
    args.out[to * args.width + col] = args.x[from * args.width + col];
}
