// Where q, k and v lie in a fused projection: as shards of [Q | K | V] rows (MiMo-V2.5 and later: as many as a global layer has
// KV heads), or plain, which is one shard. Shapes do not tell one from the other: docs/model.md. Scales are weights.ts.
import { MimoError } from '@mimokit/protocol';
import type { AttentionShape } from './config.ts';

export interface FusedLayout {
  /** Rows in all. */
  rows: number;
  /** Rows of each part, all shards together. */
  parts: Readonly<Record<'query' | 'key' | 'value', number>>;
  shards: number;
}

/** The layout of `tensor`. Throws `config-unsupported` when its KV heads do not divide into shards. */
export function fusedLayout(tensor: string, shape: AttentionShape, shards: number): FusedLayout {
  const { heads, kvHeads, headDim, valueDim } = shape;
  if (kvHeads % shards !== 0) {
    throw new MimoError('config-unsupported', `${tensor}: ${kvHeads} KV heads do not divide into ${shards} shards.`, {
      tensor,
      hint: 'Where the rows lie as plain [Q | K | V], set fused_qkv_weight_order to "plain" in config.json.',
    });
  }
  const parts = { query: heads * headDim, key: kvHeads * headDim, value: kvHeads * valueDim };
  return { rows: parts.query + parts.key + parts.value, parts, shards };
}

/** The rows of one part, in its own order; `fused` is [rows, width]. */
export function splitRows(
  { rows, parts, shards }: FusedLayout,
  part: keyof FusedLayout['parts'],
  fused: Float32Array,
  width: number,
): Float32Array {
  const before = { query: 0, key: parts.query, value: parts.query + parts.key }[part] / shards;
  const perShard = parts[part] / shards;
  const split = new Float32Array(parts[part] * width);
  for (let shard = 0; shard < shards; shard++) {
    const start = (shard * (rows / shards) + before) * width;
    split.set(fused.subarray(start, start + perShard * width), shard * perShard * width);
  }
  return split;
}
