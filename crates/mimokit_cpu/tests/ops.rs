//! Every op against the slow reference, on all awkward cases, on every instruction set of this machine, exact and quantised.

use mimokit_cpu::{CpuBackend, CpuOptions, Level};
use mimokit_reference::cases;
use mimokit_reference::goldens::Setup;

fn check(level: Level, threads: usize) {
    println!("{} with {threads} threads", level.name());
    cases::check_ops(&|setup: Setup| {
        let options = CpuOptions {
            threads: Some(threads),
            level: Some(level),
            kv: setup.kv,
            quantise_activations: setup.fp8_activations,
            ..CpuOptions::default()
        };
        CpuBackend::new(&options).expect("a backend")
    });
}

#[test]
fn ops_agree_with_the_reference_on_every_level() {
    Level::available().into_iter().for_each(|level| check(level, 1));
}

#[test]
fn ops_agree_with_the_reference_on_several_threads() {
    check(Level::detected(), 3);
}
