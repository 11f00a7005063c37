//! The laws of docs/step.md on the emulated device: the same bits for any batch, chunk, draft depth and resume.
#![cfg(emulated)]

use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::emulated::{Emulated, Order};
use mimokit_model::kv::KvDtype;
use mimokit_reference::goldens::Setup;
use mimokit_reference::laws;

fn backend(setup: Setup) -> CudaBackend<Emulated> {
    let options = CudaOptions { kv: setup.kv, quantise_activations: setup.fp8_activations };
    CudaBackend::new(Emulated { order: Order::Backwards, is_hopper: true }, options)
}

#[test]
#[ignore = "minutes of emulation; a GPU runs it in mimokit-cuda-check"]
fn batch_chunk_and_depth_change_no_bit() {
    laws::check_invariance("t1-fp8", Setup { kv: KvDtype::Fp8, fp8_activations: true }, &backend);
}

#[test]
fn a_sequence_resumes_anywhere() {
    laws::check_resume("t1-bf16", &backend);
}

#[test]
fn routes_are_those_of_inspect() {
    laws::check_routes("t1-bf16", &backend);
}
