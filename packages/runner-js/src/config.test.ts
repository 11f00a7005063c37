// config.json in both spellings, and what is refused by name.
import { fixtureJson } from '@mimokit/fixtures';
import { isMimoError, type MimoError } from '@mimokit/protocol';
import { describe, expect, test } from 'vitest';
import { readConfig } from './config.ts';

type Json = Record<string, unknown>;
const hub = fixtureJson<Json>('models', 't1-fp8', 'config.json');

/** The same model as transformers' native class writes it. */
function nativeSpelling(): Json {
  const rope = (theta: unknown): Json => ({
    rope_type: 'default',
    rope_theta: theta,
    partial_rotary_factor: hub.partial_rotary_factor,
  });
  const same =
    'architectures model_type vocab_size hidden_size intermediate_size moe_intermediate_size num_hidden_layers num_attention_heads num_key_value_heads head_dim v_head_dim hidden_act max_position_embeddings attention_bias attention_value_scale n_routed_experts num_experts_per_tok n_group topk_group norm_topk_prob routed_scaling_factor tie_word_embeddings eos_token_id pad_token_id sliding_window quantization_config';
  return {
    ...Object.fromEntries(same.split(' ').map((key) => [key, hub[key]])),
    rms_norm_eps: hub.layernorm_epsilon,
    layer_types: (hub.hybrid_layer_pattern as number[]).map((sliding) =>
      sliding === 1 ? 'sliding_attention' : 'full_attention',
    ),
    mlp_layer_types: (hub.moe_layer_freq as number[]).map((sparse) => (sparse === 1 ? 'sparse' : 'dense')),
    rope_parameters: { full_attention: rope(hub.rope_theta), sliding_attention: rope(hub.swa_rope_theta) },
  };
}

function refusal(changes: Json): MimoError {
  try {
    readConfig(JSON.stringify({ ...hub, ...changes }));
  } catch (error) {
    if (isMimoError(error)) return error;
    throw error;
  }
  throw new Error(`accepted: ${JSON.stringify(changes)}`);
}

test('the hub spelling', () => {
  expect(readConfig(JSON.stringify(hub))).toMatchObject({
    vocabSize: 256,
    hiddenSize: 128,
    sliding: [false, true, true, false],
    sparse: [false, true, false, true],
    global: { heads: 8, kvHeads: 1, headDim: 48, valueDim: 32, rotaryDim: 16, theta: 5000000, sink: false },
    window: { heads: 8, kvHeads: 2, headDim: 48, valueDim: 32, rotaryDim: 16, theta: 10000, sink: true },
    windowKeys: 8,
    valueScale: 0.707,
    epsilon: 1e-5,
    routedScale: 1,
    eosTokenIds: [255],
    scaleBlock: [128, 128],
  });
});

test('the native spelling says the same', () => {
  expect(readConfig(JSON.stringify(nativeSpelling()))).toEqual(readConfig(JSON.stringify(hub)));
});

describe('values that this runner does not compute are refused by name', () => {
  const unknown: Json = {
    model_type: 'llama',
    architectures: ['LlamaForCausalLM'],
    hidden_act: 'gelu',
    scoring_func: 'softmax',
    topk_method: 'greedy',
    n_group: 8,
    topk_group: 4,
    n_shared_experts: 1,
    moe_router_dtype: 'float16',
    attention_projection_layout: 'tiles',
    fused_qkv_weight_order: 'zigzag',
    rope_scaling: { rope_type: 'yarn' },
    hybrid_layer_pattern: [0, 2, 1, 0],
    quantization_config: { quant_method: 'gptq' },
  };
  for (const [field, value] of Object.entries(unknown)) {
    test(`${field}`, () => {
      const error = refusal({ [field]: value });
      expect(error.code).toBe('config-unsupported');
      expect(error.message).toContain(`config.json: ${field}`);
    });
  }
});

describe('missing, ill-typed and impossible values are refused by name', () => {
  const wrong: Json = {
    vocab_size: -1,
    hidden_size: 64.5,
    num_hidden_layers: '4',
    num_attention_heads: null,
    swa_num_key_value_heads: 3,
    head_dim: 1e9,
    partial_rotary_factor: 0.32,
    rope_theta: 0,
    layernorm_epsilon: 'small',
    attention_value_scale: 0,
    routed_scaling_factor: 0,
    sliding_window: 0,
    sliding_window_size: 9,
    max_position_embeddings: 2 ** 40,
    num_experts_per_tok: 9,
    hybrid_layer_pattern: [0, 1],
    eos_token_id: 256,
    tie_word_embeddings: 'no',
  };
  for (const [field, value] of Object.entries(wrong)) {
    test(`${field}`, () => {
      const error = refusal({ [field]: value });
      expect(error.code).toBe('config-invalid');
      expect(error.message).toContain(field);
      expect(error.details.file).toBe('config.json');
    });
  }
  test.each(['', '{', '[]', 'null', '3'])('%j is no config', (text) => {
    expect(() => readConfig(text)).toThrow(expect.objectContaining({ code: 'config-invalid' }));
  });
});
