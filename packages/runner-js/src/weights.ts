// Tensor names to roles: the checkpoint as typed layers with every weight in FP32. Shapes come from config.json, the number
// of MTP heads from the tensors.
import { MimoError } from '@mimokit/protocol';
import type { Checkpoint } from './checkpoint.ts';
import type { AttentionShape, ModelConfig } from './config.ts';
import { applyScales, fuseHeadScales, headGrid } from './fp8-scales.ts';
import { type FusedLayout, fusedLayout, splitRows } from './fused-qkv.ts';
import type { Linear } from './linear.ts';
import type { Pace } from './pace.ts';

export interface AttentionWeights {
  shape: AttentionShape;
  query: Linear;
  key: Linear;
  value: Linear;
  output: Linear;
  /** [outputs] each, when the config has `attention_bias`. */
  biases: Record<'query' | 'key' | 'value', Float32Array> | undefined;
  /** [heads], or undefined for ordinary softmax. */
  sink: Float32Array | undefined;
}

export interface FeedForward {
  gate: Linear;
  up: Linear;
  down: Linear;
}

export interface Mixture {
  router: Linear;
  /** [experts], added to the scores for choosing only. */
  correction: Float32Array;
  experts: readonly FeedForward[];
}

interface Layer {
  sliding: boolean;
  inputNorm: Float32Array;
  attention: AttentionWeights;
  postAttentionNorm: Float32Array;
  feedForward: FeedForward | Mixture;
}

export interface MtpHead {
  embedNorm: Float32Array;
  hiddenNorm: Float32Array;
  join: Linear;
  inputNorm: Float32Array;
  attention: AttentionWeights;
  preMlpNorm: Float32Array;
  feedForward: FeedForward;
  finalNorm: Float32Array;
}

export interface Model {
  config: ModelConfig;
  /** [vocab, hidden] */
  embedding: Float32Array;
  layers: readonly Layer[];
  finalNorm: Float32Array;
  head: Linear;
  mtp: readonly MtpHead[];
}

const plainDtypes = ['BF16', 'F32'];
const linearDtypes = ['F8_E4M3', 'BF16', 'F32'];

/** Called after each tensor; throws to stop loading. */
export type LoadProgress = (loadedBytes: number, totalBytes: number) => void;

/** Reads all weights. Throws typed errors that name tensor and file. */
export async function loadModel(
  checkpoint: Checkpoint,
  config: ModelConfig,
  pace: Pace,
  onTensor: LoadProgress,
): Promise<Model> {
  const loader = new Loader(checkpoint, config, pace, onTensor);
  const { hiddenSize, vocabSize } = config;
  const embedding = await loader.plain('model.embed_tokens.weight', [vocabSize, hiddenSize]);
  const layers: Layer[] = [];
  for (let layer = 0; layer < config.layers; layer++) layers.push(await loader.layer(layer));
  const finalNorm = await loader.norm('model.norm');
  const head: Linear = config.tiedHead
    ? { weight: embedding, outputs: vocabSize, inputs: hiddenSize, fp8: false }
    : await loader.linear('lm_head', vocabSize, hiddenSize);
  const mtp: MtpHead[] = [];
  for (let index = 0; index < countMtpHeads(checkpoint); index++) mtp.push(await loader.mtpHead(index));
  return { config, embedding, layers, finalNorm, head, mtp };
}

const mtpPrefix = 'model.mtp.layers.';

export function countMtpHeads(checkpoint: Checkpoint): number {
  const heads = new Set<number>();
  for (const name of checkpoint.names()) {
    if (!name.startsWith(mtpPrefix)) continue;
    const index = Number(name.slice(mtpPrefix.length, name.indexOf('.', mtpPrefix.length)));
    if (!Number.isInteger(index) || index < 0 || index > 15) {
      throw new MimoError('checkpoint-malformed', `${name}: an MTP head has a number from 0 to 15.`, { tensor: name });
    }
    heads.add(index);
  }
  if (heads.size > 0 && Math.max(...heads) + 1 !== heads.size) {
    throw new MimoError('checkpoint-malformed', `MTP heads are ${[...heads].join(', ')}; they must leave no gap.`);
  }
  return heads.size;
}

class Loader {
  readonly #checkpoint: Checkpoint;
  readonly #config: ModelConfig;
  readonly #pace: Pace;
  readonly #onTensor: LoadProgress;

  constructor(checkpoint: Checkpoint, config: ModelConfig, pace: Pace, onTensor: LoadProgress) {
    this.#checkpoint = checkpoint;
    this.#config = config;
    this.#pace = pace;
    this.#onTensor = onTensor;
  }

  async #read(tensor: string, shape: readonly number[], dtypes: readonly string[]): Promise<Float32Array> {
    const values = await this.#checkpoint.read(tensor, shape, dtypes);
    this.#onTensor(this.#checkpoint.loadedBytes, this.#checkpoint.totalBytes);
    await this.#pace.rest();
    return values;
  }

  plain(tensor: string, shape: readonly number[]): Promise<Float32Array> {
    return this.#read(tensor, shape, plainDtypes);
  }

  norm(name: string): Promise<Float32Array> {
    return this.plain(`${name}.weight`, [this.#config.hiddenSize]);
  }

  /** `name`.weight, dequantised when it is FP8; a scale beside a weight that is not FP8 is refused. */
  async linear(name: string, outputs: number, inputs: number): Promise<Linear> {
    const { weight, fp8 } = await this.#unscaled(name, outputs, inputs);
    if (fp8) {
      const [blockRows, blockColumns] = this.#config.scaleBlock;
      const scales = await this.#scales(name, Math.ceil(outputs / blockRows), inputs);
      applyScales(weight, outputs, inputs, scales, blockColumns, (row) => Math.floor(row / blockRows));
    }
    return { weight, outputs, inputs, fp8 };
  }

  async #unscaled(name: string, outputs: number, inputs: number): Promise<{ weight: Float32Array; fp8: boolean }> {
    const tensor = `${name}.weight`;
    const weight = await this.#read(tensor, [outputs, inputs], linearDtypes);
    const { dtype, file } = this.#checkpoint.entry(tensor);
    const fp8 = dtype === 'F8_E4M3';
    if (!fp8 && this.#checkpoint.has(`${tensor}_scale_inv`)) {
      throw new MimoError('checkpoint-tensor-dtype', `${file}: ${tensor} is ${dtype} but has FP8 scales.`, {
        file,
        tensor,
        dtype,
      });
    }
    return { weight, fp8 };
  }

  #scales(name: string, rows: number, inputs: number): Promise<Float32Array> {
    return this.#read(`${name}.weight_scale_inv`, [rows, Math.ceil(inputs / this.#config.scaleBlock[1])], ['F32']);
  }

  /** K and V together, because in global layers their FP8 scales may share one grid per KV head. */
  async #keyAndValue(name: string, shape: AttentionShape): Promise<{ key: Linear; value: Linear }> {
    const inputs = this.#config.hiddenSize;
    const [blockRows, blockColumns] = this.#config.scaleBlock;
    const keyRows = shape.kvHeads * shape.headDim;
    const valueRows = shape.kvHeads * shape.valueDim;
    const grid = headGrid(shape.headDim, shape.valueDim, blockRows);
    const scaleName = `${name}k_proj.weight_scale_inv`;
    const found = this.#checkpoint.has(scaleName) ? this.#checkpoint.entry(scaleName).shape[0] : 0;
    const isHeadGrid = grid.value > 0 && found === shape.kvHeads * grid.key && found !== Math.ceil(keyRows / blockRows);
    if (!isHeadGrid) {
      return {
        key: await this.linear(`${name}k_proj`, keyRows, inputs),
        value: await this.linear(`${name}v_proj`, valueRows, inputs),
      };
    }
    const key = await this.#unscaled(`${name}k_proj`, keyRows, inputs);
    const value = await this.#unscaled(`${name}v_proj`, valueRows, inputs);
    const keyScales = await this.#scales(`${name}k_proj`, shape.kvHeads * grid.key, inputs);
    const valueScales = await this.#scales(`${name}v_proj`, shape.kvHeads * grid.value, inputs);
    const fused = fuseHeadScales(grid, shape.kvHeads, Math.ceil(inputs / blockColumns), keyScales, valueScales);
    const rowOf = (width: number, offset: number) => (row: number) =>
      Math.floor(row / width) * grid.perHead + Math.floor((offset + (row % width)) / blockRows);
    applyScales(key.weight, keyRows, inputs, fused, blockColumns, rowOf(shape.headDim, 0));
    applyScales(value.weight, valueRows, inputs, fused, blockColumns, rowOf(shape.valueDim, shape.headDim));
    return { key: { ...key, outputs: keyRows, inputs }, value: { ...value, outputs: valueRows, inputs } };
  }

  async attention(name: string, shape: AttentionShape): Promise<AttentionWeights> {
    const { hiddenSize } = this.#config;
    const fused = this.#checkpoint.has(`${name}qkv_proj.weight`)
      ? fusedLayout(`${name}qkv_proj.weight`, shape, this.#config.fusedShards)
      : undefined;
    const { query, key, value } = fused
      ? await this.#fused(name, fused)
      : {
          query: await this.linear(`${name}q_proj`, shape.heads * shape.headDim, hiddenSize),
          ...(await this.#keyAndValue(name, shape)),
        };
    const output = await this.linear(`${name}o_proj`, hiddenSize, shape.heads * shape.valueDim);
    const biases = await this.#biases(name, shape, fused);
    this.#refuse(`${name}o_proj.bias`, 'output projections have no bias in this architecture');
    if (!shape.sink) this.#refuse(`${name}attention_sink_bias`, 'config.json says these layers have no sinks');
    const sink = shape.sink ? await this.plain(`${name}attention_sink_bias`, [shape.heads]) : undefined;
    return { shape, query, key, value, output, biases, sink };
  }

  /** q, k and v out of one tensor, with the FP8 scale grid that restarts at each of its shards. */
  async #fused(name: string, layout: FusedLayout): Promise<Record<'query' | 'key' | 'value', Linear>> {
    const inputs = this.#config.hiddenSize;
    const { weight, fp8 } = await this.#unscaled(`${name}qkv_proj`, layout.rows, inputs);
    if (fp8) {
      const [blockRows, blockColumns] = this.#config.scaleBlock;
      const shardRows = layout.rows / layout.shards;
      const shardBlocks = Math.ceil(shardRows / blockRows);
      const scales = await this.#scales(`${name}qkv_proj`, layout.shards * shardBlocks, inputs);
      const rowOf = (row: number): number =>
        Math.floor(row / shardRows) * shardBlocks + Math.floor((row % shardRows) / blockRows);
      applyScales(weight, layout.rows, inputs, scales, blockColumns, rowOf);
    }
    const part = (which: 'query' | 'key' | 'value'): Linear => ({
      weight: splitRows(layout, which, weight, inputs),
      outputs: layout.parts[which],
      inputs,
      fp8,
    });
    return { query: part('query'), key: part('key'), value: part('value') };
  }

  async #biases(
    name: string,
    shape: AttentionShape,
    fused: FusedLayout | undefined,
  ): Promise<AttentionWeights['biases']> {
    if (!this.#config.attentionBias) {
      for (const part of ['q', 'k', 'v', 'qkv'])
        this.#refuse(`${name}${part}_proj.bias`, 'config.json says attention_bias is false');
      return undefined;
    }
    if (fused !== undefined) {
      const bias = await this.plain(`${name}qkv_proj.bias`, [fused.rows]);
      const part = (which: 'query' | 'key' | 'value'): Float32Array => splitRows(fused, which, bias, 1);
      return { query: part('query'), key: part('key'), value: part('value') };
    }
    return {
      query: await this.plain(`${name}q_proj.bias`, [shape.heads * shape.headDim]),
      key: await this.plain(`${name}k_proj.bias`, [shape.kvHeads * shape.headDim]),
      value: await this.plain(`${name}v_proj.bias`, [shape.kvHeads * shape.valueDim]),
    };
  }

  /** Refuses a tensor that would be left out of the computation. */
  #refuse(tensor: string, problem: string): void {
    if (!this.#checkpoint.has(tensor)) return;
    const { file } = this.#checkpoint.entry(tensor);
    throw new MimoError('config-unsupported', `${file}: ${tensor} is not supported: ${problem}.`, { file, tensor });
  }

  async feedForward(name: string, width: number): Promise<FeedForward> {
    const { hiddenSize } = this.#config;
    return {
      gate: await this.linear(`${name}gate_proj`, width, hiddenSize),
      up: await this.linear(`${name}up_proj`, width, hiddenSize),
      down: await this.linear(`${name}down_proj`, hiddenSize, width),
    };
  }

  async #mixture(name: string): Promise<Mixture> {
    const { experts, expertWidth, hiddenSize } = this.#config;
    this.#refuse(`${name}shared_experts.gate_proj.weight`, 'shared experts are not part of this architecture');
    const router = {
      weight: await this.plain(`${name}gate.weight`, [experts, hiddenSize]),
      outputs: experts,
      inputs: hiddenSize,
      fp8: false,
    };
    const correction = await this.plain(`${name}gate.e_score_correction_bias`, [experts]);
    const all: FeedForward[] = [];
    for (let expert = 0; expert < experts; expert++)
      all.push(await this.feedForward(`${name}experts.${expert}.`, expertWidth));
    return { router, correction, experts: all };
  }

  async layer(index: number): Promise<Layer> {
    const name = `model.layers.${index}.`;
    const sliding = this.#config.sliding[index];
    return {
      sliding,
      inputNorm: await this.norm(`${name}input_layernorm`),
      attention: await this.attention(`${name}self_attn.`, sliding ? this.#config.window : this.#config.global),
      postAttentionNorm: await this.norm(`${name}post_attention_layernorm`),
      feedForward: this.#config.sparse[index]
        ? await this.#mixture(`${name}mlp.`)
        : await this.feedForward(`${name}mlp.`, this.#config.denseWidth),
    };
  }

  async mtpHead(index: number): Promise<MtpHead> {
    const name = `${mtpPrefix}${index}.`;
    const { hiddenSize, denseWidth, hasWindow, window } = this.#config;
    if (!hasWindow) {
      const field = 'swa_num_key_value_heads';
      throw new MimoError('config-invalid', `config.json: ${field} is missing; the MTP heads need it.`, { field });
    }
    return {
      embedNorm: await this.norm(`${name}enorm`),
      hiddenNorm: await this.norm(`${name}hnorm`),
      join: await this.linear(`${name}eh_proj`, hiddenSize, 2 * hiddenSize),
      inputNorm: await this.norm(`${name}input_layernorm`),
      attention: await this.attention(`${name}self_attn.`, window),
      preMlpNorm: await this.norm(`${name}pre_mlp_layernorm`),
      feedForward: await this.feedForward(`${name}mlp.`, denseWidth),
      finalNorm: await this.norm(`${name}final_layernorm`),
    };
  }
}
