// Whatever a config or a file says, the answer is a typed error or a model: never a panic, never memory beyond the file's size.

mod files;

use std::fs;
use std::path::Path;

use files::{Copy, FileWriter, fixture};
use mimokit_checkpoint::{Checkpoint, ModelConfig, Place};
use proptest::prelude::*;

fn config_text() -> String {
    fs::read_to_string(fixture("models/t1-fp8/config.json")).expect("fixture")
}

proptest! {
    #[test]
    fn a_config_with_changed_bytes_is_read_or_refused(at in 0usize..2000, to in proptest::collection::vec(any::<u8>(), 1..6)) {
        let mut bytes = config_text().into_bytes();
        let at = at % bytes.len();
        let end = bytes.len().min(at + to.len());
        bytes.splice(at..end, to);
        if let Ok(text) = String::from_utf8(bytes) {
            let _ = ModelConfig::parse(Path::new("config.json"), &text, None);
        }
    }

    #[test]
    fn a_config_with_any_number_in_any_field_is_read_or_refused(field in 0usize..60, number in prop_oneof![
        Just("-1".to_string()), Just("0".into()), Just("1e308".into()), Just("18446744073709551615".into()), Just("[]".into()),
        Just("{}".into()), Just("null".into()), Just("\"\"".into()), any::<i64>().prop_map(|number| number.to_string()),
    ]) {
        let text = config_text();
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        let at = field % lines.len();
        if let Some((name, value)) = lines[at].clone().split_once(": ") {
            let comma = if value.ends_with(',') { "," } else { "" };
            lines[at] = format!("{name}: {number}{comma}");
        }
        let _ = ModelConfig::parse(Path::new("config.json"), &lines.join("\n"), None);
    }

    #[test]
    fn scale_grids_of_any_shape_fit_or_are_refused(
        heads in 1usize..5, qk_dim in 1usize..40, v_dim in 1usize..40, k_rows in 0usize..8, v_rows in 0usize..8, cols in 0usize..3,
    ) {
        let mut file = FileWriter::default();
        let name = |part: &str| format!("model.layers.0.self_attn.{part}");
        for (part, rows, scale_rows) in [("k_proj", heads * qk_dim * 2, k_rows), ("v_proj", heads * v_dim, v_rows)] {
            file.add(&name(&format!("{part}.weight")), "F8_E4M3", &[rows, 16], &vec![1; rows * 16]);
            file.add(&name(&format!("{part}.weight_scale_inv")), "F32", &[scale_rows, cols], &vec![0; scale_rows * cols * 4]);
        }
        file.add(&name("q_proj.weight"), "BF16", &[heads * qk_dim * 2, 16], &vec![0; heads * qk_dim * 2 * 32]);
        file.add(&name("o_proj.weight"), "BF16", &[16, heads * v_dim], &vec![0; heads * v_dim * 32]);
        file.add("model.layers.0.input_layernorm.weight", "BF16", &[16], &[0; 32]);
        let config = format!(r#"{{"model_type":"mimo_v2_flash","num_hidden_layers":1,"hidden_size":16,"intermediate_size":16,"num_attention_heads":{heads},
            "num_key_value_heads":{heads},"head_dim":{},"v_head_dim":{v_dim},"hybrid_layer_pattern":[0],"moe_layer_freq":[0],
            "layernorm_epsilon":1e-5,"rope_theta":10000,"max_position_embeddings":64,"attention_value_scale":1,"vocab_size":8,
            "quantization_config":{{"quant_method":"fp8","weight_block_size":[16,8]}}}}"#, 2 * qk_dim);
        let copy = Copy::made(&config, file);
        if let Ok(attention) = Checkpoint::open(&copy.0).expect("opens").attention(Place::Layer(0)) {
            for linear in [&attention.k, &attention.v] {
                let scales = linear.scales.as_ref().expect("fp8");
                prop_assert!((0..linear.rows).all(|row| scales.row(row).len() == 2));
            }
        }
    }
}

#[test]
fn deep_nesting_is_refused() {
    let text = format!("{{\"a\":{}", "[".repeat(200_000));
    let error = ModelConfig::parse(Path::new("config.json"), &text, None).expect_err("refused");
    assert_eq!(error.code(), "config-invalid");
}
