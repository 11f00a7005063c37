// config.json, in the hub's spelling or the native one of transformers, to the sizes and constants of the forward pass.
// Every number of the model comes from here; values that this runner does not compute are refused by name.
import { MimoError } from '@mimokit/protocol';
import { Fields } from './config-fields.ts';

/** Attention of the global layers, or of the sliding layers and the MTP heads. */
export interface AttentionShape {
  heads: number;
  kvHeads: number;
  /** Width of a query or key head. */
  headDim: number;
  /** Width of a value head. */
  valueDim: number;
  /** The first rotaryDim values of a head are rotated. */
  rotaryDim: number;
  theta: number;
  /** One learned logit per query head in the softmax denominator. */
  sink: boolean;
}

export interface ModelConfig {
  vocabSize: number;
  hiddenSize: number;
  layers: number;
  /** Per layer: sliding window (true) or global. */
  sliding: readonly boolean[];
  /** Per layer: mixture of experts (true) or dense. */
  sparse: readonly boolean[];
  global: AttentionShape;
  window: AttentionShape;
  /** Keys that a sliding query sees, itself included. */
  windowKeys: number;
  valueScale: number;
  epsilon: number;
  denseWidth: number;
  expertWidth: number;
  experts: number;
  topK: number;
  routedScale: number;
  contextLength: number;
  eosTokenIds: readonly number[];
  tiedHead: boolean;
  /** Rows and columns of one FP8 weight scale; the columns are also the group of dynamic activation quantisation. */
  scaleBlock: readonly [rows: number, columns: number];
}

const architecture = 'MiMoV2FlashForCausalLM';
const modelType = 'mimo_v2_flash';
const maxSize = 1 << 21;

/** Reads config.json. Throws `config-invalid` or `config-unsupported` naming the field. */
export function readConfig(text: string, file = 'config.json'): ModelConfig {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new MimoError('config-invalid', `${file} is not JSON.`, { file, cause });
  }
  const fields = new Fields(file, parsed);
  refuseUnknown(fields);

  const size = (...names: string[]): number => fields.integer(names, 1, maxSize);
  const layers = fields.integer(['num_hidden_layers'], 1, 4096);
  const sliding = fields.has('hybrid_layer_pattern')
    ? fields.choices('hybrid_layer_pattern', layers, 0, 1)
    : fields.choices('layer_types', layers, 'full_attention', 'sliding_attention');
  const sparse = fields.has('moe_layer_freq')
    ? fields.choices('moe_layer_freq', layers, 0, 1)
    : fields.choices('mlp_layer_types', layers, 'dense', 'sparse');
  const anySparse = sparse.includes(true);
  const experts = anySparse ? size('n_routed_experts') : 0;

  const vocabSize = size('vocab_size');
  return {
    vocabSize,
    hiddenSize: size('hidden_size'),
    layers,
    sliding,
    sparse,
    global: attentionShape(fields, false),
    window: attentionShape(fields, true),
    windowKeys: windowKeys(fields),
    valueScale: fields.number(['attention_value_scale'], 1e-6, 1e6),
    epsilon: fields.number(['layernorm_epsilon', 'rms_norm_eps'], 0, 1),
    denseWidth: size('intermediate_size'),
    expertWidth: anySparse ? size('moe_intermediate_size') : 0,
    experts,
    topK: anySparse ? fields.integer(['num_experts_per_tok'], 1, Math.min(experts, 65536)) : 0,
    routedScale: fields.number(['routed_scaling_factor'], 1e-6, 1e6, 1),
    contextLength: fields.integer(['max_position_embeddings'], 1, 0x7fffffff),
    eosTokenIds: eosTokenIds(fields, vocabSize),
    tiedHead: fields.boolean(['tie_word_embeddings'], false),
    scaleBlock: scaleBlock(fields),
  };
}

function refuseUnknown(fields: Fields): void {
  fields.only('model_type', [modelType, '']);
  const named = fields.raw('architectures');
  if (named !== undefined && !(Array.isArray(named) && named.includes(architecture))) {
    fields.unsupported('architectures', named, `known: ${architecture}`);
  }
  if (!fields.has('model_type', 'architectures')) fields.missing(['model_type', 'architectures']);
  fields.only('hidden_act', ['silu']);
  fields.only('attention_bias', [false]);
  fields.only('scoring_func', ['sigmoid']);
  fields.only('topk_method', ['noaux_tc']);
  fields.only('n_group', [1]);
  fields.only('topk_group', [1]);
  fields.only('n_shared_experts', [0]);
  fields.only('norm_topk_prob', [true]);
  fields.only('moe_router_dtype', ['float32']);
  fields.only('attention_projection_layout', ['split']);
  if (fields.has('rope_scaling')) {
    const scaling = fields.object('rope_scaling');
    scaling.only('rope_type', ['default']);
    scaling.only('type', ['default']);
    if (!scaling.has('rope_type', 'type')) scaling.missing(['rope_type', 'type']);
  }
}

/** Global layers, or sliding ones: their hub keys begin with `swa_`; the native spelling says twice the KV heads by rule. */
function attentionShape(fields: Fields, sliding: boolean): AttentionShape {
  const names = (name: string): string[] => (sliding ? [`swa_${name}`, name] : [name]);
  const heads = fields.integer(names('num_attention_heads'), 1, 65536);
  const kvHeads =
    sliding && !fields.has('swa_num_key_value_heads')
      ? 2 * fields.integer(['num_key_value_heads'], 1, 65536)
      : fields.integer([sliding ? 'swa_num_key_value_heads' : 'num_key_value_heads'], 1, 65536);
  if (heads % kvHeads !== 0)
    fields.invalid(names('num_key_value_heads')[0], kvHeads, `a divisor of the ${heads} query heads`);
  const headDim = fields.integer(names('head_dim'), 2, 65536);

  const native = fields.has('rope_parameters');
  const rope = native
    ? fields.object('rope_parameters').object(sliding ? 'sliding_attention' : 'full_attention')
    : fields;
  if (native) rope.only('rope_type', ['default']);
  const theta = rope.number([sliding && !native ? 'swa_rope_theta' : 'rope_theta'], 1, 1e12);
  // The factor may be 0.334 where 1/3 is meant; the product is cut to an integer (facts: int(192 * 0.334) = 64).
  const factor = rope.number(['partial_rotary_factor'], 0, 1, 1);
  const rotaryDim = Math.floor(headDim * factor);
  if (rotaryDim % 2 !== 0)
    fields.invalid('partial_rotary_factor', factor, `such that floor(${headDim} * factor) is even`);

  return {
    heads,
    kvHeads,
    headDim,
    valueDim: fields.integer(names('v_head_dim'), 1, 65536),
    rotaryDim,
    theta,
    sink: fields.boolean([sliding ? 'add_swa_attention_sink_bias' : 'add_full_attention_sink_bias'], sliding),
  };
}

function windowKeys(fields: Fields): number {
  const keys = fields.integer(['sliding_window', 'sliding_window_size'], 1, 0x7fffffff);
  const again = fields.integer(['sliding_window_size'], 1, 0x7fffffff, keys);
  if (again !== keys) fields.invalid('sliding_window_size', again, `sliding_window, which is ${keys}`);
  return keys;
}

function eosTokenIds(fields: Fields, vocabSize: number): number[] {
  const value = fields.raw('eos_token_id');
  if (value === undefined) return [];
  const ids: unknown[] = Array.isArray(value) ? value : [value];
  return ids.map((id) => {
    if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
    return fields.invalid('eos_token_id', id, `a token id below ${vocabSize}`);
  });
}

function scaleBlock(fields: Fields): [number, number] {
  if (!fields.has('quantization_config')) return [128, 128];
  const quantization = fields.object('quantization_config');
  if (!quantization.has('quant_method')) quantization.missing(['quant_method']);
  quantization.only('quant_method', ['fp8']);
  quantization.only('fmt', ['e4m3']);
  quantization.only('activation_scheme', ['dynamic']);
  quantization.only('store_dtype', ['fp8']);
  const block = quantization.raw('weight_block_size');
  const isBlock =
    Array.isArray(block) &&
    block.length === 2 &&
    block.every((side) => Number.isInteger(side) && side >= 1 && side <= 65536);
  if (!isBlock) return quantization.invalid('quantization_config.weight_block_size', block, 'two positive integers');
  return [Number(block[0]), Number(block[1])];
}
