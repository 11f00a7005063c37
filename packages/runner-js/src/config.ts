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
  /** Of sliding layers and MTP heads; where the config speaks of neither it is `global`, which nothing uses then. */
  window: AttentionShape;
  /** Whether the config speaks of sliding attention. */
  hasWindow: boolean;
  /** Keys that a sliding query sees, itself included. */
  windowKeys: number;
  valueScale: number;
  /** q, k and v have biases, added before rotary embedding and value scale. */
  attentionBias: boolean;
  /** Shards of [Q | K | V] rows in a fused qkv projection, as many as a global layer has KV heads; 1 where the rows lie plain. */
  fusedShards: number;
  epsilon: number;
  denseWidth: number;
  expertWidth: number;
  experts: number;
  topK: number;
  /** Mixing weights are divided by their sum. */
  normalise: boolean;
  routedScale: number;
  contextLength: number;
  eosTokenIds: readonly number[];
  tiedHead: boolean;
  /** Rows and columns of one FP8 weight scale; the columns are also the group of dynamic activation quantisation. */
  scaleBlock: readonly [rows: number, columns: number];
}

const architectures = ['MiMoV2FlashForCausalLM', 'MiMoV2ForCausalLM'];
const maxWidth = 1 << 20;
const maxHeads = 1 << 12;
const maxHeadDim = 1 << 14;
const maxVocabulary = 1 << 24;
const maxLayers = 1 << 10;
const maxExperts = 1 << 16;
const maxPositions = 1 << 30;
/** Scales at or near zero leave nothing of what they scale: taken for a mistake. */
const smallestScale = 1e-6;

/** A text file of a checkpoint, named in errors. */
export interface ConfigFile {
  file: string;
  text: string;
}

/**
 * Reads config.json and, where there is one, generation_config.json, whose end-of-sequence ids are joined to those of the
 * config. Throws `config-invalid` or `config-unsupported` naming the field.
 */
export function readConfig(text: string, generation?: ConfigFile, file = 'config.json'): ModelConfig {
  const fields = parseFields({ file, text });
  refuseUnknown(fields);

  const layers = fields.integer(['num_hidden_layers'], 1, maxLayers);
  const sliding = layerKinds(
    fields,
    layers,
    ['hybrid_layer_pattern', 'layer_types'],
    'full_attention',
    'sliding_attention',
  );
  const sparse = layerKinds(fields, layers, ['moe_layer_freq', 'mlp_layer_types'], 'dense', 'sparse');
  const anySparse = sparse.includes(true);
  const experts = anySparse ? fields.integer(['n_routed_experts'], 1, maxExperts) : 0;
  const global = globalAttention(fields);
  const window = slidingAttention(fields, global, sliding.includes(true));
  if (!fields.hasKey('attention_value_scale')) fields.missing(['attention_value_scale']);

  const vocabSize = fields.integer(['vocab_size'], 1, maxVocabulary);
  return {
    vocabSize,
    hiddenSize: fields.integer(['hidden_size'], 1, maxWidth),
    layers,
    sliding,
    sparse,
    global,
    window: window?.shape ?? global,
    hasWindow: window !== undefined,
    windowKeys: window?.keys ?? 1,
    // null is no scaling.
    valueScale: fields.number(['attention_value_scale'], smallestScale, 1e6, 1),
    attentionBias: fields.boolean(['attention_bias'], false),
    fusedShards: fields.raw('fused_qkv_weight_order') === 'plain' ? 1 : global.kvHeads,
    epsilon: fields.number(['layernorm_epsilon', 'rms_norm_eps'], 0, 1),
    denseWidth: fields.integer(['intermediate_size'], 1, maxWidth),
    expertWidth: anySparse ? fields.integer(['moe_intermediate_size'], 1, maxWidth) : 0,
    experts,
    topK: anySparse ? fields.integer(['num_experts_per_tok'], 1, experts) : 0,
    normalise: fields.boolean(['norm_topk_prob'], true),
    routedScale: fields.number(['routed_scaling_factor'], smallestScale, 1e6, 1),
    contextLength: fields.integer(['max_position_embeddings'], 1, maxPositions),
    eosTokenIds: eosTokenIds([fields, ...(generation === undefined ? [] : [parseFields(generation)])], vocabSize),
    tiedHead: fields.boolean(['tie_word_embeddings'], false),
    scaleBlock: scaleBlock(fields),
  };
}

function parseFields({ file, text }: ConfigFile): Fields {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    throw new MimoError('config-invalid', `${file} is not JSON.`, { file, cause });
  }
  return new Fields(file, parsed);
}

function refuseUnknown(fields: Fields): void {
  fields.only('model_type', ['mimo_v2_flash', 'mimo_v2', '']);
  const named = fields.list('architectures');
  if (named !== undefined && !named.some((name) => architectures.includes(String(name)))) {
    fields.unsupported('architectures', named, `known: ${architectures.join(', ')}`);
  }
  if (!fields.has('model_type', 'architectures')) fields.missing(['model_type', 'architectures']);
  fields.only('hidden_act', ['silu']);
  fields.only('scoring_func', ['sigmoid']);
  fields.only('topk_method', ['noaux_tc']);
  fields.only('n_group', [1]);
  fields.only('topk_group', [1]);
  fields.only('n_shared_experts', [0]);
  fields.only('moe_router_dtype', ['float32', 'bfloat16']);
  fields.only('attention_projection_layout', ['split', 'fused_qkv']);
  fields.only('fused_qkv_weight_order', ['interleaved', 'plain']);
  if (fields.has('rope_scaling')) requireDefaultRope(fields.object('rope_scaling'));
}

function requireDefaultRope(rope: Fields): void {
  rope.only('rope_type', ['default']);
  rope.only('type', ['default']);
  rope.only('factor', []);
}

/** Per layer one of two kinds, in the hub's spelling (0 and 1) or the native one; where both are there, they must agree. */
function layerKinds(
  fields: Fields,
  layers: number,
  [hub, native]: readonly [hub: string, native: string],
  zero: string,
  one: string,
): boolean[] {
  const fromHub = fields.has(hub) ? fields.choices(hub, layers, 0, 1) : undefined;
  const fromNative = fields.has(native) ? fields.choices(native, layers, zero, one) : undefined;
  if (fromHub !== undefined && fromNative !== undefined && fromHub.some((kind, layer) => kind !== fromNative[layer])) {
    fields.invalid(native, fields.raw(native), `as ${hub} says`);
  }
  return fromHub ?? fromNative ?? fields.missing([hub, native]);
}

function globalAttention(fields: Fields): AttentionShape {
  const headDim = fields.integer(['head_dim'], 1, maxHeadDim);
  const heads = fields.integer(['num_attention_heads'], 1, maxHeads);
  const kvHeads = fields.integer(['num_key_value_heads'], 1, maxHeads);
  requireGroups(fields, 'num_key_value_heads', heads, kvHeads);
  return {
    heads,
    kvHeads,
    headDim,
    valueDim: fields.integer(['v_head_dim'], 1, maxHeadDim),
    ...rotary(fields, 'full_attention', 'rope_theta', headDim),
    sink: fields.boolean(['add_full_attention_sink_bias'], false),
  };
}

/** Attention of sliding layers and its window; undefined where the config speaks of none and no layer needs one. */
function slidingAttention(
  fields: Fields,
  global: AttentionShape,
  isNeeded: boolean,
): { shape: AttentionShape; keys: number } | undefined {
  const isNative = fields.has('layer_types');
  if (!fields.has('swa_num_key_value_heads') && !isNative) {
    return isNeeded ? fields.missing(['swa_num_key_value_heads']) : undefined;
  }
  // The native class of transformers has twice the KV heads in sliding layers, by rule.
  const kvHeads = fields.integer(['swa_num_key_value_heads'], 1, maxHeads, 2 * global.kvHeads);
  if (!fields.has('sliding_window', 'sliding_window_size')) {
    return isNeeded ? fields.missing(['sliding_window', 'sliding_window_size']) : undefined;
  }
  const keys = fields.integer(['sliding_window', 'sliding_window_size'], 1, maxPositions);
  const again = fields.integer(['sliding_window_size'], 1, maxPositions, keys);
  if (again !== keys) fields.invalid('sliding_window_size', again, `sliding_window, which is ${keys}`);

  const heads = fields.integer(['swa_num_attention_heads'], 1, maxHeads, global.heads);
  const headDim = fields.integer(['swa_head_dim'], 1, maxHeadDim, global.headDim);
  const shape = {
    heads,
    kvHeads,
    headDim,
    valueDim: fields.integer(['swa_v_head_dim'], 1, maxHeadDim, global.valueDim),
    ...rotary(fields, 'sliding_attention', 'swa_rope_theta', headDim),
    sink: fields.boolean(['add_swa_attention_sink_bias'], true),
  };
  // Derived by the native rule, and no layer uses it.
  if (!isNeeded && isNative && heads % kvHeads !== 0) return undefined;
  requireGroups(fields, 'swa_num_key_value_heads', heads, kvHeads);
  return { shape, keys };
}

function requireGroups(fields: Fields, field: string, heads: number, kvHeads: number): void {
  if (heads % kvHeads !== 0) fields.invalid(field, kvHeads, `a divisor of the ${heads} query heads`);
}

/** Theta and rotated dims from `rope_parameters[kind]`, a flat `rope_parameters`, or the hub's own keys, which come first. */
function rotary(
  fields: Fields,
  kind: string,
  thetaField: string,
  headDim: number,
): Pick<AttentionShape, 'rotaryDim' | 'theta'> {
  const parameters = fields.has('rope_parameters') ? fields.object('rope_parameters') : undefined;
  const isNested = parameters !== undefined && parameters.has(kind);
  const source = isNested ? parameters.object(kind) : parameters;
  if (source !== undefined) requireDefaultRope(source);
  const isInSource = source !== undefined && (isNested || thetaField === 'rope_theta');
  const theta =
    fields.has(thetaField) || !isInSource
      ? fields.number([thetaField], 1, 1e12)
      : source.number(['rope_theta'], 1, 1e12);
  // The factor may be 0.334 where 1/3 is meant; the product is cut to an integer (facts: int(192 * 0.334) = 64).
  const factorSource = fields.has('partial_rotary_factor') ? fields : (source ?? fields);
  const factor = factorSource.number(['partial_rotary_factor'], 0, 1, 1);
  const rotaryDim = Math.floor(headDim * factor);
  if (rotaryDim === 0 || rotaryDim % 2 !== 0)
    fields.invalid('partial_rotary_factor', factor, `such that floor(${headDim} * factor) is even and not 0`);
  return { rotaryDim, theta };
}

function eosTokenIds(files: readonly Fields[], vocabSize: number): number[] {
  const ids = files.flatMap((fields) => {
    const value = fields.raw('eos_token_id');
    const listed: unknown[] = value === undefined ? [] : Array.isArray(value) ? value : [value];
    return listed.map((id) => {
      if (typeof id === 'number' && Number.isInteger(id) && id >= 0 && id < vocabSize) return id;
      return fields.invalid('eos_token_id', id, `a token id below ${vocabSize}`);
    });
  });
  return [...new Set(ids)].sort((a, b) => a - b);
}

function scaleBlock(fields: Fields): [number, number] {
  if (!fields.has('quantization_config')) return [128, 128];
  const quantization = fields.object('quantization_config');
  if (!quantization.has('quant_method')) quantization.missing(['quant_method']);
  quantization.only('quant_method', ['fp8']);
  quantization.only('fmt', ['e4m3']);
  quantization.only('activation_scheme', ['dynamic']);
  quantization.only('store_dtype', ['fp8']);
  const block = quantization.list('weight_block_size');
  if (block === undefined) return [128, 128];
  const isBlock =
    block.length === 2 &&
    block.every((side) => Number.isInteger(side) && Number(side) >= 1 && Number(side) <= maxWidth);
  if (!isBlock) return quantization.invalid('quantization_config.weight_block_size', block, 'two positive integers');
  return [Number(block[0]), Number(block[1])];
}
