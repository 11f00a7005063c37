//! The golden fixtures on the CPU backend: whole models against transformers.

use mimokit_cpu::{CpuBackend, CpuOptions, Level};
use mimokit_reference::goldens::{self, MODELS, Setup};

fn backend(level: Level, setup: Setup) -> CpuBackend {
    let options = CpuOptions {
        threads: Some(2),
        level: Some(level),
        kv: setup.kv,
        quantise_activations: setup.fp8_activations,
        ..CpuOptions::default()
    };
    CpuBackend::new(&options).expect("a backend")
}

fn best(setup: Setup) -> CpuBackend {
    backend(Level::detected(), setup)
}

#[test]
fn hidden_states_routes_and_logits_agree_with_the_goldens_on_every_vector_level() {
    for level in Level::available().into_iter().filter(|level| *level > Level::Scalar) {
        MODELS.iter().for_each(|model| goldens::check_forward(model, &|setup| backend(level, setup)));
    }
}

#[test]
fn the_scalar_level_agrees_on_the_smaller_models() {
    goldens::check_forward("t1-bf16", &|setup| backend(Level::Scalar, setup));
    goldens::check_forward("t1-fp8", &|setup| backend(Level::Scalar, setup));
}

#[test]
fn greedy_text_is_the_goldens_at_every_draft_depth_and_chunk() {
    MODELS.iter().for_each(|model| goldens::check_greedy(model, &best));
}

#[test]
fn a_window_of_one_key_more_agrees_with_the_goldens() {
    MODELS.iter().for_each(|model| goldens::check_wider_window(model, &best));
}

#[test]
fn mtp_heads_agree_with_the_goldens() {
    ["t1-bf16", "t1-fp8"].iter().for_each(|model| goldens::check_heads(model, &best));
}

#[test]
fn self_speculation_leaves_the_goldens_traces() {
    ["t1-bf16", "t1-fp8"].iter().for_each(|model| goldens::check_traces(model, &best));
}

#[test]
fn dynamic_activations_agree_layer_by_layer_and_by_angle_end_to_end() {
    ["t1-fp8", "t2-fp8"].iter().for_each(|model| goldens::check_dynamic(model, &best));
}
