// Attention: projections with rotary embedding, global attention over blocks, sliding attention over the ring and the fresh
// keys, output projection. Where rows are stored is kv.ts.
//   p_t = exp(s_t - m) / (exp(sink_h - m) + sum_u exp(s_u - m)),   s_t = q . k_t / sqrt(headDim),   out = sum_t p_t v_t
// Source: MiMo-V2-Flash report eq. 1-4; the sink is there in sliding layers only, is not scaled and has no value row.
import type { AttentionShape } from './config.ts';
import { kvWidth } from './kv-rows.ts';
import type { Part, Pass, Slice } from './pass.ts';
import { project } from './pass.ts';
import type { AttentionWeights } from './weights.ts';

/** Fresh rows of a slice: queries [count, heads * headDim]; keys and values [count, kvWidth], not yet rounded to the storage format. */
export interface Fresh {
  queries: Float32Array;
  rows: Float32Array;
}

/** Op qkv_rope: q, k, v of normed x with their biases; q and k rotated, v scaled. */
export function qkvRope(
  pass: Pass,
  weights: AttentionWeights,
  slice: Slice,
  sliding: boolean,
  x: Float32Array,
  wantQueries = true,
): Fresh {
  const { shape } = weights;
  const { count } = slice;
  const table = sliding ? slice.windowRotation : slice.globalRotation;
  const { biases } = weights;
  const queries = pass.memory.take('queries', count * weights.query.outputs);
  if (wantQueries) {
    project(pass, weights.query, x, count, queries);
    if (biases !== undefined) addBias(queries, count, biases.query);
    rotate(queries, count, shape.heads, shape, table);
  }
  const keys = pass.memory.take('keys', count * weights.key.outputs);
  project(pass, weights.key, x, count, keys);
  if (biases !== undefined) addBias(keys, count, biases.key);
  rotate(keys, count, shape.kvHeads, shape, table);
  const values = pass.memory.take('values', count * weights.value.outputs);
  project(pass, weights.value, x, count, values);
  if (biases !== undefined) addBias(values, count, biases.value);

  const width = kvWidth(shape);
  const rows = pass.memory.take('rows', count * width);
  const keyWidth = weights.key.outputs;
  const { valueScale } = pass.model.config;
  for (let token = 0; token < count; token++) {
    for (let index = 0; index < keyWidth; index++) rows[token * width + index] = keys[token * keyWidth + index];
    for (let index = 0; index < width - keyWidth; index++) {
      rows[token * width + keyWidth + index] = values[token * (width - keyWidth) + index] * valueScale;
    }
  }
  return { queries, rows };
}

/** Adds `bias` to each of `count` rows. */
function addBias(x: Float32Array, count: number, bias: Float32Array): void {
  const width = bias.length;
  for (let token = 0; token < count; token++)
    for (let index = 0; index < width; index++) x[token * width + index] += bias[index];
}

/** Rotates the first rotaryDim values of each head in half-split pairs (i, i + rotaryDim / 2). */
function rotate(
  x: Float32Array,
  count: number,
  heads: number,
  { headDim, rotaryDim }: AttentionShape,
  table: Float64Array,
): void {
  const half = rotaryDim / 2;
  for (let token = 0; token < count; token++) {
    for (let head = 0; head < heads; head++) {
      const at = (token * heads + head) * headDim;
      for (let pair = 0; pair < half; pair++) {
        const cos = table[token * rotaryDim + 2 * pair];
        const sin = table[token * rotaryDim + 2 * pair + 1];
        const a = x[at + pair];
        const b = x[at + pair + half];
        x[at + pair] = a * cos - b * sin;
        x[at + pair + half] = b * cos + a * sin;
      }
    }
  }
}

/** Op attn_global: writes the fresh rows into their blocks, then attends causally over all positions. Returns [count, heads * valueDim]. */
export function attnGlobal(
  pass: Pass,
  layer: number,
  weights: AttentionWeights,
  slice: Slice,
  fresh: Fresh,
): Float32Array {
  const { shape } = weights;
  const width = kvWidth(shape);
  const out = pass.memory.take('attended', slice.count * shape.heads * shape.valueDim);
  for (const part of slice.parts) {
    const end = part.start + part.count;
    pass.kv.writeBlocks(layer, part.table, part.start, part.count, fresh.rows.subarray(part.offset * width));
    const context = pass.memory.take('context', end * width);
    pass.kv.readBlocks(layer, part.table, end, context);
    attend(pass, weights, part, fresh.queries, context, 0, Number.POSITIVE_INFINITY, out);
  }
  return out;
}

/** Op attn_window: attends over the ring and the fresh rows, then writes the fresh rows into the ring. `layer` counts MTP heads on. */
export function attnWindow(
  pass: Pass,
  layer: number,
  weights: AttentionWeights,
  slice: Slice,
  fresh: Fresh,
): Float32Array {
  const { shape } = weights;
  const width = kvWidth(shape);
  const out = pass.memory.take('attended', slice.count * shape.heads * shape.valueDim);
  for (const part of slice.parts) {
    const rows = fresh.rows.subarray(part.offset * width, (part.offset + part.count) * width);
    const first = Math.max(0, part.start - pass.windowKeys + 1);
    const context = pass.memory.take('context', (part.start + part.count - first) * width);
    pass.kv.readWindow(layer, part.window, first, part.start, context);
    pass.kv.asStored(rows, part.count, context, (part.start - first) * width);
    attend(pass, weights, part, fresh.queries, context, first, pass.windowKeys, out);
    pass.kv.writeWindow(layer, part.window, part.start, part.count, rows);
  }
  return out;
}

/** Softmax attention of one part; `context` holds rows of positions first.. up to the part's last. */
function attend(
  pass: Pass,
  { shape, sink }: AttentionWeights,
  part: Part,
  queries: Float32Array,
  context: Float32Array,
  first: number,
  windowKeys: number,
  out: Float32Array,
): void {
  const { heads, kvHeads, headDim, valueDim } = shape;
  const width = kvWidth(shape);
  const group = heads / kvHeads;
  const scale = 1 / Math.sqrt(headDim);
  const scores = new Float64Array(part.start + part.count - first);
  const sums = new Float64Array(valueDim);
  for (let token = 0; token < part.count; token++) {
    const position = part.start + token;
    const from = Math.max(first, position - windowKeys + 1) - first;
    const to = position + 1 - first;
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / group);
      const query = ((part.offset + token) * heads + head) * headDim;
      const keyAt = from * width + kvHead * headDim;
      const count = to - from;
      scoreKeys(queries, query, headDim, context, keyAt, width, count, scale, scores);
      let largest = sink === undefined ? Number.NEGATIVE_INFINITY : sink[head];
      for (let key = 0; key < count; key++) if (scores[key] > largest) largest = scores[key];
      let total = sink === undefined ? 0 : Math.exp(sink[head] - largest);
      for (let key = 0; key < count; key++) {
        scores[key] = Math.exp(scores[key] - largest);
        total += scores[key];
      }
      const valueAt = from * width + kvHeads * headDim + kvHead * valueDim;
      mixValues(scores, count, context, valueAt, width, sums);
      const into = ((part.offset + token) * heads + head) * valueDim;
      for (let index = 0; index < valueDim; index++) out[into + index] = sums[index] / total;
    }
  }
}

/** scores[t] = q . k_t * scale for `count` keys, four side by side, each one sum in index order. */
function scoreKeys(
  queries: Float32Array,
  query: number,
  headDim: number,
  context: Float32Array,
  at: number,
  width: number,
  count: number,
  scale: number,
  scores: Float64Array,
): void {
  let key = 0;
  for (; key + 4 <= count; key += 4) {
    const k0 = at + key * width;
    const k1 = k0 + width;
    const k2 = k1 + width;
    const k3 = k2 + width;
    let s0 = 0;
    let s1 = 0;
    let s2 = 0;
    let s3 = 0;
    for (let index = 0; index < headDim; index++) {
      const q = queries[query + index];
      s0 += q * context[k0 + index];
      s1 += q * context[k1 + index];
      s2 += q * context[k2 + index];
      s3 += q * context[k3 + index];
    }
    scores[key] = s0 * scale;
    scores[key + 1] = s1 * scale;
    scores[key + 2] = s2 * scale;
    scores[key + 3] = s3 * scale;
  }
  for (; key < count; key++) {
    let sum = 0;
    for (let index = 0; index < headDim; index++) sum += queries[query + index] * context[at + key * width + index];
    scores[key] = sum * scale;
  }
}

/** sums = sum over t of weights[t] v_t, each element added in the order of t; four rows a pass save loads and stores. */
function mixValues(
  weights: Float64Array,
  count: number,
  context: Float32Array,
  at: number,
  width: number,
  sums: Float64Array,
): void {
  sums.fill(0);
  let key = 0;
  for (; key + 4 <= count; key += 4) {
    const v0 = at + key * width;
    const v1 = v0 + width;
    const v2 = v1 + width;
    const v3 = v2 + width;
    const w0 = weights[key];
    const w1 = weights[key + 1];
    const w2 = weights[key + 2];
    const w3 = weights[key + 3];
    for (let index = 0; index < sums.length; index++) {
      let sum = sums[index] + w0 * context[v0 + index];
      sum += w1 * context[v1 + index];
      sum += w2 * context[v2 + index];
      sums[index] = sum + w3 * context[v3 + index];
    }
  }
  for (; key < count; key++) {
    for (let index = 0; index < sums.length; index++) sums[index] += weights[key] * context[at + key * width + index];
  }
}

/** Op o_proj: the heads' outputs back to the residual width [count, hidden]. */
export function oProj(pass: Pass, weights: AttentionWeights, attended: Float32Array, count: number): Float32Array {
  const out = pass.memory.take('projected', count * weights.output.outputs);
  project(pass, weights.output, attended, count, out);
  return out;
}
