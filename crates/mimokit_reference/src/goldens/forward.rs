// Goldens of the main model: hidden states, routes, logits, greedy text; the wider window; dynamic activations.

use mimokit_model::{Backend, Model, TapValues};

use super::{Setup, TOLERANCE, Tensors, array, inspect, integers, json, load, prompts, tapped_rows, text};
use crate::compare::{assert_close, cosine};
use crate::driver::{Plan, generate};

fn moe_layers<B: Backend>(model: &Model<B>, tensors: &Tensors) -> Vec<usize> {
    (0..model.info().layers).filter(|layer| tensors.has(&format!("router.{layer}.ids"))).collect()
}

/// Embedding, every layer's hidden states, router ids and weights, logits: within 1e-4, ids equal.
pub fn check_forward<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let model = load(model_name, make(Setup::EXACT), None);
    for prompt in prompts(model_name) {
        let name = text(&prompt["name"]);
        let tensors = Tensors::open(&format!("goldens/{model_name}/{name}.safetensors"));
        let positions: Vec<usize> = integers(&prompt["positions"]).iter().map(|&position| position as usize).collect();
        let moe = moe_layers(&model, &tensors);
        assert_eq!(moe.len(), model.info().moe_layers, "{model_name}");
        let mut taps = vec!["embed".to_string(), "logits".into()];
        taps.extend((0..model.info().layers).map(|layer| format!("hidden.{layer}")));
        for tapped in inspect(&model, &integers(&prompt["ids"]), &taps) {
            let (shape, expected) = tensors.f32(&tapped.name);
            let what = format!("{model_name} {name} {}", tapped.name);
            assert_close(&what, &tapped_rows(&tapped, &positions), &expected, &shape, TOLERANCE);
        }
        let taps: Vec<String> =
            moe.iter().flat_map(|layer| [format!("router.{layer}.ids"), format!("router.{layer}.weights")]).collect();
        for tapped in inspect(&model, &integers(&prompt["ids"]), &taps) {
            let what = format!("{model_name} {name} {}", tapped.name);
            match &tapped.values {
                TapValues::I32(ids) => assert_eq!(*ids, tensors.i32(&tapped.name), "{what}"),
                TapValues::F32(weights) => {
                    assert_close(&what, weights, &tensors.f32(&tapped.name).1, &tapped.shape, TOLERANCE);
                }
            }
        }
    }
}

/// Greedy text through `step`, at every draft depth, whole prompts and small chunks: equal to the golden.
pub fn check_greedy<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let golden = json(&format!("goldens/{model_name}/forward.json"));
    let new_tokens = golden["new_tokens"].as_u64().expect("a count") as usize;
    for prompt in array(&golden["prompts"]) {
        let ids = integers(&prompt["ids"]);
        let greedy = integers(&prompt["plain"]["greedy"]);
        let mut model = load(model_name, make(Setup::EXACT), None);
        for depth in 0..=model.info().max_draft {
            for chunk in [usize::MAX, 5] {
                let plan = Plan { depth, chunk, ..Plan::greedy(new_tokens) };
                let generated = generate(&mut model, std::slice::from_ref(&ids), &plan).expect("steps");
                let name = text(&prompt["name"]);
                assert_eq!(generated[0].tokens, greedy, "{model_name} {name}, depth {depth}, chunk {chunk}");
            }
        }
    }
}

/// The other reading of the window, one key more: logits and greedy text.
pub fn check_wider_window<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let keys = load(model_name, make(Setup::EXACT), None).info().window_keys.expect("a window");
    let mut model = load(model_name, make(Setup::EXACT), Some(keys + 1));
    for prompt in prompts(model_name) {
        let name = text(&prompt["name"]);
        let tensors = Tensors::open(&format!("goldens/{model_name}/{name}.safetensors"));
        let positions: Vec<usize> = integers(&prompt["positions"]).iter().map(|&position| position as usize).collect();
        let ids = integers(&prompt["ids"]);
        let tapped = inspect(&model, &ids, &["logits".into()]);
        let (shape, expected) = tensors.f32("wplus1.logits");
        let what = format!("{model_name} {name} wplus1.logits");
        assert_close(&what, &tapped_rows(&tapped[0], &positions), &expected, &shape, TOLERANCE);
        let greedy = integers(&prompt["wplus1"]["greedy"]);
        let generated = generate(&mut model, &[ids], &Plan::greedy(greedy.len())).expect("steps");
        assert_eq!(generated[0].tokens, greedy, "{what}");
    }
}

/// Dynamic FP8 activations: every layer alone on the golden's input, then end to end by angle (a tie that rounds the other way is amplified from layer to
/// layer, so end to end allows no tolerance).
pub fn check_dynamic<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let model = load(model_name, make(Setup::DYNAMIC), None);
    for prompt in prompts(model_name) {
        let name = text(&prompt["name"]);
        let tensors = Tensors::open(&format!("goldens/{model_name}/{name}.safetensors"));
        let ids = integers(&prompt["ids"]);
        let positions: Vec<usize> = integers(&prompt["positions"]).iter().map(|&position| position as usize).collect();
        if positions.len() == ids.len() {
            for layer in 0..model.info().layers {
                let before = if layer == 0 { "embed".into() } else { format!("dyn.hidden.{}", layer - 1) };
                let (shape, expected) = tensors.f32(&format!("dyn.hidden.{layer}"));
                let actual = model.inspect_layer(layer, &tensors.f32(&before).1).expect("a layer");
                check_dynamic_layer(&format!("{model_name} {name} dyn.hidden.{layer}"), &actual, &expected, &shape);
            }
        }
        let tapped = inspect(&model, &ids, &["logits".into()]);
        let (shape, expected) = tensors.f32("dyn.logits");
        let actual = tapped_rows(&tapped[0], &positions);
        for (row, (actual, expected)) in actual.chunks(shape[1]).zip(expected.chunks(shape[1])).enumerate() {
            let angle = cosine(actual, expected);
            assert!(angle > 0.99, "{model_name} {name} dyn.logits row {row}: cosine {angle}");
        }
    }
}

/// Where no rounding tie flips, a row agrees to FP32 accuracy; where one does, by its quantisation step. So nearly all rows are close, and none far.
fn check_dynamic_layer(what: &str, actual: &[f32], expected: &[f32], shape: &[usize]) {
    let width = shape[1];
    let mut flipped = 0;
    for (row, (actual, expected)) in actual.chunks(width).zip(expected.chunks(width)).enumerate() {
        let largest = actual.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        flipped += usize::from(largest > TOLERANCE[0]);
        let angle = cosine(actual, expected);
        assert!(angle > 0.9999 && largest < 0.1, "{what} row {row}: cosine {angle}, largest difference {largest}");
    }
    assert!(
        flipped * 10 <= shape[0].max(10),
        "{what}: {flipped} of {} rows differ by more than a tie explains",
        shape[0]
    );
}
