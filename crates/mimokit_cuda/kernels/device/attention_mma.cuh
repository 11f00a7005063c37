// Softmax attention of 16 query rows a warp over tiles of 64 keys, on the tensor cores: what attn_split.cu and attn_rows.cu share, so that a row's bits
// are the same in both. S = Q K^T, online softmax, O += P V; Q and P are BF16, sums FP32. Keys and values are BF16 or E4M3, whose scales go to S and P.
// Tiles count from position 0, and masked positions add exact zeros: a row's bits do not depend on the rows beside it.
// Source: FlashAttention-2, arXiv 2307.08691, for the online softmax.
#pragma once
#include "kv.cuh"
#include "mma.cuh"

constexpr u32 TILE = 64;
/// Positions whose sums are one partial result; results are merged ascending.
constexpr u32 SPLIT = 512;
/// Behind each row of a tile, so that lanes of a fragment meet different banks.
constexpr u32 PAD_BYTES = 16;

template <int stored>
constexpr u32 BYTES = stored == BF16 ? 2 : 1;

DEVICE u32 bf16_pair(float low, float high) {
  return static_cast<u32>(encode_bf16(low)) | static_cast<u32>(encode_bf16(high)) << 16;
}

/// E4M3 fits into BF16 without rounding.
DEVICE u32 e4m3_half(u8 byte) { return float_to_bits(decode_e4m3(byte)) >> 16; }

/// A tile in shared memory: rows of keys, rows of values, and the scales of both.
template <int stored, u32 QK, u32 V>
struct Tile {
  static constexpr u32 KEY_PITCH = QK * BYTES<stored> + PAD_BYTES, VALUE_PITCH = V * BYTES<stored> + PAD_BYTES;
  u8 keys[TILE * KEY_PITCH];
  u8 values[TILE * VALUE_PITCH];
  float key_scales[TILE], value_scales[TILE];

  /// Fragments of two neighbouring 8-key tiles, 16 dims from `dim` on.
  DEVICE void key_fragments(u32 key, u32 dim, u32 (&b)[4]) const {
    u32 lane = lane_index();
    if constexpr (stored == BF16) {
      load_matrices(b, keys + (key + lane / 16 * 8 + lane % 8) * KEY_PITCH + 2 * (dim + lane / 8 % 2 * 8));
    } else {
      UNROLL
      for (u32 index = 0; index < 4; index++) {
        const u8* at = keys + (key + index / 2 * 8 + lane / 4) * KEY_PITCH + dim + index % 2 * 8 + 2 * (lane % 4);
        b[index] = e4m3_half(at[0]) | e4m3_half(at[1]) << 16;
      }
    }
  }

  /// Fragments of two neighbouring tiles of 8 dims, 16 keys from `key` on.
  DEVICE void value_fragments(u32 key, u32 dim, u32 (&b)[4]) const {
    u32 lane = lane_index();
    if constexpr (stored == BF16) {
      load_matrices_turned(b, values + (key + lane % 16) * VALUE_PITCH + 2 * (dim + lane / 16 * 8));
    } else {
      UNROLL
      for (u32 index = 0; index < 4; index++) {
        const u8* at = values + (key + index % 2 * 8 + 2 * (lane % 4)) * VALUE_PITCH + dim + index / 2 * 8 + lane / 4;
        b[index] = e4m3_half(at[0]) | e4m3_half(at[VALUE_PITCH]) << 16;
      }
    }
  }
};

/// Starts the copies of a tile from position `first` on; positions outside of [start, end) are zeros. `source(position, is_key)` is where one lies.
template <u32 THREADS, int stored, u32 QK, u32 V, class Source>
DEVICE void load_tile(Tile<stored, QK, V>& tile, const Source& source, u32 first, u32 start, u32 end) {
  constexpr u32 KEY_LOADS = QK * BYTES<stored> / 16, LOADS = KEY_LOADS + V * BYTES<stored> / 16;
  for (u32 index = threadIdx.x; index < TILE * LOADS; index += THREADS) {
    u32 row = index / LOADS, load = index % LOADS, position = first + row;
    bool is_key = load < KEY_LOADS;
    u8* to = is_key ? tile.keys + row * tile.KEY_PITCH + 16 * load
                    : tile.values + row * tile.VALUE_PITCH + 16 * (load - KEY_LOADS);
    if (position >= start && position < end)
      copy_wide_async(to, source.vector(position, is_key).values + 16 * (is_key ? load : load - KEY_LOADS));
    else store_wide(to, Wide{});
  }
  if constexpr (stored == E4M3) {
    for (u32 row = threadIdx.x; row < TILE; row += THREADS) {
      u32 position = first + row;
      bool exists = position >= start && position < end;
      tile.key_scales[row] = exists ? source.vector(position, true).scale : 0.0f;
      tile.value_scales[row] = exists ? source.vector(position, false).scale : 0.0f;
    }
  }
  commit_copies();
}

/// Tiles [start, end) of positions, start a multiple of TILE: loaded one ahead, each given to `use(tile, first)`. `low`: positions before it are zeros.
template <u32 THREADS, int stored, u32 QK, u32 V, class Source, class Use>
DEVICE void for_tiles(Tile<stored, QK, V>* tiles, const Source& source, u32 start, u32 low, u32 end, const Use& use) {
  load_tile<THREADS>(tiles[0], source, start, low, end);
  for (u32 first = start, turn = 0; first < end; first += TILE, turn ^= 1) {
    bool has_next = first + TILE < end;
    if (has_next) load_tile<THREADS>(tiles[turn ^ 1], source, first + TILE, low, end);
    if (has_next) wait_copies<1>();
    else wait_copies<0>();
    __syncthreads();
    use(tiles[turn], first);
    // The next round copies over this tile.
    __syncthreads();
  }
}

/// One warp's 16 rows: sums of what they have seen. A lane's rows are group and group + 8.
template <int stored, u32 QK, u32 V>
struct WarpRows {
  float sums[V / 8][4];
  float largest[2], denominator[2];
  /// Positions that the two rows see: from `low` to `position`; a row that does not exist sees nothing.
  int position[2], low[2];

  DEVICE void clear() {
    UNROLL
    for (u32 dims = 0; dims < V / 8; dims++)
      UNROLL
      for (u32 index = 0; index < 4; index++) sums[dims][index] = 0.0f;
    UNROLL
    for (u32 row = 0; row < 2; row++) {
      largest[row] = -INFINITY;
      denominator[row] = 0.0f;
    }
  }

  /// `query(step, a)` gives the fragment of the rows' dims 16 * step on.
  template <class Query>
  DEVICE void add(const Query& query, const Tile<stored, QK, V>& tile, u32 first, float scale) {
    u32 inner = lane_index() % 4;
    float scores[TILE / 8][4];
    UNROLL
    for (u32 keys = 0; keys < TILE / 8; keys++)
      UNROLL
      for (u32 index = 0; index < 4; index++) scores[keys][index] = 0.0f;
    UNROLL
    for (u32 step = 0; step < QK / 16; step++) {
      u32 a[4];
      query(step, a);
      UNROLL
      for (u32 keys = 0; keys < TILE / 8; keys += 2) {
        u32 b[4];
        tile.key_fragments(keys * 8, step * 16, b);
        mma_bf16(scores[keys], a, {b[0], b[1]});
        mma_bf16(scores[keys + 1], a, {b[2], b[3]});
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
        int seen = static_cast<int>(first + at);
        if (seen > position[index / 2] || seen < low[index / 2]) score = -INFINITY;
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
      UNROLL
      for (u32 dims = 0; dims < V / 8; dims += 2) {
        u32 b[4];
        tile.value_fragments(step * 16, dims * 8, b);
        mma_bf16(sums[dims], a, {b[0], b[1]});
        mma_bf16(sums[dims + 1], a, {b[2], b[3]});
      }
    }
  }
};

/// A row's result so far: `sum / denominator` once all partial results are merged, ascending. Begins with the sink, which has no value.
struct Merged {
  float largest, denominator;

  DEVICE void begin(const float* sink) {
    largest = sink ? *sink : -INFINITY;
    denominator = sink ? 1.0f : 0.0f;
  }

  /// Takes a partial result's maximum and denominator; `kept` and `added` are what its sums and the new ones are multiplied with.
  DEVICE void add(float part_largest, float part_denominator, float& kept, float& added) {
    float now = fmaxf(largest, part_largest);
    float safe = now == -INFINITY ? 0.0f : now;
    kept = expf(largest - safe);
    added = expf(part_largest - safe);
    denominator = fmaf(part_denominator, added, denominator * kept);
    largest = now;
  }
  DEVICE static float sum(float sum, float part, float kept, float added) { return fmaf(part, added, sum * kept); }
};

/// What a sliding window sees: positions before the span from the ring of its window, the span's own from `fresh`, whose slots are the pass's rows.
struct BandSource {
  const KvLayer& ring;
  const KvLayer& fresh;
  u32 window, head, span_start, span_row;
  DEVICE StoredVector vector(u32 position, bool is_key) const {
    bool is_fresh = position >= span_start;
    const KvLayer& layer = is_fresh ? fresh : ring;
    u32 unit = is_fresh ? 0 : window, slot = is_fresh ? span_row + position - span_start : position % ring.slots;
    return is_key ? stored_key(layer, unit, head, slot) : stored_value_vector(layer, unit, head, slot);
  }
};

/// Blocks of a sequence: position p in slot p % slots of block p / slots.
struct BlockSource {
  const KvLayer& layer;
  const u32* blocks;
  u32 head;
  DEVICE StoredVector vector(u32 position, bool is_key) const {
    u32 block = blocks[position / layer.slots], slot = position % layer.slots;
    return is_key ? stored_key(layer, block, head, slot) : stored_value_vector(layer, block, head, slot);
  }
};
