// The golden fixtures against any backend. Each check panics with model, prompt, tensor and coordinates of the first difference.
// What the files hold: README.md beside them. Here: finding and reading them, and loading models for the checks.

mod forward;
mod mtp;
mod smollm2;

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use mimokit_checkpoint::{Checkpoint, Dtype, Tensor, open_safetensors};
use mimokit_model::kv::{KvDtype, PoolSizes};
use mimokit_model::{Backend, Model, ModelOptions, TapValues, Tapped};
use serde_json::Value;

pub use forward::{check_dynamic, check_forward, check_greedy, check_wider_window};
pub use mtp::{check_heads, check_traces};
pub use smollm2::check_text;

/// How a check wants its backend built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Setup {
    pub kv: KvDtype,
    pub fp8_activations: bool,
}

impl Setup {
    pub const EXACT: Setup = Setup { kv: KvDtype::F32, fp8_activations: false };
    pub const DYNAMIC: Setup = Setup { kv: KvDtype::F32, fp8_activations: true };
}

/// Absolute tolerance on hidden states and logits of FP32 engines.
pub const TOLERANCE: [f32; 2] = [1e-4, 0.0];

/// The models of the fixtures.
pub const MODELS: [&str; 3] = ["t1-bf16", "t1-fp8", "t2-fp8"];

/// A file or folder of the unpacked fixtures: those of the repository this was built in, or, elsewhere, those MIMOKIT_FIXTURES names.
pub fn fixture(path: &str) -> PathBuf {
    let built_in = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../packages/fixtures/unpacked"));
    std::env::var_os("MIMOKIT_FIXTURES").map_or_else(|| built_in.to_path_buf(), PathBuf::from).join(path)
}

/// Opens a fixture model, with pools for tests.
pub fn load<B: Backend>(model: &str, backend: B, window_keys: Option<usize>) -> Model<B> {
    let checkpoint =
        Checkpoint::open(&fixture("models").join(model)).unwrap_or_else(|error| panic!("{model}: {error}"));
    let options = ModelOptions {
        block_tokens: 16,
        pools: PoolSizes::Exact { blocks: 256, windows: 16 },
        window_keys,
        ..ModelOptions::default()
    };
    Model::load(&checkpoint, backend, &options, &mut |_, _| Ok(())).unwrap_or_else(|error| panic!("{model}: {error}"))
}

fn json(path: &str) -> Value {
    let path = fixture(path);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The prompts of a model's forward.json.
fn prompts(model: &str) -> Vec<Value> {
    array(&json(&format!("goldens/{model}/forward.json"))["prompts"]).to_vec()
}

fn array(value: &Value) -> &[Value] {
    value.as_array().unwrap_or_else(|| panic!("{value} is a list"))
}

fn integers(value: &Value) -> Vec<i32> {
    let integer = |value: &Value| value.as_i64().and_then(|number| i32::try_from(number).ok());
    array(value).iter().map(|value| integer(value).unwrap_or_else(|| panic!("{value} is an integer"))).collect()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is text"))
}

/// Tensors of a golden file by name.
struct Tensors(HashMap<String, Tensor>);

impl Tensors {
    fn open(path: &str) -> Tensors {
        let tensors = open_safetensors(&fixture(path)).unwrap_or_else(|error| panic!("{error}"));
        Tensors(tensors.into_iter().map(|tensor| (tensor.name.clone(), tensor)).collect())
    }

    fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    fn get(&self, name: &str, dtype: Dtype) -> &Tensor {
        let tensor = self.0.get(name).unwrap_or_else(|| panic!("the golden has {name}"));
        assert_eq!(tensor.dtype, dtype, "{name}");
        tensor
    }

    fn f32(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let tensor = self.get(name, Dtype::F32);
        let values = tensor.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
        (tensor.shape.clone(), values.collect())
    }

    fn i32(&self, name: &str) -> Vec<i32> {
        self.get(name, Dtype::I32).bytes.as_chunks::<4>().0.iter().map(|bytes| i32::from_le_bytes(*bytes)).collect()
    }
}

/// Rows of a tapped tensor.
fn tapped_rows(tapped: &Tapped, rows: &[usize]) -> Vec<f32> {
    let TapValues::F32(values) = &tapped.values else { panic!("{} holds numbers", tapped.name) };
    let width = tapped.shape[1];
    rows.iter().flat_map(|&row| &values[row * width..(row + 1) * width]).copied().collect()
}

fn inspect<B: Backend>(model: &Model<B>, ids: &[i32], taps: &[String]) -> Vec<Tapped> {
    let names: Vec<&str> = taps.iter().map(String::as_str).collect();
    model.inspect(ids, &names).unwrap_or_else(|error| panic!("inspect: {error}"))
}
