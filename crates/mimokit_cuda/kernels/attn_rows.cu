// attn_rows: causal attention of many rows over the blocks of a sequence, on the tensor cores: the bits of attn_split and attn_merge, without partial
//   results in memory. A block takes up to 128 query rows of one KV head: all its heads x up to 128 / heads tokens of one span, which read keys and values
//   once; 512 positions at a time, merged in registers. Eight warps. Grid: (kv_heads, groups of queries). Dynamic shared memory: queries and two tiles.
// attn_band: sliding-window attention; up to 64 rows a block, four warps, and only the tiles that the window reaches. Positions before the span come from
//   the ring of its window (position p in slot p % slots), the span's own from `fresh`, stored likewise; the sink ends it. Grid, memory: as attn_rows.
// For keys and values in BF16 or E4M3 with heads of 192 and 128 (or 48 and 32, the small models).
// Bound: many rows, the products; few rows in a window, the latency of three tiles.
#include "device/attention_mma.cuh"

/// Rows of queries as BF16 in shared memory.
template <u32 QK>
struct QueryRows {
  static constexpr u32 PITCH = 2 * QK + PAD_BYTES;
  u8* bytes;

  DEVICE void operator()(u32 step, u32 (&a)[4]) const {
    u32 lane = lane_index();
    load_matrices(a, bytes + (warp_index() * 16 + lane % 16) * PITCH + 2 * (step * 16 + lane / 16 * 8));
  }
};

/// The rows of a block: all heads of a KV head, by token.
struct BlockRows {
  u32 first_query, tokens, heads;
  DEVICE u32 count() const { return heads * tokens; }
};

template <u32 THREADS, u32 QK>
DEVICE void stage_queries(const AttentionArgs& args, const BlockRows& block, const QueryRows<QK>& queries) {
  constexpr u32 ROWS = THREADS / WARP * 16, PAIRS = QK / 2;
  for (u32 index = threadIdx.x; index < ROWS * PAIRS; index += THREADS) {
    u32 own = index / PAIRS, at = index % PAIRS * 2, pair = 0;
    if (own < block.count()) {
      u32 query = block.first_query + own / block.heads, row = args.queries ? args.queries[query] : query;
      const float* q = args.q + (static_cast<u64>(row) * args.heads + blockIdx.x * block.heads + own % block.heads) * QK;
      pair = bf16_pair(q[at], q[at + 1]);
    }
    *reinterpret_cast<u32*>(queries.bytes + own * queries.PITCH + 2 * at) = pair;
  }
}

template <u32 THREADS, int stored, u32 QK, u32 V, bool is_band>
DEVICE void attend_rows(const RowsArgs& rows_args) {
  const AttentionArgs& args = rows_args.attention;
  const KvLayer& layer = args.layer;
  DYNAMIC_SHARED(u8, bytes);
  auto* tiles = reinterpret_cast<Tile<stored, QK, V>*>(bytes);
  QueryRows<QK> queries{bytes + 2 * sizeof(Tile<stored, QK, V>)};
  // The last groups see the most; they begin first.
  u32 at = gridDim.y - 1 - blockIdx.y;
  BlockRows block{rows_args.groups[2 * at], rows_args.groups[2 * at + 1], args.heads / layer.kv_heads};
  stage_queries<THREADS>(args, block, queries);
  auto row_of = [&](u32 query) { return args.queries ? args.queries[query] : query; };
  u32 first_row = row_of(block.first_query);
  u32 first_position = args.pass.positions[first_row];
  u32 end = args.pass.positions[row_of(block.first_query + block.tokens - 1)] + 1;

  WarpRows<stored, QK, V> rows;
  u32 group = lane_index() / 4, inner = lane_index() % 4;
  u32 own[2];
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    own[index] = warp_index() * 16 + group + 8 * index;
    bool exists = own[index] < block.count();
    u32 row = exists ? row_of(block.first_query + own[index] / block.heads) : 0;
    rows.position[index] = exists ? static_cast<int>(args.pass.positions[row]) : -1;
    rows.low[index] = is_band ? rows.position[index] - static_cast<int>(args.window_keys) + 1 : 0;
  }
  Merged merged[2];
  float sums[V / 8][4];
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    u32 head = blockIdx.x * block.heads + own[index] % block.heads;
    merged[index].begin(args.sinks && own[index] < block.count() ? args.sinks + head : nullptr);
  }
  UNROLL
  for (u32 dims = 0; dims < V / 8; dims++)
    UNROLL
    for (u32 index = 0; index < 4; index++) sums[dims][index] = 0.0f;

  bool has_rows = warp_index() * 16 < block.count();
  auto use = [&](const Tile<stored, QK, V>& tile, u32 first) {
    if (has_rows) rows.add(queries, tile, first, args.scale);
  };
  auto merge = [&] {
    float kept[2], added[2];
    UNROLL
    for (u32 index = 0; index < 2; index++)
      merged[index].add(rows.largest[index], rows.denominator[index], kept[index], added[index]);
    UNROLL
    for (u32 dims = 0; dims < V / 8; dims++)
      UNROLL
      for (u32 index = 0; index < 4; index++)
        sums[dims][index] = Merged::sum(sums[dims][index], rows.sums[dims][index], kept[index / 2], added[index / 2]);
  };
  if constexpr (is_band) {
    u32 low = first_position >= args.window_keys ? first_position + 1 - args.window_keys : 0;
    BandSource source{layer, rows_args.fresh, args.pass.windows[first_row], blockIdx.x, args.pass.span_start[first_row],
                      args.pass.span_row[first_row]};
    rows.clear();
    for_tiles<THREADS>(tiles, source, low / TILE * TILE, low, end, use);
    merge();
  } else {
    BlockSource source{layer, args.pass.blocks + args.pass.first_block[first_row], blockIdx.x};
    for (u32 start = 0; start < end; start += SPLIT) {
      rows.clear();
      for_tiles<THREADS>(tiles, source, start, 0, min(start + SPLIT, end), use);
      merge();
    }
  }
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    if (own[index] >= block.count()) continue;
    u64 query = block.first_query + own[index] / block.heads, head = blockIdx.x * block.heads + own[index] % block.heads;
    float* out = args.out + (query * args.heads + head) * V + 2 * inner;
    UNROLL
    for (u32 dims = 0; dims < V / 8; dims++) {
      out[dims * 8] = sums[dims][2 * index] / merged[index].denominator;
      out[dims * 8 + 1] = sums[dims][2 * index + 1] / merged[index].denominator;
    }
  }
}

template <u32 THREADS, bool is_band>
DEVICE void attend_kind(const RowsArgs& args) {
  const KvLayer& layer = args.attention.layer;
  if (layer.qk_dim == 192) {
    if (layer.stored == BF16) attend_rows<THREADS, BF16, 192, 128, is_band>(args);
    else attend_rows<THREADS, E4M3, 192, 128, is_band>(args);
  } else {
    if (layer.stored == BF16) attend_rows<THREADS, BF16, 48, 32, is_band>(args);
    else attend_rows<THREADS, E4M3, 48, 32, is_band>(args);
  }
}

KERNEL(attn_rows, RowsArgs, 256) { attend_kind<256, false>(args); }
KERNEL(attn_band, RowsArgs, 128) { attend_kind<128, true>(args); }
