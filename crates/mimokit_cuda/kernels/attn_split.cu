// attn_split: attention of a few rows over the blocks of a sequence, on the tensor cores. Grid: (splits, kv_heads, groups of queries).
//   A block takes 512 positions of one KV head and up to 64 query rows: all heads of the KV head x up to 4 tokens of one span (64 / heads of a
//   KV head), which read the keys and values once. Four warps of 16 rows each; tiles come by cp.async, one ahead. Dynamic shared memory: two tiles.
//   -> partial [queries, heads, splits, v_dim] and, per split, its maximum and denominator.
// attn_merge: partial results, ascending by split, with the sink -> out [queries, heads, v_dim]. Grid: (queries, heads).
// For keys and values in BF16 or E4M3 with heads of 192 and 128 (or 48 and 32, the small models). Bound: the bytes of the keys and values, once a group.
#include "device/attention_mma.cuh"

constexpr u32 SPLIT_THREADS = 128;

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
  u32 q[QK / 16][4];
  u32 group = lane_index() / 4, inner = lane_index() % 4;
  u32 own[2];
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    own[index] = warp_index() * 16 + group + 8 * index;
    bool exists = own[index] < heads * tokens;
    u32 row = exists ? row_of(first_query + own[index] / heads) : 0;
    const float* from = all.q + (static_cast<u64>(row) * all.heads + blockIdx.y * heads + own[index] % heads) * QK;
    rows.position[index] = exists ? static_cast<int>(all.pass.positions[row]) : -1;
    rows.low[index] = 0;
    UNROLL
    for (u32 step = 0; step < QK / 16; step++)
      UNROLL
      for (u32 upper = 0; upper < 2; upper++) {
        u32 at = step * 16 + 2 * inner + 8 * upper;
        q[step][index + 2 * upper] = exists ? bf16_pair(from[at], from[at + 1]) : 0;
      }
  }
  rows.clear();
  BlockSource source{layer, all.pass.blocks + all.pass.first_block[row_of(first_query)], blockIdx.y};
  auto query = [&](u32 step, u32(&a)[4]) {
    UNROLL
    for (u32 index = 0; index < 4; index++) a[index] = q[step][index];
  };
  bool has_rows = warp_index() * 16 < heads * tokens;
  for_tiles<SPLIT_THREADS>(tiles, source, start, 0, end, [&](const Tile<stored, QK, V>& tile, u32 first) {
    if (has_rows) rows.add(query, tile, first, all.scale);
  });
  UNROLL
  for (u32 index = 0; index < 2; index++) {
    if (own[index] >= heads * tokens) continue;
    u64 query_index = first_query + own[index] / heads, head = blockIdx.y * heads + own[index] % heads;
    u64 place = (query_index * all.heads + head) * args.splits + blockIdx.x;
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

KERNEL(attn_split, SplitArgs, SPLIT_THREADS) {
  const KvLayer& layer = args.attention.layer;
  if (layer.qk_dim == 192) {
    if (layer.stored == BF16) attend_split<BF16, 192, 128>(args);
    else attend_split<E4M3, 192, 128>(args);
  } else {
    if (layer.stored == BF16) attend_split<BF16, 48, 32>(args);
    else attend_split<E4M3, 48, 32>(args);
  }
}

KERNEL(attn_merge, SplitArgs, SPLIT_THREADS) {
  const AttentionArgs& all = args.attention;
  u32 v_dim = all.layer.v_dim;
  u64 query = blockIdx.x, head = blockIdx.y;
  u32 row = all.queries ? all.queries[query] : blockIdx.x;
  u32 splits = ceil_div(all.pass.positions[row] + 1, SPLIT);
  u64 place = (query * all.heads + head) * args.splits;
  for (u32 dim = threadIdx.x; dim < v_dim; dim += SPLIT_THREADS) {
    Merged merged;
    merged.begin(all.sinks ? all.sinks + head : nullptr);
    float sum = 0.0f;
    for (u32 split = 0; split < splits; split++) {
      float kept, added;
      merged.add(args.stats[2 * (place + split)], args.stats[2 * (place + split) + 1], kept, added);
      sum = Merged::sum(sum, args.partial[(place + split) * v_dim + dim], kept, added);
    }
    all.out[(query * all.heads + head) * v_dim + dim] = sum / merged.denominator;
  }
}
