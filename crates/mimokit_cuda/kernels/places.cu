// place_counts: pairs of each expert. Grid: (experts).
//   Few pairs need no launch of their own for it: place_pairs counts them itself.
// place_pairs: the places of pairs by expert, ascending in it, and the tiles that products run in. Grid: (experts).
// Bound: the ids, read once an expert.
#include "device/arguments.cuh"
#include "device/reduce.cuh"

constexpr u32 PLACE_THREADS = 256;

DEVICE u32 warp_total(u32 value) {
  UNROLL
  for (u32 step = WARP / 2; step > 0; step /= 2) value += __shfl_xor_sync(ALL_LANES, value, step);
  return value;
}

/// Over the block; all threads call it, and it ends with a barrier.
DEVICE u32 block_total(u32 value) {
  SHARED u32 parts[PLACE_THREADS / WARP];
  value = warp_total(value);
  if (lane_index() == 0) parts[warp_index()] = value;
  __syncthreads();
  value = 0;
  UNROLL
  for (u32 warp = 0; warp < PLACE_THREADS / WARP; warp++) value += parts[warp];
  __syncthreads();
  return value;
}

/// Pairs of an expert, by one thread where nobody has counted.
DEVICE u32 count_of(const PlacesArgs& args, u32 expert) {
  if (args.counts) return args.counts[expert];
  u32 count = 0;
  for (u32 pair = 0; pair < args.pairs; pair++) count += args.ids[pair] == expert;
  return count;
}

KERNEL(place_counts, PlacesArgs, PLACE_THREADS) {
  u32 count = 0;
  for (u32 pair = threadIdx.x; pair < args.pairs; pair += PLACE_THREADS) count += args.ids[pair] == blockIdx.x;
  count = block_total(count);
  if (threadIdx.x == 0) args.counts[blockIdx.x] = count;
}

KERNEL(place_pairs, PlacesArgs, PLACE_THREADS) {
  SHARED u32 of_warps[PLACE_THREADS / WARP];
  u32 expert = blockIdx.x, place = 0, first_tile = 0;
  for (u32 before = threadIdx.x; before < expert; before += PLACE_THREADS) {
    u32 count = count_of(args, before);
    place += ceil_div(count, 4) * 4;
    first_tile += ceil_div(count, args.tile_rows);
  }
  place = block_total(place);
  first_tile = block_total(first_tile);
  u32 count = count_of(args, expert), tiles = ceil_div(count, args.tile_rows);
  for (u32 index = threadIdx.x; index < tiles; index += PLACE_THREADS) {
    u32* tile = args.tiles + 4 * (first_tile + index);
    tile[0] = expert;
    tile[1] = place;
    tile[2] = count;
    tile[3] = first_tile;
  }
  if (threadIdx.x == 0 && expert + 1 == args.experts) *args.tile_count = first_tile + tiles;
  for (u32 first = 0; first < args.pairs; first += PLACE_THREADS) {
    u32 pair = first + threadIdx.x;
    bool is_own = pair < args.pairs && args.ids[pair] == expert;
    u32 own = __ballot_sync(ALL_LANES, is_own);
    if (lane_index() == 0) of_warps[warp_index()] = __popc(own);
    __syncthreads();
    u32 at = place;
    UNROLL
    for (u32 warp = 0; warp < PLACE_THREADS / WARP; warp++) {
      if (warp < warp_index()) at += of_warps[warp];
      place += of_warps[warp];
    }
    if (is_own) {
      at += __popc(own & ((1u << lane_index()) - 1));
      args.order[at] = pair;
      args.places[pair] = at;
    }
    __syncthreads();
  }
}
