// quantise_rows: rows to E4M3, per group of 128 columns with scale = max(amax, 1e-10) / 448, for the FP8 products; a row goes to every place that one of
//   its choices has. One warp a group. Grid: (rows, ceil(groups / 8)). width a multiple of 16.
//   x [rows, width] -> quantised [places, width], scales [groups, places]
#include "device/arguments.cuh"
#include "device/reduce.cuh"

KERNEL(quantise_rows, QuantiseRowsArgs, 256) {
  u32 group = blockIdx.y * 8 + warp_index(), col = group * GROUP + lane_index() * 4;
  if (group * GROUP >= args.width) return;
  float x[4] = {};
  if (col < args.width) {
    Wide wide = load_wide(args.x + static_cast<u64>(blockIdx.x) * args.width + col);
    UNROLL
    for (u32 index = 0; index < 4; index++) x[index] = bits_to_float(wide.words[index]);
  }
  float largest = 0.0f;
  bool is_nan = false;
  UNROLL
  for (u32 index = 0; index < 4; index++) {
    largest = fmaxf(largest, fabsf(x[index]));
    is_nan = is_nan || x[index] != x[index];
  }
  float scale = group_scale(warp_max(largest));
  u32 bytes = 0;
  UNROLL
  for (u32 index = 0; index < 4; index++) bytes |= static_cast<u32>(encode_e4m3(x[index] / scale)) << 8 * index;
  // A product's tier may not know NaN in E4M3; no tier loses a NaN scale.
  if (warp_max(is_nan ? 1.0f : 0.0f) > 0.0f) scale = bits_to_float(0x7fc00000);
  u32 copies = args.places ? args.copies : 1;
  for (u32 copy = 0; copy < copies; copy++) {
    u32 place = args.places ? args.places[blockIdx.x * copies + copy] : blockIdx.x;
    if (col < args.width) *reinterpret_cast<u32*>(args.quantised + static_cast<u64>(place) * args.width + col) = bytes;
    if (lane_index() == 0) args.scales[static_cast<u64>(group) * args.scale_stride + place] = scale;
  }
}
