//! The laws of docs/step.md on the CPU backend: the same bits for any batch, chunk, draft depth, resume, thread count and level.

use mimokit_cpu::{CpuBackend, CpuOptions};
use mimokit_model::kv::KvDtype;
use mimokit_reference::goldens::Setup;
use mimokit_reference::laws;

fn backend(setup: Setup) -> CpuBackend {
    let options = CpuOptions {
        threads: Some(2),
        level: None,
        kv: setup.kv,
        quantise_activations: setup.fp8_activations,
        ..CpuOptions::default()
    };
    CpuBackend::new(&options).expect("a backend")
}

#[test]
fn batch_chunk_and_depth_change_no_bit() {
    laws::check_invariance("t1-bf16", Setup::EXACT, &backend);
    laws::check_invariance("t1-fp8", Setup { kv: KvDtype::Fp8, fp8_activations: true }, &backend);
    laws::check_invariance("t2-fp8", Setup { kv: KvDtype::Bf16, fp8_activations: false }, &backend);
}

#[test]
fn a_sequence_resumes_anywhere() {
    laws::check_resume("t1-bf16", &backend);
    laws::check_resume("t1-fp8", &backend);
}

#[test]
fn routes_are_those_of_inspect() {
    laws::check_routes("t1-bf16", &backend);
    laws::check_routes("t1-fp8", &backend);
}
