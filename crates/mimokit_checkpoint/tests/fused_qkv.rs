// Fused projections (MiMo-V2.5): shards of [Q | K | V] rows, each with scale blocks of its own.

mod files;

use files::{Copy, FileWriter};
use mimokit_checkpoint::{Checkpoint, Place};

const HIDDEN: usize = 128;

/// Two shards (KV heads of global layers) of 2 x 48 query, 1 x 48 key and 1 x 80 value rows: 224 rows, 2 blocks each. Every row holds its own number.
fn model(scale_rows: usize, dtype: &str) -> Copy {
    let rows = 2 * (96 + 48 + 80);
    let mut file = FileWriter::default();
    let bytes_of = if dtype == "BF16" { 2 } else { 1 };
    let weight: Vec<u8> = (0..rows).flat_map(|row| vec![(row % 120) as u8; HIDDEN * bytes_of]).collect();
    file.add("model.layers.0.self_attn.qkv_proj.weight", dtype, &[rows, HIDDEN], &weight);
    let scales: Vec<u8> = (0..scale_rows).flat_map(|row| (row as f32).to_le_bytes()).collect();
    file.add("model.layers.0.self_attn.qkv_proj.weight_scale_inv", "F32", &[scale_rows, 1], &scales);
    file.add("model.layers.0.self_attn.o_proj.weight", "BF16", &[HIDDEN, 4 * 80], &vec![0; HIDDEN * 4 * 80 * 2]);
    file.add("model.layers.0.input_layernorm.weight", "BF16", &[HIDDEN], &[0; 2 * HIDDEN]);
    let config = r#"{"model_type":"mimo_v2","attention_projection_layout":"fused_qkv","num_hidden_layers":1,"hidden_size":128,
        "intermediate_size":128,"num_attention_heads":4,"num_key_value_heads":2,"head_dim":48,"v_head_dim":80,"hybrid_layer_pattern":[0],
        "moe_layer_freq":[0],"layernorm_epsilon":1e-5,"rope_theta":10000,"max_position_embeddings":64,"attention_value_scale":0.707,"vocab_size":8}"#;
    Copy::made(config, file)
}

#[test]
fn each_part_gathers_its_rows_and_scales_from_every_shard() {
    let copy = model(4, "F8_E4M3");
    let attention = Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)).expect("attention");
    for (linear, first, per_shard) in [(&attention.q, 0, 96), (&attention.k, 96, 48), (&attention.v, 144, 80)] {
        assert_eq!((linear.rows, linear.bytes.len()), (2 * per_shard, 2 * per_shard * HIDDEN));
        for row in 0..linear.rows {
            let (shard, within) = (row / per_shard, first + row % per_shard);
            assert_eq!(linear.bytes[row * HIDDEN], ((shard * 224 + within) % 120) as u8, "{} row {row}", linear.name);
            let scale = linear.scales.as_ref().expect("fp8").row(row);
            assert_eq!(scale, [(shard * 2 + within / 128) as f32], "{} row {row}", linear.name);
        }
    }
}

#[test]
fn a_grid_that_fits_no_shards_and_types_that_do_not_tell_their_layout_are_refused() {
    let code =
        |copy: &Copy| Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)).expect_err("refused").code();
    assert_eq!(code(&model(5, "F8_E4M3")), "checkpoint-tensor-shape");
    assert_eq!(code(&model(4, "BF16")), "config-unsupported");
}
