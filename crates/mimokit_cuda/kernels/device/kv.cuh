// Reading and writing stored keys and values. The layout is that of KvLayer in arguments.cuh.
#pragma once
#include "arguments.cuh"
#include "reduce.cuh"

struct StoredVector {
  const u8* values;
  float scale;
  int stored;
  DEVICE float at(u32 dim) const { return stored_value(values, dim, stored) * scale; }
};

DEVICE u32 element_bytes(int stored) { return stored == E4M3 ? 1 : stored == BF16 ? 2 : 4; }

DEVICE u64 head_slot(const KvLayer& layer, u32 head, u32 slot) { return static_cast<u64>(head) * layer.slots + slot; }

DEVICE u8* layer_base(const KvLayer& layer, u32 unit) { return layer.base + unit * layer.stride + layer.layer_start; }

DEVICE StoredVector stored_key(const KvLayer& layer, u32 unit, u32 head, u32 slot) {
  u8* base = layer_base(layer, unit);
  u64 at = head_slot(layer, head, slot);
  float scale = layer.stored == E4M3 ? reinterpret_cast<float*>(base + layer.key_scales)[at] : 1.0f;
  return {base + at * layer.qk_dim * element_bytes(layer.stored), scale, layer.stored};
}

DEVICE StoredVector stored_value_vector(const KvLayer& layer, u32 unit, u32 head, u32 slot) {
  u8* base = layer_base(layer, unit);
  u64 at = head_slot(layer, head, slot);
  float scale = layer.stored == E4M3 ? reinterpret_cast<float*>(base + layer.value_scales)[at] : 1.0f;
  return {base + layer.values + at * layer.v_dim * element_bytes(layer.stored), scale, layer.stored};
}

/// The scale of a vector that a warp stores as E4M3: amax / 448; 1 for other types. All lanes call it.
DEVICE float vector_scale(const float* vector, u32 dim, int stored) {
  if (stored != E4M3) return 1.0f;
  float largest = 0.0f;
  for (u32 index = lane_index(); index < dim; index += WARP) largest = fmaxf(largest, fabsf(vector[index]));
  return group_scale(warp_max(largest));
}

/// A warp stores a vector.
DEVICE void store_vector(const float* vector, u32 dim, int stored, u8* to, float* scale_to) {
  float scale = vector_scale(vector, dim, stored);
  if (stored == E4M3 && lane_index() == 0) *scale_to = scale;
  for (u32 index = lane_index(); index < dim; index += WARP) {
    if (stored == E4M3) to[index] = encode_e4m3(vector[index] / scale);
    else if (stored == BF16) reinterpret_cast<u16*>(to)[index] = encode_bf16(vector[index]);
    else reinterpret_cast<float*>(to)[index] = vector[index];
  }
}

/// A warp writes what storing and loading makes of a vector.
DEVICE void round_vector(const float* vector, u32 dim, int stored, float* to) {
  float scale = vector_scale(vector, dim, stored);
  for (u32 index = lane_index(); index < dim; index += WARP) {
    if (stored == E4M3) to[index] = decode_e4m3(encode_e4m3(vector[index] / scale)) * scale;
    else if (stored == BF16) to[index] = decode_bf16(encode_bf16(vector[index]));
    else to[index] = vector[index];
  }
}
