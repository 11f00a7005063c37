// The laws of the step on the reference backend.

use mimokit_model::kv::KvDtype;
use mimokit_reference::goldens::{MODELS, Setup};
use mimokit_reference::{Reference, laws};

fn reference(setup: Setup) -> Reference {
    Reference { kv: setup.kv, fp8_activations: setup.fp8_activations }
}

#[test]
fn batch_chunk_and_draft_depth_change_no_bit() {
    laws::check_invariance("t1-bf16", Setup::EXACT, &reference);
}

#[test]
fn nor_do_they_with_rounded_keys_and_activations() {
    laws::check_invariance("t1-fp8", Setup { kv: KvDtype::Fp8, fp8_activations: true }, &reference);
    laws::check_invariance("t1-bf16", Setup { kv: KvDtype::Bf16, fp8_activations: false }, &reference);
}

#[test]
fn a_kept_window_and_a_copied_block_resume_a_prefix() {
    laws::check_resume("t1-bf16", &reference);
}

#[test]
fn routes_belong_to_the_row_that_asked() {
    MODELS.iter().for_each(|model| laws::check_routes(model, &reference));
}
