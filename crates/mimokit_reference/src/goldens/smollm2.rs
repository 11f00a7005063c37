// SmolLM2-135M in MiMo's format: real text. The checkpoints are too large for the repository; their goldens are among the fixtures.

use std::path::Path;

use mimokit_checkpoint::Checkpoint;
use mimokit_model::kv::PoolSizes;
use mimokit_model::{Backend, Model, ModelOptions};
use serde_json::Value;

use super::{array, fixture, integers, text};
use crate::driver::{Plan, generate};

/// Where the golden's two best logits are closer than this, another engine may choose the other.
const SMALL_MARGIN: f64 = 1e-2;

/// Greedy text of a checkpoint directory against `smollm2/{golden}.jsonl`, for prompts of at most `max_prompt` tokens: equal ids wherever the margin is
/// not tiny, log-probabilities within 2e-3. Returns how many prompts were compared.
pub fn check_text<B: Backend>(directory: &Path, golden: &str, max_prompt: usize, backend: B) -> usize {
    let checkpoint = Checkpoint::open(directory).unwrap_or_else(|error| panic!("{error}"));
    let options = ModelOptions { pools: PoolSizes::Exact { blocks: 64, windows: 1 }, ..ModelOptions::default() };
    let mut model =
        Model::load(&checkpoint, backend, &options, &mut |_, _| Ok(())).unwrap_or_else(|error| panic!("{error}"));
    let path = fixture(&format!("smollm2/{golden}.jsonl"));
    let lines = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let mut compared = 0;
    for line in lines.lines() {
        let case: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{golden}: {error}"));
        let prompt = integers(&case["prompt_ids"]);
        if prompt.len() > max_prompt {
            continue;
        }
        let expected = integers(&case["tokens"]);
        let plan = Plan { chunk: 256, top_logprobs: 1, ..Plan::greedy(expected.len()) };
        let generated = generate(&mut model, &[prompt], &plan).expect("steps").remove(0);
        for (index, (&actual, &expected)) in generated.tokens.iter().zip(&expected).enumerate() {
            let what = format!("{golden} {} token {index}", text(&case["id"]));
            let number = |field: &str| array(&case[field])[index].as_f64().expect("a number");
            if actual != expected {
                assert!(
                    number("margins") < SMALL_MARGIN,
                    "{what}: {actual} for {expected}, margin {}",
                    number("margins")
                );
                break;
            }
            let logprob = f64::from(generated.logprobs[2 * index]);
            assert!((logprob - number("logprobs")).abs() < 2e-3, "{what}: {logprob} for {}", number("logprobs"));
        }
        compared += 1;
    }
    compared
}
