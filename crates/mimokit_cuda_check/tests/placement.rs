//! Models whose experts lie on both sides: some layers on the emulated device, some kept on the host and run by the CPU engine.
#![cfg(emulated)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mimokit_checkpoint::Checkpoint;
use mimokit_cpu::{CpuBackend, CpuOptions, KeptExperts};
use mimokit_cuda::placement::{Host, Keep, Needs, Placement};
use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::emulated::{Emulated, Order};
use mimokit_model::ModelOptions;
use mimokit_model::kv::{KvDtype, PoolSizes};
use mimokit_reference::goldens::{self, Setup, fixture};
use mimokit_reference::laws;

static MIXED: AtomicUsize = AtomicUsize::new(0);

/// t1-fp8 has experts in its layers 1 and 3.
fn backend(on_device: &[bool], setup: Setup) -> CudaBackend<Emulated> {
    let options = CpuOptions { quantise_activations: setup.fp8_activations, ..CpuOptions::default() };
    let cpu = Arc::new(CpuBackend::new(&options).expect("a CPU backend"));
    let keep: Keep = Box::new(move |experts| {
        let kept = KeptExperts::new(Arc::clone(&cpu), experts)?;
        Ok(Box::new(move |routes, n: &[f32]| {
            MIXED.fetch_add(1, Ordering::Relaxed);
            kept.mix(routes, n)
        }))
    });
    let host = Host { placement: Placement::of(on_device), keep };
    let options = CudaOptions { kv: setup.kv, quantise_activations: setup.fp8_activations };
    CudaBackend::with_host(Emulated { order: Order::Forwards, is_hopper: true }, options, host)
}

#[test]
fn goldens_hold_whichever_layers_keep_their_experts_on_the_host() {
    for on_device in [[false, true], [true, false], [false, false]] {
        let before = MIXED.load(Ordering::Relaxed);
        goldens::check_forward("t1-fp8", &|setup| backend(&on_device, setup));
        assert!(MIXED.load(Ordering::Relaxed) > before, "the host ran its experts");
    }
}

#[test]
fn quantised_activations_agree_too() {
    goldens::check_dynamic("t1-fp8", &|setup| backend(&[true, false], setup));
}

#[test]
fn routes_are_those_of_inspect() {
    laws::check_routes("t1-bf16", &|setup| backend(&[false, true], setup));
}

#[test]
fn needs_are_counted_from_the_checkpoint() {
    let checkpoint = Checkpoint::open(&fixture("models").join("t1-fp8")).unwrap_or_else(|error| panic!("{error}"));
    let pools = PoolSizes::Exact { blocks: 10, windows: 3 };
    let options = ModelOptions { pools, ..ModelOptions::default() };
    let needs = Needs::of(&checkpoint, &options, KvDtype::Bf16).expect("needs");
    // Eight experts of three 128 x 128 matrices, each with one scale and an index of 128 rows.
    assert_eq!(needs.experts, [8 * 3 * (128 * 128 + 4 + 4 * 128); 2]);
    assert!(needs.fixed > 0 && needs.fixed < checkpoint.total_bytes());
    let global = 10 * 32 * 2 * (48 + 32) * 2;
    assert!(needs.pools > global, "{} bytes of pools", needs.pools);
    assert!(Placement::plan(&needs, needs.fixed).is_err());
    assert_eq!(Placement::plan(&needs, 4 << 30).expect("a plan").kept(), 0);
}
