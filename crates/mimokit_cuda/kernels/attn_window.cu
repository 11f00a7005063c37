// attn_window: attention over the last `window_keys` positions, the query's own included. Grid: (queries, heads).
//   Positions before the span come from the ring of its window (position p in slot p % slots), the span's own from the fresh rows.
//   q [rows, heads, qk_dim], fresh k | v rounded as stored, sinks [heads] -> out [queries, heads, v_dim]
// Bound: the bytes of window_keys keys and values per row and KV head; the context length has no part in it.
#include "device/attention.cuh"

struct WindowKeys {
  const KvLayer& layer;
  /// The span's first row, this head: vectors of later rows follow at the stride of a row.
  const float* fresh_k;
  const float* fresh_v;
  u32 head, window, first;
  /// Position of the first key, counted from the span's start; below zero: in the ring.
  int start;
  DEVICE float key(u32 index, u32 dim) const {
    int at = start + static_cast<int>(index);
    if (at >= 0) return fresh_k[static_cast<u64>(at) * layer.kv_heads * layer.qk_dim + dim];
    return stored_key(layer, window, head, (first + index) % layer.slots).at(dim);
  }
  DEVICE float value(u32 index, u32 dim) const {
    int at = start + static_cast<int>(index);
    if (at >= 0) return fresh_v[static_cast<u64>(at) * layer.kv_heads * layer.v_dim + dim];
    return stored_value_vector(layer, window, head, (first + index) % layer.slots).at(dim);
  }
};

KERNEL(attn_window, AttentionArgs, ATTENTION_THREADS) {
  const KvLayer& layer = args.layer;
  u32 row = args.queries ? args.queries[blockIdx.x] : blockIdx.x;
  u32 head = blockIdx.y;
  u32 end = args.pass.positions[row] + 1;
  u32 first = end > args.window_keys ? end - args.window_keys : 0;
  u32 kv_head = head / (args.heads / layer.kv_heads);
  u64 fresh = static_cast<u64>(args.pass.span_row[row]) * layer.kv_heads + kv_head;
  WindowKeys keys{layer,
                  args.fresh_k + fresh * layer.qk_dim,
                  args.fresh_v + fresh * layer.v_dim,
                  kv_head,
                  args.pass.windows[row],
                  first,
                  static_cast<int>(first - args.pass.span_start[row])};
  const float* q = args.q + (static_cast<u64>(row) * args.heads + head) * layer.qk_dim;
  float* out = args.out + (static_cast<u64>(blockIdx.x) * args.heads + head) * layer.v_dim;
  attend(keys, end - first, q, layer.qk_dim, layer.v_dim, args.scale, args.sinks ? args.sinks + head : nullptr, out);
}
