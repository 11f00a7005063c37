// The golden fixtures on the reference backend: proves the layer loop, the step and the MTP heads of mimokit_model.

use mimokit_reference::Reference;
use mimokit_reference::goldens::{self, MODELS, Setup};

fn reference(setup: Setup) -> Reference {
    Reference { kv: setup.kv, fp8_activations: setup.fp8_activations }
}

#[test]
fn hidden_states_routes_and_logits_agree_with_the_goldens() {
    MODELS.iter().for_each(|model| goldens::check_forward(model, &reference));
}

#[test]
fn greedy_text_is_the_goldens_at_every_draft_depth_and_chunk() {
    MODELS.iter().for_each(|model| goldens::check_greedy(model, &reference));
}

#[test]
fn a_window_of_one_key_more_agrees_with_the_goldens() {
    MODELS.iter().for_each(|model| goldens::check_wider_window(model, &reference));
}

#[test]
fn mtp_heads_agree_with_the_goldens() {
    ["t1-bf16", "t1-fp8"].iter().for_each(|model| goldens::check_heads(model, &reference));
}

#[test]
fn self_speculation_leaves_the_goldens_traces() {
    ["t1-bf16", "t1-fp8"].iter().for_each(|model| goldens::check_traces(model, &reference));
}

#[test]
fn dynamic_activations_agree_layer_by_layer_and_by_angle_end_to_end() {
    ["t1-fp8", "t2-fp8"].iter().for_each(|model| goldens::check_dynamic(model, &reference));
}
