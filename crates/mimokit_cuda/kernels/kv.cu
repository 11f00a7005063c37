// kv_write: keys and values of a pass into blocks, rings or one unit, rounded to the storage type. One warp a head. Grid: (rows, kv_heads).
// kv_round: what storing makes of fresh keys and values, as FP32, so that chunking changes nothing. Grid: (rows, kv_heads).
#include "device/kv.cuh"

KERNEL(kv_write, KvWriteArgs, 32) {
  const KvLayer& layer = args.layer;
  u32 row = blockIdx.x, head = blockIdx.y;
  u32 position = args.pass.positions[row];
  // Of a span longer than the ring, only what is not overwritten at once: two warps must not write one slot.
  if (args.kind == 1 && args.pass.rows_after[row] >= layer.slots) return;
  u32 unit = args.kind == 2   ? 0
             : args.kind == 1 ? args.pass.windows[row]
                              : args.pass.blocks[args.pass.first_block[row] + position / layer.slots];
  u8* base = layer_base(layer, unit);
  u64 at = head_slot(layer, head, args.kind == 2 ? row : position % layer.slots);
  u64 vector = static_cast<u64>(row) * layer.kv_heads + head;
  u32 bytes = element_bytes(layer.stored);
  store_vector(args.k + vector * layer.qk_dim, layer.qk_dim, layer.stored, base + at * layer.qk_dim * bytes,
               reinterpret_cast<float*>(base + layer.key_scales) + at);
  store_vector(args.v + vector * layer.v_dim, layer.v_dim, layer.stored, base + layer.values + at * layer.v_dim * bytes,
               reinterpret_cast<float*>(base + layer.value_scales) + at);
}

KERNEL(kv_round, KvRoundArgs, 32) {
  u64 vector = static_cast<u64>(blockIdx.x) * args.kv_heads + blockIdx.y;
  round_vector(args.k + vector * args.qk_dim, args.qk_dim, args.stored, args.rounded_k + vector * args.qk_dim);
  round_vector(args.v + vector * args.v_dim, args.v_dim, args.stored, args.rounded_v + vector * args.v_dim);
}
