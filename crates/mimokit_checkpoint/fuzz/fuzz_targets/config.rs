#![no_main]

use libfuzzer_sys::fuzz_target;
use mimokit_checkpoint_fuzz::{CountingAllocator, config};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fuzz_target!(|data: &[u8]| config(data));
