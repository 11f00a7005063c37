// attn_global: causal attention over the blocks of a sequence, one query head a thread block. Grid: (queries, heads).
//   q [rows, heads, qk_dim], blocks -> out [queries, heads, v_dim]; position p is in slot p % slots of block p / slots
// The portable tier: every head reads its keys anew. Bound: the bytes of p + 1 keys and values per row and KV head.
#include "device/attention.cuh"

struct BlockKeys {
  const KvLayer& layer;
  const u32* blocks;
  u32 head;
  DEVICE float key(u32 index, u32 dim) const {
    return stored_key(layer, blocks[index / layer.slots], head, index % layer.slots).at(dim);
  }
  DEVICE float value(u32 index, u32 dim) const {
    return stored_value_vector(layer, blocks[index / layer.slots], head, index % layer.slots).at(dim);
  }
};

KERNEL(attn_global, AttentionArgs, ATTENTION_THREADS) {
  const KvLayer& layer = args.layer;
  u32 row = args.queries ? args.queries[blockIdx.x] : blockIdx.x;
  u32 head = blockIdx.y;
  BlockKeys keys{layer, args.pass.blocks + args.pass.first_block[row], head / (args.heads / layer.kv_heads)};
  const float* q = args.q + (static_cast<u64>(row) * args.heads + head) * layer.qk_dim;
  float* out = args.out + (static_cast<u64>(blockIdx.x) * args.heads + head) * layer.v_dim;
  attend(keys, args.pass.positions[row] + 1, q, layer.qk_dim, layer.v_dim, args.scale,
         args.sinks ? args.sinks + head : nullptr, out);
}
