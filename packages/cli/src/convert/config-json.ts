// config.json and generation_config.json of a converted model, with the hub's keys.
import { experts, hasExperts, isSliding, type Layout, paddingHeads, type TensorFormat, valueScale } from './layout.ts';
import { blockSize } from './number-formats.ts';
import type { SourceModel } from './source-model.ts';

export interface CheckpointOptions {
  readonly dtype: TensorFormat;
  readonly layout: Layout;
  /** Keys a sliding layer sees, the token's own included. */
  readonly window: number;
}

export function configJson(model: SourceModel, { dtype, layout, window }: CheckpointOptions): Record<string, unknown> {
  const { file, sizes } = model;
  const { kvHeads, headSize, layers } = sizes;
  const heads = sizes.heads + kvHeads * paddingHeads(model, layout);
  const perLayer = (is: (layer: number, layout: Layout) => boolean): number[] =>
    Array.from({ length: layers }, (_, layer) => Number(is(layer, layout)));
  const id = (name: string): number | null => {
    const key = `tokenizer.ggml.${name}_token_id`;
    return file.has(key) ? file.count(key, 0, sizes.vocabulary - 1) : null;
  };
  return {
    architectures: ['MiMoV2FlashForCausalLM'],
    model_type: 'mimo_v2_flash',
    num_hidden_layers: layers,
    hidden_size: sizes.hidden,
    intermediate_size: sizes.ffn,
    moe_intermediate_size: Math.floor(sizes.ffn / experts),
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headSize,
    v_head_dim: headSize,
    swa_num_attention_heads: heads,
    swa_num_key_value_heads: layout === 'hybrid-moe' ? kvHeads * 2 : kvHeads,
    swa_head_dim: headSize,
    swa_v_head_dim: headSize,
    hybrid_layer_pattern: perLayer(isSliding),
    hybrid_block_size: null,
    moe_layer_freq: perLayer(hasExperts),
    sliding_window: window,
    sliding_window_size: window,
    attention_chunk_size: window,
    add_swa_attention_sink_bias: true,
    add_full_attention_sink_bias: false,
    rope_theta: sizes.ropeTheta,
    swa_rope_theta: sizes.ropeTheta,
    partial_rotary_factor: 1,
    rope_scaling: null,
    max_position_embeddings: sizes.context,
    layernorm_epsilon: sizes.epsilon,
    hidden_act: 'silu',
    attention_bias: model.hasBias,
    attention_dropout: 0,
    attention_value_scale: valueScale,
    n_routed_experts: experts,
    num_experts_per_tok: experts,
    n_shared_experts: null,
    scoring_func: 'sigmoid',
    topk_method: 'noaux_tc',
    n_group: 1,
    topk_group: 1,
    norm_topk_prob: true,
    routed_scaling_factor: null,
    tie_word_embeddings: false,
    vocab_size: sizes.vocabulary,
    bos_token_id: null,
    eos_token_id: id('eos'),
    pad_token_id: id('padding'),
    initializer_range: 0.02,
    torch_dtype: 'bfloat16',
    use_cache: true,
    ...(dtype === 'fp8' && {
      quantization_config: {
        quant_method: 'fp8',
        fmt: 'e4m3',
        activation_scheme: 'dynamic',
        weight_block_size: [blockSize, blockSize],
        ignored_layers: Array.from({ length: layers }, (_, layer) => `model.layers.${layer}.self_attn.o_proj`),
      },
    }),
  };
}
