//! What is fuzzed, apart from who drives it: libFuzzer here, a loop over the kept corpus in `../tests/fuzz.rs`.

mod allocations;
mod targets;

pub use allocations::{CountingAllocator, peak_of};
pub use targets::{config, header, index, scales};
