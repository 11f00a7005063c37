// The arguments of every kernel, one struct each, with shapes. `src/arguments.rs` mirrors them field by field; the emulated device
// refuses a launch whose struct has another size. Pointers are device addresses; a null pointer is a missing part where that is said.
#pragma once
#include "matrix.cuh"
#include "wide.cuh"

/// Rows of a table.
struct EmbedArgs {
  Matrix table;         // [vocab, width]
  const u32* ids;       // [rows]
  float* out;           // [rows, width]
};

struct RmsNormArgs {
  const float* x;       // [*, width]
  const u32* rows;      // [count] rows of x; null: row i is i
  const float* weight;  // [width]
  float* out;           // [count, width]
  u32 width;
  float eps;
};

/// Values rounded to E4M3 per row and group of 128 columns, and multiplied back.
struct QuantiseArgs {
  const float* x;       // [rows, width]
  float* out;           // [rows, width]
  u32 width;
  u32 reserved;
};

struct LinearArgs {
  Matrix weight;        // [out, in]
  const float* x;       // [rows, in]
  const float* bias;    // [out] or null
  float* y;             // [rows, out]
  u32 rows;
  /// 1: y += the product.
  u32 adds;
};

/// One of the products of linear_few.
struct LinearPart {
  Matrix weight;        // [out, in]
  const float* x;       // [rows, in]
  const float* bias;    // [out] or null
  float* y;             // [rows, out]
};

struct LinearFewArgs {
  LinearPart parts[3];
  u32 count, rows;
  /// 1: y += the product.
  u32 adds;
  u32 reserved;
};

struct RopeArgs {
  float* q;             // [rows, heads * qk_dim], in place
  float* k;             // [rows, kv_heads * qk_dim], in place
  float* v;             // [rows, kv_heads * v_dim], in place
  const float* cosines; // [rows, rotary / 2]
  const float* sines;
  u32 heads, kv_heads, qk_dim, v_dim, rotary;
  float value_scale;
};

/// Keys and values of one layer in a pool. Unit u (a block or a window) begins at base + u * stride; in it, from `layer_start`:
/// keys [kv_heads, slots, qk_dim], key scales [kv_heads, slots] (E4M3 only), values [kv_heads, slots, v_dim], value scales.
struct KvLayer {
  u8* base;
  u64 stride, layer_start, key_scales, values, value_scales;
  u32 slots, kv_heads, qk_dim, v_dim;
  int stored;
  u32 reserved;
};

/// The rows of a pass: where each sits in its sequence.
struct PassRows {
  const u32* positions;    // [rows]
  const u32* windows;      // [rows] window of the row's span
  const u32* span_row;     // [rows] first row of the span
  const u32* span_start;   // [rows] position of that row
  const u32* rows_after;   // [rows] rows of the span after this one
  const u32* first_block;  // [rows] where the span's blocks begin in `blocks`
  const u32* blocks;       // block ids of all spans
};

/// Where each row's key and value go.
struct KvWriteArgs {
  KvLayer layer;
  PassRows pass;
  const float* k;       // [rows, kv_heads * qk_dim]
  const float* v;       // [rows, kv_heads * v_dim]
  /// 0: blocks; 1: a ring, of which the last `slots` rows of a span are written; 2: one unit, whose slots are the pass's rows.
  u32 kind;
  u32 reserved;
};

/// Fresh keys and values rounded as they will be stored.
struct KvRoundArgs {
  const float* k;       // [rows, kv_heads * qk_dim]
  const float* v;
  float* rounded_k;
  float* rounded_v;
  u32 kv_heads, qk_dim, v_dim;
  int stored;
};

struct AttentionArgs {
  KvLayer layer;
  PassRows pass;
  const u32* queries;   // [count] rows of the pass; null: row i is i
  const float* q;       // [rows, heads * qk_dim]
  const float* fresh_k; // window attention: [rows, kv_heads * qk_dim], rounded; null in global attention
  const float* fresh_v;
  const float* sinks;   // [heads] or null
  float* out;           // [count, heads * v_dim]
  u32 heads;
  /// Keys a query sees, itself included; window attention only.
  u32 window_keys;
  float scale;
  u32 reserved;
};

/// attn_split and attn_merge; `fresh_k`, `fresh_v` and `window_keys` are not used.
struct SplitArgs {
  AttentionArgs attention;
  const u32* groups;    // [groups, 2]: first query, and how many queries of one span follow one another
  float* partial;       // [queries, heads, splits, v_dim], not yet divided
  float* stats;         // [queries, heads, splits, 2]: maximum, denominator
  u32 splits;
  u32 reserved;
};

/// attn_rows and attn_band; `fresh_k` and `fresh_v` are not used.
struct RowsArgs {
  AttentionArgs attention;
  /// attn_band: the pass's own keys and values, one unit, a slot a row.
  KvLayer fresh;
  const u32* groups;    // [groups, 2]: as of SplitArgs
};

struct RouterArgs {
  const float* logits;  // [rows, experts]
  const float* bias;    // [experts]
  u32* ids;             // [rows, top_k], ascending in a row
  float* weights;       // [rows, top_k]
  u32 experts, top_k, normalise;
  float scale;
};

/// Gate, up and down of every expert.
struct ExpertsArgs {
  const Matrix* matrices;  // [experts, 3]
  const u32* ids;          // [rows, top_k]; null: expert 0, as a dense feed-forward
  const float* weights;    // [rows, top_k]; null: 1
  const float* n;          // [rows, hidden]; read by gate and up
  float* inner;            // [rows * top_k, width]; written by gate and up, read by down
  float* x;                // [rows, hidden]; added to by down
  u32 rows, hidden, width, top_k;
};

/// Pairs by expert: group g holds order[start of g .. start of g + 1].
struct GroupsArgs {
  const u32* ids;       // [pairs] experts
  u32* groups;          // [groups + 1, 2]: expert, and where its pairs begin in `order`
  u32* order;           // [pairs]
  u32* count;           // groups
  u32 experts, pairs;
};

/// As ExpertsArgs, for rows grouped by expert.
struct ExpertsFewArgs {
  const Matrix* matrices;  // [experts, 3]
  const u32* groups;       // null: one row, whose choices are the groups, or a dense feed-forward
  const u32* order;        // null with `groups`
  const u32* count;
  const u32* ids;          // [pairs]; null: expert 0
  const float* weights;    // [pairs]; null: 1
  const float* n;          // [rows, hidden]
  float* inner;            // [pairs, width]
  float* down;             // [pairs, hidden]
  float* x;                // [rows, hidden]
  u32 pairs, hidden, width, top_k;
};

struct JoinArgs {
  Matrix table;              // [vocab, width]
  const u32* ids;            // [rows]
  const float* fresh;        // [*, width]
  const float* kept;         // [*, width]
  const u32* sources;        // [rows, 2]: 0 or 1 for fresh or kept, and the row there
  const float* embedding_norm;
  const float* hidden_norm;
  float* out;                // [rows, 2 * width]
  u32 width;
  float eps;
};

/// out[targets[i]] = x[rows[i]]; a null list counts up from 0.
struct MoveRowsArgs {
  const float* x;
  const u32* rows;
  const u32* targets;
  float* out;
  u32 width;
  u32 reserved;
};

/// What load_box of hopper.cuh reads: a tensor of three dimensions, its tile and its swizzle, as the driver encodes it (cuTensorMapEncodeTiled).
struct alignas(64) TensorMap {
  u64 words[16];
};

/// Rows quantised to E4M3 per 128 columns, each to the places that its choices have.
struct QuantiseRowsArgs {
  const float* x;       // [rows, width]
  const u32* places;    // [rows, copies]; null: row i is at place i
  u8* quantised;        // [places, width]
  float* scales;        // [groups, scale_stride], by group and place; NaN where a group has one
  u32 width, copies, scale_stride;
  u32 reserved;
};

/// (row, choice) pairs by expert, each expert's from a multiple of 4 places on; ascending in an expert.
struct PlacesArgs {
  const u32* ids;       // [pairs] experts
  u32* counts;          // [experts]; null: not counted
  u32* order;           // [places] pair of a place; unspecified where there is none
  u32* places;          // [pairs] place of a pair
  u32* tiles;           // [tiles, 4]: expert, its first place, its pairs, its first tile
  u32* tile_count;
  u32 experts, pairs;
  /// Places of a tile.
  u32 tile_rows;
  u32 reserved;
};

/// What an FP8 product makes of its tiles.
enum Fp8Mode : u32 { FP8_LINEAR = 0, FP8_GATE_UP = 1, FP8_DOWN = 2 };

/// One weight of an FP8 product, and where its results go.
struct Fp8Part {
  Matrix weight;        // [out, in]; of experts, one of them, for its sizes
  float* y;             // [rows, out]; gate_up: [places, out]; down: [pairs, out]
  const float* bias;    // [out] or null
};

struct Fp8Args {
  TensorMap maps[3];    // hopper: [experts, out, in] of each part; gate and up
  TensorMap inputs;     // hopper: [places, in]
  Fp8Part parts[3];     // gate_up: gate, whose y is inner; down: down
  const Matrix* matrices;  // [experts, 3]: gate, up and down; null: the parts' own weights
  const u32* tiles;     // of place_pairs; null: one group of `rows`
  const u32* tile_count;
  const u32* order;     // down: the pair of a place; null: itself
  const u8* quantised;  // [places, in]
  const float* scales;  // [groups, scale_stride]
  u32 mode, count, rows, cols, scale_stride;
  /// 1: y += the product.
  u32 adds;
};

struct ArgmaxArgs {
  const float* logits;  // [rows, vocab]
  u32* best;            // [rows]; NONE when no logit is above minus infinity
  u32 vocab;
  /// Ids from here on are never picked.
  u32 pickable;
};

struct ReadProbeArgs {
  const u8* from;
  u32* sums;            // [blocks] or null
  u64 loads;            // of 16 bytes
};
