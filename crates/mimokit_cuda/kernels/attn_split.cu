// attn_split: attention of a few rows over the blocks of a sequence, on the tensor cores. Grid: (splits, kv_heads, groups of queries).
//   A block takes 512 positions of one KV head and up to 64 query rows: all heads of the KV head x up to 4 tokens of one span (64 / heads of a
//   KV head), which read the keys and values once. Per tile of 64 positions: S = Q K^T, online softmax, O += P V; Q and P are BF16, sums FP32.
//   Four warps of 16 rows each; tiles come by cp.async, one ahead. Dynamic shared memory: two tiles.
//   -> partial [queries, heads, splits, v_dim] and, per split, its maximum and denominator.
// attn_merge: partial results, ascending by split, with the sink -> out [queries, heads, v_dim]. Grid: (queries, heads).
// For keys and values in BF16 or E4M3 with heads of 192 and 128 (or 48 and 32, the small models). Tiles and splits count from position 0, and masked
// positions add exact zeros, so a row's bits do not depend on the rows beside it.
// Bound: the bytes of the keys and values, once a group.
#include "device/kv.cuh"
#include "device/mma.cuh"

constexpr u32 TILE = 64;
constexpr u32 SPLIT = 512;
constexpr u32 THREADS = 128;
/// Behind each row of a tile, so that lanes of a fragment meet different banks.
constexpr u32 PAD_BYTES = 16;

template <int stored>
constexpr u32 BYTES = stored == BF16 ? 2 : 1;

DEVICE u32 bf16_pair(float low, float high) {
  return static_cast<u32>(encode_bf16(low)) | static_cast<u32>(encode_bf16(high)) << 16;
}

/// Element `at` of a row in shared memory as BF16 bits; E4M3 fits without rounding.
template <int stored>
DEVICE u32 half_at(const u8* row, u32 at) {
  if constexpr (stored == BF16) return reinterpret_cast<const u16*>(row)[at];
  else return float_to_bits(decode_e4m3(row[at])) >> 16;
}

template <int stored>
DEVICE u32 pair_at(const u8* row, u32 at) {
  if constexpr (stored == BF16) return *reinterpret_cast<const u32*>(row + 2 * at);
  else return half_at<stored>(row, at) | half_at<stored>(row, at + 1) << 16;
}

/// A tile in shared memory: rows of keys, rows of values, and the scales of both.
template <int stored, u32 QK, u32 V>
struct Tile {
  static constexpr u32 KEY_PITCH = QK * BYTES<stored> + PAD_BYTES, VALUE_PITCH = V * BYTES<stored> + PAD_BYTES;
  u8 keys[TILE * KEY_PITCH];
  u8 values[TILE * VALUE_PITCH];
  float key_scales[TILE], value_scales[TILE];
};

/// Starts the copies of a tile; positions from `end` on are zeros.
template <int stored, u32 QK, u32 V>
DEVICE void load_tile(Tile<stored, QK, V>& tile, const KvLayer& layer, const u32* blocks, u32 head, u32 first, u32 end) {
  constexpr u32 KEY_LOADS = QK * BYTES<stored> / 16, LOADS = KEY_LOADS + V * BYTES<stored> / 16;
  for (u32 index = threadIdx.x; index < TILE * LOADS; index += THREADS) {
    u32 row = index / LOADS, load = index % LOADS, position = first + row;
    bool is_key = load < KEY_LOADS;
    u8* to = is_key ? tile.keys + row * tile.KEY_PITCH + 16 * load
                    : tile.values + row * tile.VALUE_PITCH + 16 * (load - KEY_LOADS);
    if (position < end) {
      u32 block = blocks[position / layer.slots], slot = position % layer.slots;
      const u8* from = is_key ? stored_key(layer, block, head, slot).values + 16 * load
                              : stored_value_vector(layer, block, head, slot).values + 16 * (load - KEY_LOADS);
      copy_wide_async(to, from);
    } else {
      store_wide(to, Wide{});
    }
  }
  if constexpr (stored == E4M3) {
    for (u32 row = threadIdx.x; row < TILE; row += THREADS) {
      u32 position = first + row;
      bool exists = position < end;
      u32 block = exists ? blocks[position / layer.slots] : 0, slot = position % layer.slots;
      tile.key_scales[row] = exists ? stored_key(layer, block, head, slot).scale : 0.0f;
      tile.value_scales[row] = exists ? stored_value_vector(layer, block, head, slot).scale : 0.0f;
    }
  }
  commit_copies();
}

/// One warp's 16 rows over one tile. Lane's rows are group and group + 8.
template <int stored, u32 QK, u32 V>
struct WarpRows {
  u32 q[QK / 16][4];
  float sums[V / 8][4];
  float largest[2], denominator[2];
  /// Positions of the two rows; a row that does not exist sees nothing.
  int position[2];

  DEVICE void add(const Tile<stored, QK, V>& tile, u32 first, float scale) {
    u32 group = lane_index() / 4, inner = lane_index() % 4;
    float scores[TILE / 8][4];
    UNROLL
    for (u32 keys = 0; keys < TILE / 8; keys++) {
      const u8* row = tile.keys + (keys * 8 + group) * tile.KEY_PITCH;
      UNROLL
      for (u32 index = 0; index < 4; index++) scores[keys][index] = 0.0f;
      UNROLL
      for (u32 step = 0; step < QK / 16; step++) {
        u32 b[2] = {pair_at<stored>(row, step * 16 + 2 * inner), pair_at<stored>(row, step * 16 + 2 * inner + 8)};
        mma_bf16(scores[keys], q[step], b);
      }
    }
    float now[2] = {largest[0], largest[1]};
    UNROLL
    for (u32 keys = 0; keys < TILE / 8; keys++) {
      UNROLL
      for (u32 index = 0; index < 4; index++) {
        u32 at = keys * 8 + 2 * inner + index % 2;
        float score = scores[keys][index] * scale;
        if constexpr (stored == E4M3) score *= tile.key_scales[at];
        if (static_cast<int>(first + at) > position[index / 2]) score = -INFINITY;
        scores[keys][index] = score;
        now[index / 2] = fmaxf(now[index / 2], score);
      }
    }
    float shrink[2], sum[2] = {0.0f, 0.0f};
    UNROLL
    for (u32 row = 0; row < 2; row++) {
      now[row] = fmaxf(now[row], __shfl_xor_sync(ALL_LANES, now[row], 1));
      now[row] = fmaxf(now[row], __shfl_xor_sync(ALL_LANES, now[row], 2));
      // A row that has seen nothing yet keeps zeros.
      float safe = now[row] == -INFINITY ? 0.0f : now[row];
      shrink[row] = expf(largest[row] - safe);
      largest[row] = now[row];
      now[row] = safe;
    }
    UNROLL
    for (u32 keys = 0; keys < TILE / 8; keys++)
      UNROLL
      for (u32 index = 0; index < 4; index++) {
        scores[keys][index] = expf(scores[keys][index] - now[index / 2]);
        sum[index / 2] += scores[keys][index];
      }
    UNROLL
    for (u32 row = 0; row < 2; row++) {
      sum[row] += __shfl_xor_sync(ALL_LANES, sum[row], 1);
      sum[row] += __shfl_xor_sync(ALL_LANES, sum[row], 2);
      denominator[row] = fmaf(denominator[row], shrink[row], sum[row]);
    }
    UNROLL
    for (u32 dims = 0; dims < V / 8; dims++)
      UNROLL
      for (u32 index = 0; index < 4; index++) sums[dims][index] *= shrink[index / 2];
    UNROLL
    for (u32 step = 0; step < TILE / 16; step++) {
      float weights[2][4];
      UNROLL
      for (u32 half = 0; half < 2; half++)
        UNROLL
        for (u32 index = 0; index < 4; index++) {
          weights[half][index] = scores[2 * step + half][index];
          if constexpr (stored == E4M3)
            weights[half][index] *= tile.value_scales[(2 * step + half) * 8 + 2 * inner + index % 2];
        }
      u32 a[4] = {bf16_pair(weights[0][0], weights[0][1]), bf16_pair(weights[0][2], weights[0][3]),
                  bf16_pair(weights[1][0], weights[1][1]), bf16_pair(weights[1][2], weights[1][3])};
      const u8* rows = tile.values + (step * 16 + 2 * inner) * tile.VALUE_PITCH;
      UNROLL
      for (u32 dims = 0; dims < V / 8; dims++) {
        u32 dim = dims * 8 + group;
        u32 b[2];
        UNROLL
        for (u32 half = 0; half < 2; half++) {
          const u8* row = rows + half * 8 * tile.VALUE_PITCH;
          b[half] = half_at<stored>(row, dim) | half_at<stored>(row + tile.VALUE_PITCH, dim) << 16;
        }
        mma_bf16(sums[dims], a, b);
      }
    }
  }
};

template <int stored, u32 QK, u32 V>
DEVICE void attend_split(const SplitArgs& args) {
  const AttentionArgs& all = args.attention;
  const KvLayer& layer = all.layer;
  DYNAMIC_SHARED(u8, bytes);
  auto* tiles = reinterpret_cast<Tile<stored, QK, V>*>(bytes);
  u32 first_query = args.groups[2 * blockIdx.z], tokens = args.groups[2 * blockIdx.z + 1];
  u32 heads = all.heads / layer.kv_heads;
  auto row_of = [&](u32 query) { return all.queries ? all.queries[query] : query; };
  // The last token sees the most.
  u32 limit = all.pass.positions[row_of(first_query + tokens - 1)] + 1;
  u32 start = blockIdx.x * SPLIT, end = min(start + SPLIT, limit);
  if (start >= limit) return;

  WarpRows<stored, QK, V> rows;
  u32 group = lane_index() / 4, inner = lane_index() % 4;
  u32 own[2];
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    own[index] = warp_index() * 16 + group + 8 * index;
    bool exists = own[index] < heads * tokens;
    u32 row = exists ? row_of(first_query + own[index] / heads) : 0;
    const float* q = all.q + (static_cast<u64>(row) * all.heads + blockIdx.y * heads + own[index] % heads) * QK;
    rows.position[index] = exists ? static_cast<int>(all.pass.positions[row]) : -1;
    rows.largest[index] = -INFINITY;
    rows.denominator[index] = 0.0f;
    UNROLL
    for (u32 step = 0; step < QK / 16; step++)
      UNROLL
      for (u32 upper = 0; upper < 2; upper++) {
        u32 at = step * 16 + 2 * inner + 8 * upper;
        rows.q[step][index + 2 * upper] = exists ? bf16_pair(q[at], q[at + 1]) : 0;
      }
  }
  UNROLL
  for (u32 dims = 0; dims < V / 8; dims++)
    UNROLL
    for (u32 index = 0; index < 4; index++) rows.sums[dims][index] = 0.0f;

  const u32* blocks = all.pass.blocks + all.pass.first_block[row_of(first_query)];
  bool has_rows = warp_index() * 16 < heads * tokens;
  load_tile(tiles[0], layer, blocks, blockIdx.y, start, end);
  for (u32 first = start, turn = 0; first < end; first += TILE, turn ^= 1) {
    bool has_next = first + TILE < end;
    if (has_next) load_tile(tiles[turn ^ 1], layer, blocks, blockIdx.y, first + TILE, end);
    if (has_next) wait_copies<1>();
    else wait_copies<0>();
    __syncthreads();
    if (has_rows) rows.add(tiles[turn], first, all.scale);
    // The next round copies over this tile.
    __syncthreads();
  }
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    if (own[index] >= heads * tokens) continue;
    u64 query = first_query + own[index] / heads, head = blockIdx.y * heads + own[index] % heads;
    u64 place = (query * all.heads + head) * args.splits + blockIdx.x;
    if (inner == 0) {
      args.stats[2 * place] = rows.largest[index];
      args.stats[2 * place + 1] = rows.denominator[index];
    }
    UNROLL
    for (u32 dims = 0; dims < V / 8; dims++) {
      args.partial[place * V + dims * 8 + 2 * inner] = rows.sums[dims][2 * index];
      args.partial[place * V + dims * 8 + 2 * inner + 1] = rows.sums[dims][2 * index + 1];
    }
  }
}

KERNEL(attn_split, SplitArgs, THREADS) {
  const KvLayer& layer = args.attention.layer;
  if (layer.qk_dim == 192) {
    if (layer.stored == BF16) attend_split<BF16, 192, 128>(args);
    else attend_split<E4M3, 192, 128>(args);
  } else {
    if (layer.stored == BF16) attend_split<BF16, 48, 32>(args);
    else attend_split<E4M3, 48, 32>(args);
  }
}

KERNEL(attn_merge, SplitArgs, THREADS) {
  const AttentionArgs& all = args.attention;
  u32 v_dim = all.layer.v_dim;
  u64 query = blockIdx.x, head = blockIdx.y;
  u32 row = all.queries ? all.queries[query] : blockIdx.x;
  u32 splits = ceil_div(all.pass.positions[row] + 1, SPLIT);
  u64 place = (query * all.heads + head) * args.splits;
  float largest = all.sinks ? all.sinks[head] : -INFINITY;
  for (u32 split = 0; split < splits; split++) largest = fmaxf(largest, args.stats[2 * (place + split)]);
  float denominator = all.sinks ? expf(all.sinks[head] - largest) : 0.0f;
  for (u32 split = 0; split < splits; split++)
    denominator = fmaf(args.stats[2 * (place + split) + 1], expf(args.stats[2 * (place + split)] - largest), denominator);
  for (u32 dim = threadIdx.x; dim < v_dim; dim += THREADS) {
    float sum = 0.0f;
    for (u32 split = 0; split < splits; split++)
      sum = fmaf(args.partial[(place + split) * v_dim + dim], expf(args.stats[2 * (place + split)] - largest), sum);
    all.out[(query * all.heads + head) * v_dim + dim] = sum / denominator;
  }
}
