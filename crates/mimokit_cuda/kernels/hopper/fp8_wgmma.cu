// fp8_wgmma_{16,64,128}: products of E4M3 weights with quantised rows on Hopper's tensor cores, N = 16, 64 or 128 input rows a tile: y = x W^T (+ bias)
//   of up to three weights, silu(x W_gate^T) * (x W_up^T) and x W_down^T of rows grouped by expert. Sums as device/fp8_tile.cuh says.
//   Persistent: block b takes tiles b, b + gridDim.x, … . Grid: as many blocks as multiprocessors.
// One producer thread fills a ring of stages (128 x 128 weights, N x 128 inputs, N scales) by TMA; two warpgroups of 64 weight rows each multiply, and
// add the scaled products of 128 columns into FP32 registers, because the tensor cores' own sums are narrower.
// Dynamic shared memory: fp8_shared_bytes of ops/fp8.rs. Bound: few rows, the bytes of the weights; many, 128 * 128 * N products a stage.
#include "../device/fp8_tile.cuh"
#include "../device/hopper.cuh"

constexpr u32 FP8_THREADS = 384;
constexpr u32 CONSUMER_WARPS = 8;
/// Barrier of the two consuming warpgroups.
constexpr u32 CONSUMERS = 1;

template <u32 N>
struct Ring {
  static constexpr u32 STAGES = N == 16 ? 12 : N == 64 ? 8 : 5;
  static constexpr u32 WEIGHT_BYTES = WEIGHT_ROWS * SWIZZLED_BYTES, INPUT_BYTES = N * SWIZZLED_BYTES;
  static constexpr u32 STAGE_BYTES = WEIGHT_BYTES + INPUT_BYTES + N * sizeof(float);
  u8* weights;
  u8* inputs;
  /// Up beside gate, one float a sum of a warpgroup's threads.
  float* exchange;
  float* scales;
  u64* full;
  u64* empty;

  DEVICE u8* stage_weights(u32 stage) const { return weights + stage * WEIGHT_BYTES; }
  DEVICE u8* stage_inputs(u32 stage) const { return inputs + stage * INPUT_BYTES; }
  DEVICE float* stage_scales(u32 stage) const { return scales + stage * N; }
};

/// A stage, and which time round it is.
struct Turn {
  u32 stage = 0, parity = 0;
  DEVICE void next(u32 stages) {
    if (++stage == stages) {
      stage = 0;
      parity ^= 1;
    }
  }
};

template <u32 N>
DEVICE void produce(const Fp8Args& args, const Ring<N>& ring, u32 weights, u32 tiles) {
  Turn turn;
  u32 groups = ceil_div(args.cols, GROUP);
  for (u32 index = blockIdx.x; index < tiles; index += gridDim.x) {
    Fp8Work work = fp8_work<N>(args, index, weights);
    for (u32 group = 0; group < groups; group++, turn.next(ring.STAGES)) {
      // A ring begins empty: the first round waits for the phase before the first, which has ended.
      barrier_wait(ring.empty + turn.stage, turn.parity ^ 1);
      u64* full = ring.full + turn.stage;
      barrier_expect(full, ring.STAGE_BYTES);
      u8* to = ring.stage_weights(turn.stage);
      constexpr u32 HALF = WEIGHT_ROWS / 2;
      UNROLL
      for (u32 half = 0; half < 2; half++) {
        bool is_gate_up = args.mode == FP8_GATE_UP;
        const TensorMap* map = args.maps + (is_gate_up ? half : work.part);
        u32 row = is_gate_up ? work.tile * HALF : work.tile * WEIGHT_ROWS + half * HALF;
        load_box(to + half * HALF * SWIZZLED_BYTES, map, full, group * GROUP, row, work.expert);
      }
      load_box(ring.stage_inputs(turn.stage), &args.inputs, full, group * GROUP, work.first, 0);
      load_bulk(ring.stage_scales(turn.stage), args.scales + static_cast<u64>(group) * args.scale_stride + work.first,
                N * sizeof(float), full);
    }
  }
}

template <u32 N>
DEVICE void consume(const Fp8Args& args, const Ring<N>& ring, u32 weights, u32 tiles) {
  Turn turn;
  u32 groups = ceil_div(args.cols, GROUP), warp = warp_index() - 4, half = warp / 4;
  u32 row = warp * 16 + lane_index() / 4;
  for (u32 index = blockIdx.x; index < tiles; index += gridDim.x) {
    Fp8Work work = fp8_work<N>(args, index, weights);
    const float* scales[2] = {tile_scales(args, work, row), tile_scales(args, work, row + 8)};
    float sums[N / 2], products[N / 2];
    UNROLL
    for (u32 i = 0; i < N / 2; i++) sums[i] = products[i] = 0.0f;
    for (u32 group = 0; group < groups; group++, turn.next(ring.STAGES)) {
      float scale[2] = {scales[0][group], scales[1][group]};
      barrier_wait(ring.full + turn.stage, turn.parity);
      u64 a = tile_descriptor(shared_address(ring.stage_weights(turn.stage) + half * 64 * SWIZZLED_BYTES));
      u64 b = tile_descriptor(shared_address(ring.stage_inputs(turn.stage)));
      UNROLL
      for (u32 i = 0; i < N / 2; i++) keep_register(products[i]);
      products_begin();
      UNROLL
      for (u32 step = 0; step < GROUP / 32; step++) multiply_e4m3<N>(products, a + 2 * step, b + 2 * step, step > 0);
      products_commit();
      UNROLL
      for (u32 i = 0; i < N / 2; i++) keep_register(products[i]);
      products_wait();
      UNROLL
      for (u32 i = 0; i < N / 2; i++) keep_register(products[i]);
      promote<N>(sums, products, scale, ring.stage_scales(turn.stage));
      __syncwarp();
      if (lane_index() == 0) barrier_arrive(ring.empty + turn.stage);
    }
    if (args.mode != FP8_GATE_UP) {
      store_products<N>(args, work, warp * 16, sums);
      continue;
    }
    // The second warpgroup's sums are up of the first's gate; the last tile's have been read by all.
    float* exchange = ring.exchange + threadIdx.x % 128;
    named_barrier(CONSUMERS, 32 * CONSUMER_WARPS);
    if (half == 1) {
      UNROLL
      for (u32 i = 0; i < N / 2; i++) exchange[i * 128] = sums[i];
    }
    named_barrier(CONSUMERS, 32 * CONSUMER_WARPS);
    if (half == 0) store_inner<N>(args, work, warp * 16, sums, [&](u32 i) { return exchange[i * 128]; });
  }
}

template <u32 N>
DEVICE void fp8_products(const Fp8Args& args) {
  using R = Ring<N>;
  DYNAMIC_SHARED(u8, bytes);
  SHARED u64 full[R::STAGES];
  SHARED u64 empty[R::STAGES];
  R ring;
  ring.weights = bytes;
  ring.inputs = bytes + R::STAGES * R::WEIGHT_BYTES;
  ring.exchange = reinterpret_cast<float*>(ring.inputs + R::STAGES * R::INPUT_BYTES);
  ring.scales = ring.exchange + 64 * N;
  ring.full = full;
  ring.empty = empty;
  u32 weights = weight_tiles(args), tiles = weights * input_tiles<N>(args);
  if (threadIdx.x == 0) {
    for (u32 stage = 0; stage < R::STAGES; stage++) {
      barrier_init(full + stage, 1);
      barrier_init(empty + stage, CONSUMER_WARPS);
    }
    fence_barriers();
  }
  __syncthreads();
  if (warp_index() < 4) {
    fewer_registers<40>();
    if (threadIdx.x == 0) produce<N>(args, ring, weights, tiles);
  } else {
    more_registers<232>();
    consume<N>(args, ring, weights, tiles);
  }
}

KERNEL(fp8_wgmma_16, Fp8Args, FP8_THREADS) { fp8_products<16>(args); }
KERNEL(fp8_wgmma_64, Fp8Args, FP8_THREADS) { fp8_products<64>(args); }
KERNEL(fp8_wgmma_128, Fp8Args, FP8_THREADS) { fp8_products<128>(args); }
