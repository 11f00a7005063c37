//! NaN among E4M3 weights: opening reads no weight, the first step that needs the weight names it.

use std::fs;
use std::path::{Path, PathBuf};

use mimokit_checkpoint::Checkpoint;
use mimokit_cpu::{CpuBackend, CpuOptions};
use mimokit_model::kv::PoolSizes;
use mimokit_model::{Model, ModelOptions};
use mimokit_reference::goldens::fixture;

/// A copy of t1-fp8 with one byte of a tensor changed.
fn damaged(tensor: &str, shard: &str, element: usize, byte: u8) -> PathBuf {
    let name = format!("mimokit-nan-{}-{}-{byte}", std::process::id(), tensor.replace('.', "-"));
    let folder = std::env::temp_dir().join(name);
    fs::create_dir_all(&folder).expect("a folder");
    for entry in fs::read_dir(fixture("models/t1-fp8")).expect("the fixture") {
        let entry = entry.expect("an entry");
        fs::copy(entry.path(), folder.join(entry.file_name())).expect("a copy");
    }
    let path = folder.join(shard);
    let mut bytes = fs::read(&path).expect("a shard");
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")) as usize;
    let json: serde_json::Value = serde_json::from_slice(&bytes[8..header]).expect("a header");
    let start = json[tensor]["data_offsets"][0].as_u64().expect("the tensor") as usize;
    bytes[header + start + element] = byte;
    fs::write(path, bytes).expect("written");
    folder
}

fn first_logits(folder: &Path) -> Result<(), mimokit_model::Error> {
    let options = ModelOptions { pools: PoolSizes::Exact { blocks: 4, windows: 1 }, ..ModelOptions::default() };
    let backend = CpuBackend::new(&CpuOptions { threads: Some(2), ..CpuOptions::default() })?;
    let model = Model::load(&Checkpoint::open(folder)?, backend, &options, &mut |_, _| Ok(()))?;
    let said = model.inspect(&[1, 2, 3], &["logits.last"]).map(drop);
    fs::remove_dir_all(folder).expect("removed");
    said
}

#[test]
fn a_weight_that_is_used_is_named_with_row_and_column() {
    for (tensor, shard) in [
        ("model.layers.0.self_attn.k_proj.weight", "model_0.safetensors"),
        ("model.layers.0.mlp.down_proj.weight", "model_0.safetensors"),
    ] {
        for byte in [0x7f, 0xff] {
            let error = first_logits(&damaged(tensor, shard, 3 * 128 + 5, byte)).expect_err("refused");
            assert_eq!(error.code(), "checkpoint-malformed", "{error}");
            assert!(error.to_string().contains(tensor) && error.to_string().contains("row 3, column 5"), "{error}");
        }
    }
}

#[test]
fn the_largest_numbers_beside_nan_are_numbers() {
    for byte in [0x7e, 0xfe, 0x80] {
        first_logits(&damaged("model.layers.0.self_attn.k_proj.weight", "model_0.safetensors", 9, byte)).expect("runs");
    }
}
