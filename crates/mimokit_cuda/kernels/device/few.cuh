// Products of weight rows with a few vectors, for steps of few tokens: the weights stream by once, 16 bytes a lane and load, two chunks
// ahead of their use; the vectors lie in shared memory; sums are FP32 on the plain cores.
//
// A warp takes `C` weight rows and `R` vectors. Lane l of a chunk has V columns from l * V on (V: elements in 16 bytes). It sums its columns in
// order, scaled per 16 columns where the weight is E4M3; the lanes are added by a butterfly. So an element's order depends on the shape alone,
// not on how many rows run: the law of docs/step.md.
//
// Issue slots a weight: about 3 to decode E4M3 and one per vector, of about 10 that HBM of an H100 leaves; hence R <= 4 here.
// Needs: cols a multiple of V, 16-byte aligned rows, E4M3 with blocks of 128 columns. Bytes 0x7f and 0xff (NaN, which no quantiser writes)
// count as +-480.
#pragma once
#include "arguments.cuh"
#include "reduce.cuh"

constexpr u32 FEW_THREADS = 256;
constexpr u32 FEW_WARPS = FEW_THREADS / WARP;
/// Vectors of a pass, and columns of them that are in shared memory at once: 128 KiB at most.
constexpr u32 FEW_ROWS = 4;
constexpr u32 FEW_SEGMENT = 8192;

/// Elements in 16 bytes.
template <int stored>
constexpr u32 PER_LOAD = stored == E4M3 ? 16 : stored == BF16 ? 8 : 4;

template <int stored>
DEVICE void widen(const Wide& wide, float (&values)[PER_LOAD<stored>]) {
  UNROLL
  for (u32 word = 0; word < 4; word++) {
    u32 bits = wide.words[word];
    if constexpr (stored == E4M3) {
      UNROLL
      for (u32 half = 0; half < 2; half++) {
        u32 pair = e4m3_as_halves(bits, half);
        values[4 * word + 2 * half] = half_to_float(static_cast<u16>(pair & 0xffff));
        values[4 * word + 2 * half + 1] = half_to_float(static_cast<u16>(pair >> 16));
      }
    } else if constexpr (stored == BF16) {
      values[2 * word] = bits_to_float(bits << 16);
      values[2 * word + 1] = bits_to_float(bits & 0xffff0000u);
    } else {
      values[word] = bits_to_float(bits);
    }
  }
}

/// Where column `col` of a vector lies in shared memory: planes of 4 columns a lane, so that a warp reads 512 bytes in a row.
template <int stored>
DEVICE u32 place_of(u32 col) {
  constexpr u32 V = PER_LOAD<stored>;
  u32 chunk = col / (WARP * V), lane = col / V % WARP, inner = col % V;
  return chunk * WARP * V + inner / 4 * WARP * 4 + lane * 4 + inner % 4;
}

/// Floats of shared memory a vector takes for `cols` columns: whole chunks.
template <int stored>
DEVICE u32 staged_floats(u32 cols) {
  constexpr u32 chunk = WARP * PER_LOAD<stored>;
  return ceil_div(min(cols, FEW_SEGMENT), chunk) * chunk;
}

/// The block copies columns [start, end) of R vectors; a null vector and columns past the end are zeros. Barriers are the caller's.
template <int stored, u32 R>
DEVICE void stage(const float* const (&x)[R], u32 start, u32 end, float* shared, u32 floats) {
  UNROLL
  for (u32 row = 0; row < R; row++) {
    for (u32 at = threadIdx.x * 4; at < floats; at += FEW_THREADS * 4) {
      Wide wide = {};
      if (x[row] && start + at < end) wide = load_wide(x[row] + start + at);
      store_wide(shared + row * floats + place_of<stored>(at), wide);
    }
  }
}

/// C weight rows as one warp reads them; a row beyond the matrix is null.
template <u32 C>
struct WeightRows {
  const u8* values[C];
  const float* scales[C];
};

template <int stored>
DEVICE u64 row_bytes(u32 cols) { return static_cast<u64>(cols) * (16 / PER_LOAD<stored>); }

template <int stored, u32 C>
DEVICE void set_row(WeightRows<C>& rows, u32 index, const Matrix& matrix, u32 row) {
  bool exists = row < matrix.rows;
  rows.values[index] = exists ? matrix.values + row * row_bytes<stored>(matrix.cols) : nullptr;
  rows.scales[index] = exists ? scales_of_row(matrix, row) : nullptr;
}

/// One chunk of C weight rows in registers.
template <u32 C>
struct Chunk {
  Wide wide[C];
  float scale[C];
};

template <int stored, u32 C>
DEVICE Chunk<C> load_chunk(const WeightRows<C>& rows, u32 col, u32 cols) {
  Chunk<C> chunk = {};
  UNROLL
  for (u32 index = 0; index < C; index++) {
    if (col < cols && rows.values[index]) {
      chunk.wide[index] = load_wide_once(rows.values[index] + row_bytes<stored>(col));
      if constexpr (stored == E4M3) chunk.scale[index] = rows.scales[index][col / GROUP] * E4M3_FACTOR;
    }
  }
  return chunk;
}

/// sums[c * R + r] += products of the lane's columns of a chunk that begins at `at` in the staged vectors.
template <int stored, u32 C, u32 R>
DEVICE void add_chunk(const Chunk<C>& chunk, const float* shared, u32 floats, u32 at, float (&sums)[C * R]) {
  constexpr u32 V = PER_LOAD<stored>;
  float weights[C][V];
  UNROLL
  for (u32 index = 0; index < C; index++) widen<stored>(chunk.wide[index], weights[index]);
  UNROLL
  for (u32 row = 0; row < R; row++) {
    float x[V];
    UNROLL
    for (u32 plane = 0; plane < V / 4; plane++) {
      Wide wide = load_shared_wide(shared + row * floats + at + plane * WARP * 4 + lane_index() * 4);
      UNROLL
      for (u32 word = 0; word < 4; word++) x[plane * 4 + word] = bits_to_float(wide.words[word]);
    }
    UNROLL
    for (u32 index = 0; index < C; index++) {
      float sum = stored == E4M3 ? 0.0f : sums[index * R + row];
      UNROLL
      for (u32 col = 0; col < V; col++) sum = fmaf(weights[index][col], x[col], sum);
      sums[index * R + row] = stored == E4M3 ? fmaf(chunk.scale[index], sum, sums[index * R + row]) : sum;
    }
  }
}

/// sums[c * R + r] = the lane's part of weight row c . x[r]; warp_sums adds them. Every warp of the block calls it with the same vectors;
/// `shared` holds R of them.
template <int stored, u32 C, u32 R>
DEVICE void few_dots(const WeightRows<C>& rows, u32 cols, const float* const (&x)[R], float* shared, float (&sums)[C * R]) {
  constexpr u32 V = PER_LOAD<stored>;
  constexpr u32 CHUNK = WARP * V;
  u32 floats = staged_floats<stored>(cols);
  UNROLL
  for (u32 index = 0; index < C * R; index++) sums[index] = 0.0f;
  for (u32 start = 0; start < cols; start += FEW_SEGMENT) {
    u32 end = min(cols, start + FEW_SEGMENT);
    u32 col = start + lane_index() * V;
    // The first weights are on their way before the vectors are waited for.
    Chunk<C> first = load_chunk<stored, C>(rows, col, end);
    Chunk<C> second = load_chunk<stored, C>(rows, col + CHUNK, end);
    __syncthreads();
    stage<stored, R>(x, start, end, shared, floats);
    __syncthreads();
    for (u32 at = 0; start + at < end; at += 2 * CHUNK) {
      add_chunk<stored, C, R>(first, shared, floats, at, sums);
      first = load_chunk<stored, C>(rows, col + at + 2 * CHUNK, end);
      if (start + at + CHUNK >= end) break;
      add_chunk<stored, C, R>(second, shared, floats, at + CHUNK, sums);
      second = load_chunk<stored, C>(rows, col + at + 3 * CHUNK, end);
    }
  }
}
