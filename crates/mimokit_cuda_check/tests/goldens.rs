//! The golden fixtures on the emulated device: whole models against transformers, through the same driver code as a GPU.
#![cfg(emulated)]

use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::emulated::{Emulated, Order};
use mimokit_reference::goldens::{self, MODELS, Setup};

fn backend(setup: Setup) -> CudaBackend<Emulated> {
    let options = CudaOptions { kv: setup.kv, quantise_activations: setup.fp8_activations };
    CudaBackend::new(Emulated { order: Order::Shuffled(3), is_hopper: true }, options)
}

#[test]
fn hidden_states_routes_and_logits_agree_with_the_goldens() {
    goldens::check_forward("t1-fp8", &backend);
}

#[test]
fn dynamic_activations_agree_layer_by_layer_and_by_angle_end_to_end() {
    goldens::check_dynamic("t1-fp8", &backend);
}

#[test]
#[ignore = "minutes of emulation; a GPU runs it in mimokit-cuda-check"]
fn every_model_agrees_with_its_goldens() {
    MODELS.iter().for_each(|model| goldens::check_forward(model, &backend));
    MODELS.iter().for_each(|model| goldens::check_wider_window(model, &backend));
    ["t1-bf16", "t1-fp8"].iter().for_each(|model| goldens::check_heads(model, &backend));
    goldens::check_greedy("t1-bf16", &backend);
    ["t1-bf16", "t1-fp8"].iter().for_each(|model| goldens::check_traces(model, &backend));
    goldens::check_dynamic("t2-fp8", &backend);
}
