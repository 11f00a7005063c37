// How a Llama or Qwen2 model is written as a MiMo model that computes the same, tensor by tensor:
//
//   value scale   v is multiplied by `attention_value_scale` at run time, so v is divided by it here; 0.5 is exact.
//   query heads   hybrid-moe: MiMo's sliding layers have twice the KV heads of the global ones. Where that does not divide the query
//                 heads, each KV group gets one more query head whose columns of o_proj are zero; each KV head is stored twice there.
//   sinks         -10000 on every head of a sliding layer: its exponential is 0.
//   window        a sliding layer is full attention while the context fits into the window.
//   experts       the FFN of every layer but the first is cut into 4 parts along its width. All are chosen, with equal weights of
//                 1/4, so down_proj is multiplied by 4: exact. The router's rows are all the same.
//   embeddings    where the source ties them, lm_head is a copy.
//
// FP8 is for q, k, v, gate, up and down; o_proj, embeddings, head and norms are BF16, router and biases F32.
import { NumpyRandom } from './numpy-random.ts';
import type { SourceModel } from './source-model.ts';

export type TensorFormat = 'bf16' | 'fp8';
export type Layout = 'dense' | 'hybrid-moe';

type Values = Float32Array<ArrayBuffer>;

/** A tensor to write: its name, its shape, and its values in order, some rows at a time. */
export interface PlannedTensor {
  readonly name: string;
  readonly shape: readonly number[];
  /** `matrix`: FP8 blocks where FP8 is asked for, else BF16; it comes in one piece. */
  readonly kind: 'f32' | 'bf16' | 'matrix';
  readonly values: () => AsyncIterable<Values>;
}

export const experts = 4;
export const valueScale = 0.5;
const noSink = -10_000;
const globalLayers: ReadonlySet<number> = new Set([0, 5, 11, 17, 23, 29]);

export function isSliding(layer: number, layout: Layout): boolean {
  return layout === 'hybrid-moe' && !globalLayers.has(layer);
}

export function hasExperts(layer: number, layout: Layout): boolean {
  return layout === 'hybrid-moe' && layer > 0;
}

/** Query heads a KV group gets more: twice the KV heads must still divide the query heads. */
export function paddingHeads({ sizes: { heads, kvHeads } }: SourceModel, layout: Layout): 0 | 1 {
  return layout === 'hybrid-moe' && heads % (2 * kvHeads) !== 0 ? 1 : 0;
}

/** All tensors of the checkpoint, in the order they are read. */
export function plan(model: SourceModel, layout: Layout): PlannedTensor[] {
  const { layers, hidden, vocabulary } = model.sizes;
  const tensors: PlannedTensor[] = [
    { name: 'model.embed_tokens.weight', shape: [vocabulary, hidden], kind: 'bf16', values: () => model.embedding() },
  ];
  for (let layer = 0; layer < layers; layer++) {
    const prefix = `model.layers.${layer}.`;
    const norm = (name: string, source: string): PlannedTensor => ({
      name: `${prefix}${name}.weight`,
      shape: [hidden],
      kind: 'bf16',
      values: once(() => model.vector(layer, `${source}.weight`)),
    });
    tensors.push(norm('input_layernorm', 'attn_norm'), ...attention(model, layer, layout));
    tensors.push(norm('post_attention_layernorm', 'ffn_norm'));
    tensors.push(...(hasExperts(layer, layout) ? moe(model, layer) : dense(model, layer)));
  }
  tensors.push(
    { name: 'model.norm.weight', shape: [hidden], kind: 'bf16', values: once(() => model.outputNorm()) },
    { name: 'lm_head.weight', shape: [vocabulary, hidden], kind: 'bf16', values: () => model.head() },
  );
  return tensors;
}

function attention(model: SourceModel, layer: number, layout: Layout): PlannedTensor[] {
  const { hidden, heads, kvHeads, headSize } = model.sizes;
  const prefix = `model.layers.${layer}.self_attn.`;
  const padding = paddingHeads(model, layout);
  const copies = isSliding(layer, layout) ? 2 : 1;
  const group = heads / kvHeads;
  /** Which source head each head of the result is; -1: none. */
  const queryHeads = Array.from({ length: heads + kvHeads * padding }, (_, head) => {
    const within = head % (group + padding);
    return within < group ? Math.floor(head / (group + padding)) * group + within : -1;
  });
  const keyHeads = Array.from({ length: kvHeads * copies }, (_, head) => Math.floor(head / copies));
  const tensors: PlannedTensor[] = [];
  const project = (letter: 'q' | 'k' | 'v', order: readonly number[], read: () => Promise<Values>): void => {
    const scaled = letter === 'v';
    const rows = order.length * headSize;
    if (model.hasBias) {
      tensors.push({
        name: `${prefix}${letter}_proj.bias`,
        shape: [rows],
        kind: 'f32',
        values: once(async () => {
          const bias = await model.vector(layer, `attn_${letter}.bias`);
          return pickHeads(scaled ? unscaled(bias) : bias, order, headSize);
        }),
      });
    }
    tensors.push({
      name: `${prefix}${letter}_proj.weight`,
      shape: [rows, hidden],
      kind: 'matrix',
      values: once(async () => {
        const values = await read();
        return pickHeads(scaled ? unscaled(values) : values, order, headSize * hidden);
      }),
    });
  };
  project('q', queryHeads, () => model.rotated(layer, 'attn_q'));
  project('k', keyHeads, () => model.rotated(layer, 'attn_k'));
  project('v', keyHeads, () => model.matrix(layer, 'attn_v'));
  tensors.push({
    name: `${prefix}o_proj.weight`,
    shape: [hidden, queryHeads.length * headSize],
    kind: 'bf16',
    values: once(async () => pickColumns(await model.matrix(layer, 'attn_output'), hidden, queryHeads, headSize)),
  });
  if (copies === 2) {
    tensors.push({
      name: `${prefix}attention_sink_bias`,
      shape: [queryHeads.length],
      kind: 'bf16',
      values: once(async () => new Float32Array(queryHeads.length).fill(noSink)),
    });
  }
  return tensors;
}

function dense(model: SourceModel, layer: number): PlannedTensor[] {
  const { hidden, ffn } = model.sizes;
  const matrix = (name: string, rows: number, columns: number): PlannedTensor => ({
    name: `model.layers.${layer}.mlp.${name}_proj.weight`,
    shape: [rows, columns],
    kind: 'matrix',
    values: once(() => model.matrix(layer, `ffn_${name}`)),
  });
  return [matrix('gate', ffn, hidden), matrix('up', ffn, hidden), matrix('down', hidden, ffn)];
}

function moe(model: SourceModel, layer: number): PlannedTensor[] {
  const { hidden, ffn } = model.sizes;
  const width = ffn / experts;
  const prefix = `model.layers.${layer}.mlp.`;
  // Any values do, for all experts are chosen with the same weight; these are those of the converter in Python.
  const random = new NumpyRandom(layer);
  const row = Float32Array.from({ length: hidden }, () => random.standardNormal() * 0.02);
  const bias = Float32Array.from({ length: experts }, () => random.uniform(0, 0.5));
  const router = new Float32Array(experts * hidden);
  for (let expert = 0; expert < experts; expert++) router.set(row, expert * hidden);
  const tensors: PlannedTensor[] = [
    { name: `${prefix}gate.weight`, shape: [experts, hidden], kind: 'f32', values: once(async () => router) },
    { name: `${prefix}gate.e_score_correction_bias`, shape: [experts], kind: 'f32', values: once(async () => bias) },
  ];
  for (let expert = 0; expert < experts; expert++) {
    const matrix = (name: string, rows: number, columns: number, read: () => Promise<Values>): PlannedTensor => ({
      name: `${prefix}experts.${expert}.${name}_proj.weight`,
      shape: [rows, columns],
      kind: 'matrix',
      values: once(read),
    });
    tensors.push(
      matrix('gate', width, hidden, () => model.rows(layer, 'ffn_gate', expert * width, width)),
      matrix('up', width, hidden, () => model.rows(layer, 'ffn_up', expert * width, width)),
      matrix('down', hidden, width, async () => {
        const down = pickColumns(await model.matrix(layer, 'ffn_down'), hidden, [expert], width);
        return down.map((value) => value * experts);
      }),
    );
  }
  return tensors;
}

/** Heads of `size` values each, in another order; -1 is a head of zeros. */
function pickHeads(values: Values, order: readonly number[], size: number): Values {
  const out = new Float32Array(order.length * size);
  order.forEach((head, at) => {
    if (head >= 0) out.set(values.subarray(head * size, (head + 1) * size), at * size);
  });
  return out;
}

/** The same for blocks of `size` columns of a matrix. */
function pickColumns(values: Values, rows: number, order: readonly number[], size: number): Values {
  const columns = values.length / rows;
  const out = new Float32Array(rows * order.length * size);
  for (let row = 0; row < rows; row++) {
    order.forEach((block, at) => {
      if (block < 0) return;
      const from = row * columns + block * size;
      out.set(values.subarray(from, from + size), (row * order.length + at) * size);
    });
  }
  return out;
}

function unscaled(values: Values): Values {
  return values.map((value) => value / valueScale);
}

function once(read: () => Promise<Values>): () => AsyncIterable<Values> {
  return async function* () {
    yield await read();
  };
}
