//! Kernels at MiMo-V2-Flash's real shapes beside what the machine can do, measured in turn in one run:
//!   cargo bench -p mimokit_cpu --bench ops -- gemv | gemm [rows] | attention | layer | open [--rounds N]
//! Weights are those of the real-dims checkpoints. Prints JSON lines (report.rs), which `pnpm --filter @mimokit/bench run
//! kernels | attention | layer | open` turns into tables. Needs a quiet machine.

mod attention;
mod gemm;
mod gemv;
mod layer;
mod limits;
mod open;
mod real;
mod report;

use mimokit_cpu::{CpuBackend, CpuOptions, Pool};
use mimokit_model::kv::KvDtype;

/// What a probe reads in a round.
const PROBE_BYTES: usize = 64 << 20;

fn main() {
    let (rounds, words) = report::arguments();
    match words.first().map(String::as_str) {
        Some("gemv") => gemv::run(rounds),
        Some("gemm") => gemm::run(rounds, words.get(1).and_then(|each| each.parse().ok())),
        Some("attention") => attention::run(rounds),
        Some("layer") => layer::run(rounds),
        Some("open") => open::run(rounds),
        // `cargo test` builds benches and runs them without words: it is enough that they start.
        _ => println!("gemv | gemm | attention | layer | open [--rounds N]"),
    }
}

fn backend(threads: usize, kv: KvDtype) -> CpuBackend {
    CpuBackend::new(&CpuOptions { threads: Some(threads), kv, ..CpuOptions::default() }).expect("a backend")
}

/// As many threads as there are processors, and one.
fn thread_counts() -> Vec<usize> {
    let all = Pool::default_threads();
    if all == 1 { vec![1] } else { vec![all, 1] }
}

fn threads_in_words(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}
