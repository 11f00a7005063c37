// What both tiers of FP8 products share (hopper/fp8_wgmma.cu, fp8_mma.cu): which tile of a grid is whose, and what becomes of its sums.
//
// A tile is 128 weight rows times N input rows, inputs quantised per row and 128 columns (quantise.cu). Weight rows are the M of the tensor cores, so
// that few input rows waste little. Sums of a product of 128 columns start at zero, in the tensor cores' order; then
//   y = fma(sum, weight scale * input scale, y),   columns ascending.
// N changes nothing in that: a row's bits do not depend on how many run beside it.
//
// What the tile's weight rows are: `linear`, `down`: rows 128 t on of one matrix. `gate_up`: rows 64 t on of gate, then the same rows of up.
// Input rows come in groups of one expert each (places.cu); without a list there is one group, of all rows.
#pragma once
#include "arguments.cuh"

constexpr u32 WEIGHT_ROWS = 128;
/// Tiles of weights that run over a group's inputs before the next ones do, so that both stay in L2.
constexpr u32 BAND = 16;

/// A tile's place.
struct Fp8Work {
  u32 expert;
  /// First input place, and how many of the tile's exist.
  u32 first, rows;
  /// Which product of `parts`, and the tile among its weights.
  u32 part, tile;
};

DEVICE u32 weight_tiles(const Fp8Args& args) {
  if (args.mode == FP8_GATE_UP) return ceil_div(args.parts[0].weight.rows, WEIGHT_ROWS / 2);
  u32 tiles = 0;
  for (u32 part = 0; part < args.count; part++) tiles += ceil_div(args.parts[part].weight.rows, WEIGHT_ROWS);
  return tiles;
}

template <u32 N>
DEVICE u32 input_tiles(const Fp8Args& args) {
  return args.tiles ? *args.tile_count : ceil_div(args.rows, N);
}

/// Tile `index` of the weight_tiles * input_tiles of a grid.
template <u32 N>
DEVICE Fp8Work fp8_work(const Fp8Args& args, u32 index, u32 weights) {
  Fp8Work work;
  u32 rows = args.rows, place = 0, first_tile = 0;
  work.expert = 0;
  if (args.tiles) {
    const u32* tile = args.tiles + 4 * (index / weights);
    work.expert = tile[0];
    place = tile[1];
    rows = tile[2];
    first_tile = tile[3];
  }
  u32 tiles = ceil_div(rows, N), local = index - first_tile * weights;
  u32 band = local / (BAND * tiles), in_band = local - band * BAND * tiles;
  u32 width = min(BAND, weights - band * BAND);
  u32 input = in_band / width;
  work.tile = band * BAND + in_band - input * width;
  work.first = place + input * N;
  work.rows = min(N, rows - input * N);
  work.part = 0;
  if (args.mode == FP8_LINEAR) {
    while (work.part + 1 < args.count && work.tile >= ceil_div(args.parts[work.part].weight.rows, WEIGHT_ROWS))
      work.tile -= ceil_div(args.parts[work.part++].weight.rows, WEIGHT_ROWS);
  }
  return work;
}

/// The matrix that row `row` of a tile belongs to, and its row there.
DEVICE const Matrix& tile_matrix(const Fp8Args& args, const Fp8Work& work, u32 row, u32& out) {
  u32 which = 0;
  if (args.mode == FP8_GATE_UP) {
    which = row / (WEIGHT_ROWS / 2);
    out = work.tile * (WEIGHT_ROWS / 2) + row % (WEIGHT_ROWS / 2);
  } else {
    which = args.mode == FP8_DOWN ? 2 : work.part;
    out = work.tile * WEIGHT_ROWS + row;
  }
  if (args.matrices) return args.matrices[3 * work.expert + which];
  return args.parts[args.mode == FP8_DOWN ? 0 : which].weight;
}

/// Scales of a weight row for all columns; those of row 0 when it does not exist, whose weights are zeros.
DEVICE const float* tile_scales(const Fp8Args& args, const Fp8Work& work, u32 row) {
  u32 out;
  const Matrix& matrix = tile_matrix(args, work, row, out);
  return scales_of_row(matrix, out < matrix.rows ? out : 0);
}

/// sums += products * weight scale of the thread's row * input scale of its column.
template <u32 N>
DEVICE void promote(float (&sums)[N / 2], const float (&products)[N / 2], const float (&weight)[2], const float* inputs) {
  u32 inner = lane_index() % 4;
  UNROLL
  for (u32 j = 0; j < N / 8; j++) {
    float2 input = *reinterpret_cast<const float2*>(inputs + 8 * j + 2 * inner);
    sums[4 * j] = fmaf(products[4 * j], weight[0] * input.x, sums[4 * j]);
    sums[4 * j + 1] = fmaf(products[4 * j + 1], weight[0] * input.y, sums[4 * j + 1]);
    sums[4 * j + 2] = fmaf(products[4 * j + 2], weight[1] * input.x, sums[4 * j + 2]);
    sums[4 * j + 3] = fmaf(products[4 * j + 3], weight[1] * input.y, sums[4 * j + 3]);
  }
}

/// Stores a warp's sums of a tile of linear or down: its 16 weight rows from `row` on times N inputs.
template <u32 N>
DEVICE void store_products(const Fp8Args& args, const Fp8Work& work, u32 row, const float (&sums)[N / 2]) {
  const Fp8Part& part = args.parts[work.part];
  u32 width = part.weight.rows, inner = lane_index() % 4;
  u32 out = work.tile * WEIGHT_ROWS + row + lane_index() / 4;
  UNROLL
  for (u32 upper = 0; upper < 2; upper++, out += 8) {
    if (out >= width) continue;
    float bias = part.bias ? part.bias[out] : 0.0f;
    UNROLL
    for (u32 j = 0; j < N / 8; j++) {
      UNROLL
      for (u32 odd = 0; odd < 2; odd++) {
        u32 column = 8 * j + 2 * inner + odd;
        if (column >= work.rows) continue;
        u32 place = work.first + column;
        float* y = part.y + static_cast<u64>(args.order ? args.order[place] : place) * width + out;
        float sum = sums[4 * j + 2 * upper + odd] + bias;
        *y = args.adds ? *y + sum : sum;
      }
    }
  }
}

/// Stores silu(gate) * up of a warp: 16 inner columns from `row` of the tile's 64 on, times N inputs. `up(i)` is up beside gate[i].
template <u32 N, class Up>
DEVICE void store_inner(const Fp8Args& args, const Fp8Work& work, u32 row, const float (&gate)[N / 2], const Up& up) {
  u32 width = args.parts[0].weight.rows, inner = lane_index() % 4;
  u32 out = work.tile * (WEIGHT_ROWS / 2) + row + lane_index() / 4;
  UNROLL
  for (u32 j = 0; j < N / 8; j++) {
    UNROLL
    for (u32 index = 0; index < 4; index++) {
      u32 column = 8 * j + 2 * inner + index % 2, at = out + 8 * (index / 2);
      float value = gate[4 * j + index] / (1.0f + expf(-gate[4 * j + index])) * up(4 * j + index);
      if (column < work.rows && at < width) args.parts[0].y[static_cast<u64>(work.first + column) * width + at] = value;
    }
  }
}
