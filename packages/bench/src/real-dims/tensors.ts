// Names, types and shapes of MiMo-V2-Flash's tensors, and its config.json: what docs/model.md says of the 309B checkpoint.

export type StoredType = 'F8_E4M3' | 'BF16' | 'F32';

/** What a tensor's bytes are: `weights` random, `ones` for norms, `scales` of E4M3 blocks, `hole` never written. */
export type Fill = 'weights' | 'ones' | 'scales' | 'hole';

export interface TensorSpec {
  readonly name: string;
  readonly dtype: StoredType;
  readonly shape: readonly number[];
  readonly fill: Fill;
}

export type AttentionKind = 'global' | 'sliding';

const hidden = 4096;
const vocabulary = 152_576;
const expertCount = 256;
const expertWidth = 2048;
const denseWidth = 16_384;
const heads = 64;
const qkDim = 192;
const vDim = 128;
const block = 128;

export const bytesPerElement = (dtype: StoredType): number => ({ F8_E4M3: 1, BF16: 2, F32: 4 })[dtype];
export const elementCount = ({ shape }: TensorSpec): number => shape.reduce((product, size) => product * size, 1);

const norm = (name: string): TensorSpec => ({ name, dtype: 'BF16', shape: [hidden], fill: 'ones' });
const bf16 = (name: string, rows: number, columns: number): TensorSpec => ({
  name,
  dtype: 'BF16',
  shape: [rows, columns],
  fill: 'weights',
});

function fp8(name: string, rows: number, columns: number, scaleRows: number = Math.ceil(rows / block)): TensorSpec[] {
  return [
    { name, dtype: 'F8_E4M3', shape: [rows, columns], fill: 'weights' },
    { name: `${name}_scale_inv`, dtype: 'F32', shape: [scaleRows, Math.ceil(columns / block)], fill: 'scales' },
  ];
}

/** Attention without its norm. The K scales of a global layer restart per head: two rows of scales for each. */
function attention(prefix: string, kind: AttentionKind): TensorSpec[] {
  const kvHeads = kind === 'global' ? 4 : 8;
  const at = `${prefix}.self_attn`;
  const sink: TensorSpec = { name: `${at}.attention_sink_bias`, dtype: 'BF16', shape: [heads], fill: 'weights' };
  return [
    ...fp8(`${at}.q_proj.weight`, heads * qkDim, hidden),
    ...fp8(`${at}.k_proj.weight`, kvHeads * qkDim, hidden, kind === 'global' ? 2 * kvHeads : undefined),
    ...fp8(`${at}.v_proj.weight`, kvHeads * vDim, hidden),
    bf16(`${at}.o_proj.weight`, hidden, heads * vDim),
    ...(kind === 'sliding' ? [sink] : []),
  ];
}

function feedForward(prefix: string, width: number): TensorSpec[] {
  return [
    ...fp8(`${prefix}.gate_proj.weight`, width, hidden),
    ...fp8(`${prefix}.up_proj.weight`, width, hidden),
    ...fp8(`${prefix}.down_proj.weight`, hidden, width),
  ];
}

/** A layer's attention, norms and router, or its dense feed-forward: all but the experts. */
export function layerTensors(layer: number, kind: AttentionKind, moe: boolean): TensorSpec[] {
  const prefix = `model.layers.${layer}`;
  const router: TensorSpec[] = [
    { name: `${prefix}.mlp.gate.weight`, dtype: 'F32', shape: [expertCount, hidden], fill: 'weights' },
    { name: `${prefix}.mlp.gate.e_score_correction_bias`, dtype: 'F32', shape: [expertCount], fill: 'weights' },
  ];
  return [
    norm(`${prefix}.input_layernorm.weight`),
    ...attention(prefix, kind),
    norm(`${prefix}.post_attention_layernorm.weight`),
    ...(moe ? router : feedForward(`${prefix}.mlp`, denseWidth)),
  ];
}

/** All experts of a layer; gate and up (`fc1`) and down (`fc2`) lie in files of their own, as on the hub. */
export function expertTensors(layer: number, part: 'fc1' | 'fc2'): TensorSpec[] {
  return Array.from({ length: expertCount }, (_, expert) =>
    feedForward(`model.layers.${layer}.mlp.experts.${expert}`, expertWidth).filter(
      ({ name }) => name.includes('.down_proj.') === (part === 'fc2'),
    ),
  ).flat();
}

/** One of the three MTP heads. */
export function mtpTensors(head: number): TensorSpec[] {
  const prefix = `model.mtp.layers.${head}`;
  return [
    norm(`${prefix}.enorm.weight`),
    norm(`${prefix}.hnorm.weight`),
    bf16(`${prefix}.eh_proj.weight`, hidden, 2 * hidden),
    norm(`${prefix}.input_layernorm.weight`),
    ...attention(prefix, 'sliding'),
    norm(`${prefix}.pre_mlp_layernorm.weight`),
    ...feedForward(`${prefix}.mlp`, denseWidth),
    norm(`${prefix}.final_layernorm.weight`),
  ];
}

export const embedding: TensorSpec = bf16('model.embed_tokens.weight', vocabulary, hidden);
export const finalTensors: TensorSpec[] = [norm('model.norm.weight'), bf16('lm_head.weight', vocabulary, hidden)];

/** The kinds of the 48 layers: global attention in nine of them, experts in all but the first. */
export const fullLayers: readonly { kind: AttentionKind; moe: boolean }[] = Array.from({ length: 48 }, (_, layer) => ({
  kind: [0, 5, 11, 17, 23, 29, 35, 41, 47].includes(layer) ? 'global' : 'sliding',
  moe: layer > 0,
}));

export function config(layers: readonly { kind: AttentionKind; moe: boolean }[]): Record<string, unknown> {
  return {
    architectures: ['MiMoV2FlashForCausalLM'],
    model_type: 'mimo_v2_flash',
    num_hidden_layers: layers.length,
    hidden_size: hidden,
    intermediate_size: denseWidth,
    moe_intermediate_size: expertWidth,
    num_attention_heads: heads,
    swa_num_attention_heads: heads,
    num_key_value_heads: 4,
    swa_num_key_value_heads: 8,
    head_dim: qkDim,
    swa_head_dim: qkDim,
    v_head_dim: vDim,
    swa_v_head_dim: vDim,
    hybrid_layer_pattern: layers.map(({ kind }) => (kind === 'sliding' ? 1 : 0)),
    moe_layer_freq: layers.map(({ moe }) => (moe ? 1 : 0)),
    sliding_window: 128,
    sliding_window_size: 128,
    attention_chunk_size: 128,
    rope_theta: 5_000_000,
    swa_rope_theta: 10_000,
    partial_rotary_factor: 0.334,
    max_position_embeddings: 262_144,
    layernorm_epsilon: 1e-5,
    hidden_act: 'silu',
    attention_bias: false,
    attention_value_scale: 0.707,
    add_swa_attention_sink_bias: true,
    add_full_attention_sink_bias: false,
    n_routed_experts: expertCount,
    num_experts_per_tok: 8,
    n_shared_experts: null,
    scoring_func: 'sigmoid',
    topk_method: 'noaux_tc',
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    routed_scaling_factor: null,
    tie_word_embeddings: false,
    vocab_size: vocabulary,
    eos_token_id: 151_645,
    quantization_config: {
      quant_method: 'fp8',
      fmt: 'e4m3',
      activation_scheme: 'dynamic',
      weight_block_size: [block, block],
    },
  };
}
