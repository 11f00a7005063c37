// Configs of the released family, as far as their keys are known: read, or refused by the name of what is missing here.

#![recursion_limit = "256"]

use std::path::Path;

use mimokit_checkpoint::{Error, FusedRows, ModelConfig};
use serde_json::{Value, json};

fn flash() -> Value {
    let pattern: Vec<u8> =
        (0..48).map(|layer| u8::from(![0, 5, 11, 17, 23, 29, 35, 41, 47].contains(&layer))).collect();
    let moe: Vec<u8> = (0..48).map(|layer| u8::from(layer > 0)).collect();
    json!({
        "architectures": ["MiMoV2FlashForCausalLM"], "model_type": "mimo_v2_flash", "num_hidden_layers": 48, "hidden_size": 4096,
        "intermediate_size": 16384, "moe_intermediate_size": 2048, "num_attention_heads": 64, "swa_num_attention_heads": 64,
        "num_key_value_heads": 4, "swa_num_key_value_heads": 8, "head_dim": 192, "swa_head_dim": 192, "v_head_dim": 128,
        "swa_v_head_dim": 128, "hybrid_layer_pattern": pattern, "moe_layer_freq": moe, "sliding_window": 128,
        "sliding_window_size": 128, "attention_chunk_size": 128, "hybrid_block_size": null, "rope_theta": 5_000_000,
        "swa_rope_theta": 10000, "partial_rotary_factor": 0.334, "rope_scaling": null, "max_position_embeddings": 262_144,
        "layernorm_epsilon": 1e-5, "hidden_act": "silu", "attention_bias": false, "attention_dropout": 0.0,
        "attention_value_scale": 0.707, "add_swa_attention_sink_bias": true, "add_full_attention_sink_bias": false,
        "n_routed_experts": 256, "num_experts_per_tok": 8, "n_shared_experts": null, "scoring_func": "sigmoid",
        "topk_method": "noaux_tc", "n_group": 1, "topk_group": 1, "norm_topk_prob": true, "routed_scaling_factor": null,
        "tie_word_embeddings": false, "vocab_size": 152_576, "eos_token_id": 151_645, "pad_token_id": 151_643,
        "torch_dtype": "bfloat16", "quantization_config": {"quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic",
            "weight_block_size": [128, 128], "ignored_layers": ["model.layers.0.self_attn.o_proj"]},
    })
}

fn parse(config: &Value) -> Result<ModelConfig, Error> {
    ModelConfig::parse(Path::new("config.json"), &config.to_string(), None)
}

fn with(changes: Value) -> Value {
    let mut config = flash();
    let (Value::Object(config_map), Value::Object(changes)) = (&mut config, changes) else { panic!("objects") };
    config_map.extend(changes);
    config
}

#[test]
fn the_released_flash_config_is_read() {
    let config = parse(&flash()).expect("reads");
    let sliding = config.sliding.as_ref().expect("sliding");
    let moe = config.moe.as_ref().expect("moe");
    assert_eq!(
        (config.layers.len(), config.global_layers(), config.sliding_layers(), config.moe_layers()),
        (48, 9, 39, 47)
    );
    assert_eq!((config.global.rotary_dim, sliding.rotary_dim, sliding.window_keys), (64, 64, Some(128)));
    assert_eq!((moe.experts, moe.top_k, moe.width, moe.scale), (256, 8, 2048, 1.0));
    assert_eq!((config.global.values_per_position(), sliding.values_per_position()), (4 * 320, 8 * 320));
}

#[test]
fn its_siblings_differ_in_a_few_keys() {
    let later = parse(&with(json!({
        "model_type": "mimo_v2", "attention_projection_layout": "fused_qkv", "rope_theta": 1e7, "max_position_embeddings": 1_048_576,
        "rope_scaling": {"rope_type": "default", "type": "default"}
    })))
    .expect("reads");
    assert_eq!((later.fused_rows, later.global.rope_theta, later.context_length), (FusedRows::Sharded, 1e7, 1_048_576));

    let mut flat = with(json!({
        "layernorm_epsilon": 1e-6, "moe_router_dtype": "bfloat16", "num_nextn_predict_layers": 3, "bos_token_id": null,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e7, "partial_rotary_factor": 0.334}
    }));
    flat.as_object_mut().expect("an object").remove("rope_theta");
    let flat = parse(&flat).expect("reads");
    let sliding_theta = flat.sliding.as_ref().map(|sliding| sliding.rope_theta);
    assert_eq!((flat.global.rope_theta, sliding_theta, flat.eps), (1e7, Some(1e4), 1e-6));
}

#[test]
fn what_would_change_the_computation_is_refused_by_name() {
    for (changes, field) in [
        (
            json!({"quantization_config": {"quant_method": "fp8", "store_dtype": "mxfp4"}}),
            "quantization_config.store_dtype",
        ),
        (json!({"quantization_config": {"quant_method": "fp8", "activation_scheme": "static"}}), "activation_scheme"),
        (json!({"rope_scaling": {"type": "linear", "factor": 4.0}}), "rope_scaling.type"),
        (json!({"rope_parameters": {"full_attention": {"rope_type": "yarn", "rope_theta": 1e6}}}), "rope_type"),
        (json!({"hybrid_layer_pattern": vec![2; 48]}), "hybrid_layer_pattern"),
    ] {
        let error = parse(&with(changes)).expect_err(field);
        assert_eq!(error.code(), "config-unsupported", "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}
