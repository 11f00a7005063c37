// Fused projections (MiMo-V2.5): shards of [Q | K | V] rows, each with scale blocks of its own.

mod files;

use files::{Copy, FileWriter};
use mimokit_checkpoint::{Checkpoint, Place};

const HIDDEN: usize = 128;

/// Two shards (KV heads of global layers) of 2 x 48 query, 1 x 48 key and 1 x 80 value rows: 224 rows, 2 blocks each. Every row holds its own number.
fn model(scale_rows: usize, dtype: &str, more: &str) -> Copy {
    let rows = 2 * (96 + 48 + 80);
    let mut file = FileWriter::default();
    let bytes_of = if dtype == "BF16" { 2 } else { 1 };
    let weight: Vec<u8> = (0..rows).flat_map(|row| vec![(row % 120) as u8; HIDDEN * bytes_of]).collect();
    file.add("model.layers.0.self_attn.qkv_proj.weight", dtype, &[rows, HIDDEN], &weight);
    let numbers = |count: usize| (0..count).flat_map(|row| (row as f32).to_le_bytes()).collect::<Vec<u8>>();
    if scale_rows > 0 {
        let scales = numbers(scale_rows);
        file.add("model.layers.0.self_attn.qkv_proj.weight_scale_inv", "F32", &[scale_rows, 1], &scales);
    }
    if more.contains("attention_bias") {
        file.add("model.layers.0.self_attn.qkv_proj.bias", "F32", &[rows], &numbers(rows));
    }
    file.add("model.layers.0.self_attn.o_proj.weight", "BF16", &[HIDDEN, 4 * 80], &vec![0; HIDDEN * 4 * 80 * 2]);
    file.add("model.layers.0.input_layernorm.weight", "BF16", &[HIDDEN], &[0; 2 * HIDDEN]);
    let config = r#"{"model_type":"mimo_v2","attention_projection_layout":"fused_qkv","num_hidden_layers":1,"hidden_size":128,
        "intermediate_size":128,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":48,"v_head_dim":80,"hybrid_layer_pattern":[0],
        "moe_layer_freq":[0],"layernorm_epsilon":1e-5,"rope_theta":10000,"max_position_embeddings":64,"attention_value_scale":0.707,"vocab_size":8}"#;
    Copy::made(&config.replacen('{', &format!("{{{more}"), 1), file)
}

/// First fused row and rows per shard of q, k and v.
const PARTS: [(usize, usize); 3] = [(0, 96), (96, 48), (144, 80)];

#[test]
fn each_part_gathers_its_rows_scales_and_biases_from_every_shard() {
    for (scale_rows, dtype, bytes_of) in [(4, "F8_E4M3", 1), (0, "BF16", 2)] {
        let copy = model(scale_rows, dtype, r#""attention_bias":true,"#);
        let attention = Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)).expect("attention");
        let biases = attention.biases.expect("biases");
        for (part, linear) in [&attention.q, &attention.k, &attention.v].into_iter().enumerate() {
            let (first, per_shard) = PARTS[part];
            assert_eq!((linear.rows, linear.bytes.len()), (2 * per_shard, 2 * per_shard * HIDDEN * bytes_of));
            assert_eq!(linear.scales.is_some(), dtype == "F8_E4M3");
            for (row, &bias) in biases[part].iter().enumerate() {
                let (shard, within) = (row / per_shard, first + row % per_shard);
                let number = shard * 224 + within;
                assert_eq!(usize::from(linear.bytes[row * HIDDEN * bytes_of]), number % 120, "{} {row}", linear.name);
                assert_eq!(bias, number as f32, "{} {row}", linear.name);
                if let Some(scales) = &linear.scales {
                    assert_eq!(scales.row(row), [(shard * 2 + within / 128) as f32], "{} {row}", linear.name);
                }
            }
        }
    }
}

#[test]
fn the_config_may_say_that_rows_lie_plain() {
    for (scale_rows, dtype, bytes_of) in [(4, "F8_E4M3", 1), (0, "BF16", 2)] {
        let copy = model(scale_rows, dtype, r#""fused_qkv_weight_order":"plain","#);
        let attention = Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)).expect("attention");
        for (linear, first) in [(&attention.q, 0), (&attention.k, 192), (&attention.v, 288)] {
            for row in 0..linear.rows {
                let found = usize::from(linear.bytes[row * HIDDEN * bytes_of]);
                assert_eq!(found, (first + row) % 120, "{} {row}", linear.name);
                if let Some(scales) = &linear.scales {
                    assert_eq!(scales.row(row), [((first + row) / 128) as f32], "{} {row}", linear.name);
                }
            }
        }
    }
}

#[test]
fn a_grid_that_fits_no_shards_and_biases_that_the_config_denies_are_refused() {
    let code =
        |copy: &Copy| Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)).expect_err("refused").code();
    assert_eq!(code(&model(5, "F8_E4M3", "")), "checkpoint-tensor-shape");
    assert_eq!(code(&model(0, "F8_E4M3", "")), "checkpoint-tensor-missing");
    let denied = r#""attention_bias":false,"attention_biases":0,"#;
    assert_eq!(code(&model(4, "F8_E4M3", denied)), "config-unsupported");
}
