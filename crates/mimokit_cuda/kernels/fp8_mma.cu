// fp8_mma_16, fp8_mma_64: products of E4M3 weights with quantised rows on the tensor cores of any card from Ampere on, N = 16 or 64 input rows a tile;
//   what hopper/fp8_wgmma.cu does on Hopper. E4M3 becomes FP16 exactly on its way to shared memory. Sums as device/fp8_tile.cuh says.
//   Grid: tiles of weights times tiles of inputs, or more; a block without a tile ends at once.
// Eight warps of 16 weight rows each; the next 128 columns are on their way to registers while these are multiplied.
// Dynamic shared memory: (128 + N) rows of 272 bytes. Bound: few rows, the bytes of the weights.
#include "device/fp8_tile.cuh"
#include "device/mma.cuh"

constexpr u32 MMA_THREADS = 256;
/// Bytes of a row of 128 FP16 in shared memory: rows of a fragment meet different banks.
constexpr u32 HALF_PITCH = 2 * GROUP + 16;

/// What a thread holds of 128 columns that are on their way.
template <u32 N>
struct Ahead {
  static constexpr u32 WEIGHTS = WEIGHT_ROWS * 8 / MMA_THREADS, INPUTS = (N * 8 + MMA_THREADS - 1) / MMA_THREADS;
  Wide weights[WEIGHTS];
  Wide inputs[INPUTS];

  DEVICE void load(const Fp8Args& args, const Fp8Work& work, u32 first_col) {
    UNROLL
    for (u32 index = 0; index < WEIGHTS; index++) {
      u32 at = index * MMA_THREADS + threadIdx.x, row = at / 8, col = first_col + at % 8 * 16, out;
      const Matrix& matrix = tile_matrix(args, work, row, out);
      weights[index] = Wide{};
      if (out < matrix.rows && col < args.cols)
        weights[index] = load_wide_once(matrix.values + static_cast<u64>(out) * args.cols + col);
    }
    UNROLL
    for (u32 index = 0; index < INPUTS; index++) {
      u32 at = index * MMA_THREADS + threadIdx.x, row = at / 8, col = first_col + at % 8 * 16;
      inputs[index] = Wide{};
      if (row < work.rows && col < args.cols)
        inputs[index] = load_wide(args.quantised + static_cast<u64>(work.first + row) * args.cols + col);
    }
  }

  DEVICE static void store_halves(u8* to, const Wide& wide) {
    UNROLL
    for (u32 part = 0; part < 2; part++) {
      Wide halves;
      UNROLL
      for (u32 word = 0; word < 4; word++) halves.words[word] = e4m3_as_halves(wide.words[2 * part + word / 2], word % 2);
      store_wide(to + 16 * part, halves);
    }
  }

  DEVICE void store(u8* shared) const {
    UNROLL
    for (u32 index = 0; index < WEIGHTS; index++) {
      u32 at = index * MMA_THREADS + threadIdx.x;
      store_halves(shared + at / 8 * HALF_PITCH + at % 8 * 32, weights[index]);
    }
    UNROLL
    for (u32 index = 0; index < INPUTS; index++) {
      u32 at = index * MMA_THREADS + threadIdx.x;
      if (at < N * 8) store_halves(shared + (WEIGHT_ROWS + at / 8) * HALF_PITCH + at % 8 * 32, inputs[index]);
    }
  }
};

template <u32 N>
DEVICE void multiply_halves(const u8* shared, float (&products)[N / 2]) {
  u32 group = lane_index() / 4, inner = lane_index() % 4;
  auto word = [&](u32 row, u32 col) { return *reinterpret_cast<const u32*>(shared + row * HALF_PITCH + 2 * col); };
  UNROLL
  for (u32 step = 0; step < GROUP / 16; step++) {
    u32 row = warp_index() * 16 + group, col = step * 16 + 2 * inner;
    u32 a[4] = {word(row, col), word(row + 8, col), word(row, col + 8), word(row + 8, col + 8)};
    UNROLL
    for (u32 j = 0; j < N / 8; j++) {
      u32 b[2] = {word(WEIGHT_ROWS + 8 * j + group, col), word(WEIGHT_ROWS + 8 * j + group, col + 8)};
      float(&d)[4] = reinterpret_cast<float(&)[4]>(products[4 * j]);
      mma_half(d, a, b);
    }
  }
}

template <u32 N>
DEVICE void fp8_tile(const Fp8Args& args) {
  DYNAMIC_SHARED(u8, shared);
  SHARED float inputs[N];
  u32 weights = weight_tiles(args);
  if (blockIdx.x >= weights * input_tiles<N>(args)) return;
  Fp8Work work = fp8_work<N>(args, blockIdx.x, weights);
  u32 warp = warp_index(), row = warp * 16 + lane_index() / 4, groups = ceil_div(args.cols, GROUP);
  const float* scales[2] = {tile_scales(args, work, row), tile_scales(args, work, row + 8)};
  float sums[N / 2];
  UNROLL
  for (u32 i = 0; i < N / 2; i++) sums[i] = 0.0f;
  Ahead<N> ahead;
  ahead.load(args, work, 0);
  for (u32 group = 0; group < groups; group++) {
    __syncthreads();
    ahead.store(shared);
    if (threadIdx.x < N)
      inputs[threadIdx.x] = threadIdx.x < work.rows
                                ? args.scales[static_cast<u64>(group) * args.scale_stride + work.first + threadIdx.x]
                                : 0.0f;
    if (group + 1 < groups) ahead.load(args, work, (group + 1) * GROUP);
    __syncthreads();
    float products[N / 2];
    UNROLL
    for (u32 i = 0; i < N / 2; i++) products[i] = 0.0f;
    multiply_halves<N>(shared, products);
    float scale[2] = {scales[0][group] * (E4M3_FACTOR * E4M3_FACTOR), scales[1][group] * (E4M3_FACTOR * E4M3_FACTOR)};
    promote<N>(sums, products, scale, inputs);
  }
  if (args.mode != FP8_GATE_UP) {
    store_products<N>(args, work, warp * 16, sums);
    return;
  }
  // Warps 4 to 7 have up of what warps 0 to 3 have gate of.
  float* exchange = reinterpret_cast<float*>(shared) + threadIdx.x % 128;
  __syncthreads();
  if (warp >= 4) {
    UNROLL
    for (u32 i = 0; i < N / 2; i++) exchange[i * 128] = sums[i];
  }
  __syncthreads();
  if (warp < 4) store_inner<N>(args, work, warp * 16, sums, [&](u32 i) { return exchange[i * 128]; });
}

KERNEL(fp8_mma_16, Fp8Args, MMA_THREADS) { fp8_tile<16>(args); }
KERNEL(fp8_mma_64, Fp8Args, MMA_THREADS) { fp8_tile<64>(args); }
