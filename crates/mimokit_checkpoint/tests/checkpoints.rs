// Whole checkpoint directories: the fixtures open, and each way of breaking one gives a typed error that names file, tensor or field.

mod files;

use std::fs;
use std::path::Path;

use files::{Copy, FileWriter, fixture, read_everything};
use mimokit_checkpoint::{Checkpoint, Dtype, Error, Linear, Place, WeightBytes, open_safetensors};

fn refused(copy: &Copy) -> Error {
    Checkpoint::open(&copy.0).and_then(|checkpoint| read_everything(&checkpoint)).expect_err("refused")
}

#[test]
fn every_fixture_model_opens_and_all_its_tensors_fit() {
    for (model, heads) in [("t1-bf16", 3), ("t1-fp8", 3), ("t2-fp8", 0)] {
        let checkpoint = Checkpoint::open(&fixture("models").join(model)).expect(model);
        read_everything(&checkpoint).expect(model);
        assert_eq!(checkpoint.mtp_heads(), heads, "{model}");
        let bytes = WeightBytes::of(&checkpoint);
        assert_eq!((bytes.total(), bytes.foreign), (checkpoint.total_bytes(), 0), "{model}");
    }
}

#[test]
fn the_hubs_config_gives_the_sizes_of_both_kinds_of_attention() {
    let checkpoint = Checkpoint::open(&fixture("models/t2-fp8")).expect("opens");
    let config = checkpoint.config();
    let sliding = config.sliding.as_ref().expect("sliding");
    assert_eq!((config.global.kv_heads, sliding.kv_heads, sliding.window_keys), (2, 4, Some(128)));
    assert_eq!((config.global.rotary_dim, config.global.rope_theta, sliding.rope_theta), (64, 5e6, 1e4));
    assert_eq!((config.global.sinks, sliding.sinks), (false, true));
    assert_eq!((config.value_scale, config.eps, config.eos_token_ids.as_slice()), (0.707, 1e-5, [255].as_slice()));
    assert_eq!((config.global_layers(), config.sliding_layers(), config.moe_layers()), (2, 1, 1));
}

#[test]
fn the_native_spelling_means_the_same() {
    let hub = Copy::of("t1-bf16");
    let expected = Checkpoint::open(&hub.0).expect("hub").config().clone();
    let native = r#"{"model_type":"mimo_v2_flash","num_hidden_layers":6,"hidden_size":64,"intermediate_size":128,"moe_intermediate_size":32,
        "num_attention_heads":8,"num_key_value_heads":1,"head_dim":48,"v_head_dim":32,"sliding_window":8,"max_position_embeddings":4096,
        "layer_types":["full_attention","sliding_attention","sliding_attention","sliding_attention","sliding_attention","full_attention"],
        "mlp_layer_types":["dense","sparse","sparse","sparse","sparse","sparse"],"rms_norm_eps":1e-05,"hidden_act":"silu",
        "rope_parameters":{"full_attention":{"rope_type":"default","rope_theta":5000000,"partial_rotary_factor":0.334},
        "sliding_attention":{"rope_type":"default","rope_theta":10000,"partial_rotary_factor":0.334}},"attention_value_scale":0.707,
        "n_routed_experts":8,"num_experts_per_tok":2,"norm_topk_prob":true,"routed_scaling_factor":1.0,"n_group":1,"topk_group":1,
        "vocab_size":512,"eos_token_id":[511],"tie_word_embeddings":false,"attention_bias":false}"#;
    fs::write(hub.0.join("config.json"), native).expect("write");
    assert_eq!(*Checkpoint::open(&hub.0).expect("native").config(), expected);
}

#[test]
fn eos_ids_of_both_files_are_joined() {
    let copy = Copy::of("t1-bf16");
    fs::write(copy.0.join("generation_config.json"), r#"{"eos_token_id":[510,511,7]}"#).expect("write");
    assert_eq!(Checkpoint::open(&copy.0).expect("opens").config().eos_token_ids, [7, 510, 511]);
}

fn value(linear: &Linear, row: usize, col: usize) -> f32 {
    let scales = linear.scales.as_ref().expect("fp8");
    e4m3(linear.bytes[row * linear.cols + col]) * scales.row(row)[col / scales.block_cols]
}

fn e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let magnitude = if exponent == 0 { mantissa / 512.0 } else { (1.0 + mantissa / 8.0) * 2f32.powi(exponent - 7) };
    if byte & 128 == 0 { magnitude } else { -magnitude }
}

/// The fixture's tensors as a model of one global layer, to go the same way as a checkpoint.
fn kv_grid_model() -> Copy {
    let tensors = open_safetensors(&fixture("fp8/ga_kv_grid.safetensors")).expect("fixture");
    let find = |name: &str| tensors.iter().find(|tensor| tensor.name == name).expect("tensor");
    let mut file = FileWriter::default();
    for part in ["k_proj", "v_proj"] {
        let weight = find(&format!("h4.{part}.weight"));
        let scale = find(&format!("h4.{part}.weight_scale_inv"));
        file.add(&format!("model.layers.0.self_attn.{part}.weight"), "F8_E4M3", &weight.shape, &weight.bytes);
        file.add(&format!("model.layers.0.self_attn.{part}.weight_scale_inv"), "F32", &scale.shape, &scale.bytes);
    }
    file.add("model.layers.0.self_attn.q_proj.weight", "BF16", &[4 * 192, 128], &vec![0; 4 * 192 * 128 * 2]);
    file.add("model.layers.0.self_attn.o_proj.weight", "BF16", &[128, 4 * 128], &vec![0; 128 * 4 * 128 * 2]);
    file.add("model.layers.0.input_layernorm.weight", "BF16", &[128], &[0; 256]);
    let config = r#"{"model_type":"mimo_v2_flash","num_hidden_layers":1,"hidden_size":128,"intermediate_size":128,"num_attention_heads":4,
        "num_key_value_heads":4,"head_dim":192,"v_head_dim":128,"hybrid_layer_pattern":[0],"moe_layer_freq":[0],"layernorm_epsilon":1e-5,
        "rope_theta":10000,"partial_rotary_factor":0.334,"max_position_embeddings":64,"attention_value_scale":0.707,"vocab_size":8}"#;
    Copy::made(config, file)
}

#[test]
fn the_per_head_grid_gives_the_golden_row_scales_and_sums() {
    let copy = kv_grid_model();
    let attention = Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)).expect("attention");
    let tensors = open_safetensors(&fixture("fp8/ga_kv_grid.safetensors")).expect("fixture");
    for (name, linear) in [("k_proj", &attention.k), ("v_proj", &attention.v)] {
        let golden = |suffix: &str| -> Vec<f32> {
            let tensor = tensors.iter().find(|tensor| tensor.name == format!("h4.{name}.{suffix}")).expect(suffix);
            tensor.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
        };
        let (scales, sums) = (golden("row_scale"), golden("row_sum"));
        for row in 0..linear.rows {
            assert_eq!(linear.scales.as_ref().expect("fp8").row(row), &scales[row..=row], "{name} row {row}");
            let sum: f64 = (0..linear.cols).map(|col| f64::from(value(linear, row, col))).sum();
            assert!((sum - f64::from(sums[row])).abs() < 1e-4, "{name} row {row}: {sum} for {}", sums[row]);
        }
    }
}

#[test]
fn e4m3_bytes_in_the_file_keep_their_type() {
    let checkpoint = Checkpoint::open(&fixture("models/t2-fp8")).expect("opens");
    let attention = checkpoint.attention(Place::Layer(0)).expect("attention");
    assert_eq!((attention.q.dtype, attention.o.dtype), (Dtype::F8E4M3, Dtype::Bf16));
    assert!(attention.o.scales.is_none() && attention.k.scales.is_some());
}

#[test]
fn a_missing_directory_config_model_or_shard_is_named() {
    let named = |copy: &Copy, file: &str| {
        fs::remove_file(copy.0.join(file)).expect("remove");
        let error = refused(copy);
        assert_eq!(error.code(), "checkpoint-missing-file");
        assert!(error.to_string().contains(file), "{error}");
    };
    named(&Copy::of("t1-bf16"), "config.json");
    named(&Copy::of("t1-bf16"), "model.safetensors");
    named(&Copy::of("t1-fp8"), "model_1_linear_fc2.safetensors");
    assert_eq!(Checkpoint::open(Path::new("/nowhere")).expect_err("refused").code(), "checkpoint-missing-file");
}

#[test]
fn an_index_that_lies_is_refused() {
    let index = "model.safetensors.index.json";
    let lie = |from: &str, to: &str, part: &str| {
        let copy = Copy::of("t1-fp8");
        copy.edit(index, from, to);
        let error = refused(&copy);
        assert_eq!(error.code(), "checkpoint-malformed", "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    lie(
        r#""lm_head.weight": "model_final.safetensors""#,
        r#""lm_head.weight": "model_0.safetensors""#,
        "lm_head.weight",
    );
    lie("model_final.safetensors", "../model_final.safetensors", "no file name");
    lie("model_final.safetensors", "/etc/passwd", "no file name");
    lie(r#""lm_head.weight""#, r#""model.embed_tokens.weight""#, "twice");
    lie("\"weight_map\"", "\"weights\"", "weight_map");
    lie("{", "[", "not a valid index");
}

#[test]
fn truncated_files_are_refused() {
    let copy = Copy::of("t1-bf16");
    let path = copy.0.join("model.safetensors");
    let bytes = fs::read(&path).expect("read");
    for length in [0, 7, 8, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).expect("write");
        assert_eq!(refused(&copy).code(), "checkpoint-malformed", "{length} bytes");
    }
}

#[test]
fn unknown_config_values_are_refused_by_name() {
    for (from, to, field) in [
        ("\"silu\"", "\"gelu\"", "hidden_act"),
        ("\"sigmoid\"", "\"softmax\"", "scoring_func"),
        ("\"noaux_tc\"", "\"greedy\"", "topk_method"),
        ("\"n_group\": 1", "\"n_group\": 4", "n_group"),
        ("\"n_shared_experts\": null", "\"n_shared_experts\": 1", "n_shared_experts"),
        ("\"rope_scaling\": null", "\"rope_scaling\": {\"rope_type\": \"yarn\"}", "rope_scaling.rope_type"),
        ("\"quant_method\": \"fp8\"", "\"quant_method\": \"gptq\"", "quantization_config.quant_method"),
        ("\"mimo_v2_flash\"", "\"llama\"", "model_type"),
        (
            "\"attention_bias\"",
            "\"attention_projection_layout\": \"tiles\", \"attention_bias\"",
            "attention_projection_layout",
        ),
    ] {
        let copy = Copy::of("t1-fp8");
        copy.edit("config.json", from, to);
        let error = refused(&copy);
        assert_eq!(error.code(), "config-unsupported", "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn impossible_config_values_are_refused_by_name() {
    for (from, to, field) in [
        ("\"num_hidden_layers\": 6", "\"num_hidden_layers\": 7", "hybrid_layer_pattern"),
        ("\"num_hidden_layers\": 6", "\"num_hidden_layers\": -1", "num_hidden_layers"),
        ("\"hidden_size\": 64", "\"hidden_size\": 1e300", "hidden_size"),
        ("\"hidden_size\": 64", "\"hidden_size\": \"64\"", "hidden_size"),
        ("\"vocab_size\": 512,", "", "vocab_size"),
        ("\"num_experts_per_tok\": 2", "\"num_experts_per_tok\": 9", "num_experts_per_tok"),
        ("\"swa_num_key_value_heads\": 2", "\"swa_num_key_value_heads\": 3", "swa_num_key_value_heads"),
        ("\"sliding_window_size\": 8", "\"sliding_window_size\": 9", "sliding_window_size"),
        ("\"partial_rotary_factor\": 0.334", "\"partial_rotary_factor\": 0.07", "partial_rotary_factor"),
        ("\"attention_value_scale\": 0.707,", "", "attention_value_scale"),
        ("\"eos_token_id\": 511", "\"eos_token_id\": [1.5]", "eos_token_id"),
    ] {
        let copy = Copy::of("t1-bf16");
        copy.edit("config.json", from, to);
        let error = refused(&copy);
        assert_eq!(error.code(), "config-invalid", "{error}");
        assert!(error.to_string().contains(field), "{error}");
    }
}

#[test]
fn tensors_that_do_not_fit_the_config_are_named_with_both_shapes() {
    let copy = Copy::of("t1-bf16");
    copy.edit("config.json", "\"vocab_size\": 512", "\"vocab_size\": 520");
    let error = refused(&copy);
    assert_eq!(error.code(), "checkpoint-tensor-shape");
    assert!(
        error.to_string().contains("model.embed_tokens.weight") && error.to_string().contains("[512, 64]"),
        "{error}"
    );

    let copy = Copy::of("t1-bf16");
    copy.edit("config.json", "\"add_full_attention_sink_bias\": false", "\"add_full_attention_sink_bias\": true");
    let error = refused(&copy);
    assert_eq!(error.code(), "checkpoint-tensor-missing");
    assert!(error.to_string().contains("model.layers.0.self_attn.attention_sink_bias"), "{error}");

    let copy = Copy::of("t1-bf16");
    copy.edit("config.json", "\"add_swa_attention_sink_bias\": true", "\"add_swa_attention_sink_bias\": false");
    assert_eq!(refused(&copy).code(), "config-unsupported");

    let copy = Copy::of("t2-fp8");
    copy.edit("config.json", "128,\n      128", "64,\n      128");
    assert_eq!(refused(&copy).code(), "checkpoint-tensor-shape");
}
