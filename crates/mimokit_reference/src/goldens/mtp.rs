// Goldens of the MTP heads: each head's block and logits, its drafts through `step`, and whole traces of self-speculation.

use mimokit_model::Backend;

use super::{Setup, TOLERANCE, Tensors, array, inspect, integers, json, load, tapped_rows, text};
use crate::compare::assert_close;
use crate::driver::{Plan, Round, generate};

/// Heads over whole prompts: block outputs and logits within 1e-4, the drafts that follow from them, and the same drafts from a step.
pub fn check_heads<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let golden = json(&format!("goldens/{model_name}/mtp.json"));
    let tensors = Tensors::open(&format!("goldens/{model_name}/mtp.safetensors"));
    let mut model = load(model_name, make(Setup::EXACT), None);
    let heads = model.info().max_draft;
    assert_eq!(Some(heads as u64), golden["heads"].as_u64(), "{model_name}");
    let plain = array(&golden["cases"]).iter().filter(|case| text(&case["mode"]) == "plain");
    for case in plain {
        let prompt = text(&case["prompt"]);
        let ids = integers(&case["ids"]);
        let drafts = integers(&case["drafts"]);
        let positions: Vec<usize> = integers(&case["positions"]).iter().map(|&position| position as usize).collect();
        let next = case["next_token"].as_i64().expect("an id") as i32;
        // Head i at the last position needs t[n], d_1 .. d_i; what follows the prompt does not change earlier positions.
        let fed = [ids.as_slice(), &[next], &drafts].concat();
        for head in 0..heads {
            let taps = [format!("mtp.{head}.block_out"), format!("mtp.{head}.logits")];
            for (tapped, suffix) in inspect(&model, &fed, &taps).iter().zip(["block_out", "logits"]) {
                let (shape, expected) = tensors.f32(&format!("plain.{prompt}.head{head}.{suffix}"));
                let what = format!("{model_name} {prompt} {}", tapped.name);
                assert_close(&what, &tapped_rows(tapped, &positions), &expected, &shape, TOLERANCE);
            }
        }
        let plan = Plan { depth: heads, ..Plan::greedy(1) };
        let generated = generate(&mut model, &[ids], &plan).expect("steps");
        assert_eq!((generated[0].tokens[0], &generated[0].first_drafts), (next, &drafts), "{model_name} {prompt}");
    }
}

/// `exact` traces: every round's drafts and emitted ids, for whole prompts and for prompts in chunks.
pub fn check_traces<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let golden = json(&format!("goldens/{model_name}/traces.json"));
    let mut model = load(model_name, make(Setup::EXACT), None);
    let exact = array(&golden["traces"])
        .iter()
        .filter(|trace| text(&trace["kv"]) == "exact" && text(&trace["mode"]) == "plain");
    for trace in exact {
        let new_tokens = trace["new_tokens"].as_u64().expect("a count") as usize;
        let rounds: Vec<Round> = array(&trace["steps"])
            .iter()
            .map(|step| Round {
                context: step["n"].as_u64().expect("a count") as usize,
                last_token: step["last_token"].as_i64().expect("an id") as i32,
                drafts: integers(&step["drafts"]),
                emitted: integers(&step["emitted"]),
            })
            .collect();
        for chunk in [usize::MAX, 1, 3, 7] {
            let plan = Plan { depth: model.info().max_draft, chunk: chunk.max(4), ..Plan::greedy(new_tokens) };
            let prompt = integers(&trace["ids"]);
            let generated = generate(&mut model, &[prompt], &plan).expect("steps");
            let what = format!("{model_name} {} in chunks of {}", text(&trace["prompt"]), plan.chunk);
            assert_eq!(generated[0].tokens, integers(&trace["output"]), "{what}");
            assert_eq!(generated[0].rounds, rounds, "{what}");
        }
    }
}
