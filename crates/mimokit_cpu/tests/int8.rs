//! The INT8 option keeps the laws of docs/step.md (bits do not depend on batch, chunk, depth or resume), and comes near the exact
//! model.

use mimokit_cpu::{CpuBackend, CpuOptions, Level};
use mimokit_reference::driver::{Plan, generate};
use mimokit_reference::goldens::{Setup, load};
use mimokit_reference::laws;

fn backend(threads: usize, level: Level, int8: bool) -> CpuBackend {
    let options = CpuOptions { threads: Some(threads), level: Some(level), int8, ..CpuOptions::default() };
    CpuBackend::new(&options).expect("a backend")
}

fn best(_: Setup) -> CpuBackend {
    backend(2, Level::detected(), true)
}

#[test]
fn batch_chunk_and_depth_change_no_bit() {
    laws::check_invariance("t1-bf16", Setup::EXACT, &best);
    laws::check_invariance("t2-fp8", Setup::EXACT, &best);
}

#[test]
fn a_sequence_resumes_anywhere() {
    laws::check_resume("t1-fp8", &best);
}

#[test]
fn every_level_and_thread_count_gives_the_same_log_probabilities() {
    let prompt: Vec<i32> = (0..40).map(|index| index * 7 % 90 + 1).collect();
    let logprobs = |threads: usize, level: Level, int8: bool| -> Vec<f32> {
        let mut model = load("t1-fp8", backend(threads, level, int8), None);
        let plan = Plan { top_logprobs: 3, ..Plan::greedy(6) };
        generate(&mut model, std::slice::from_ref(&prompt), &plan).expect("steps").remove(0).logprobs
    };
    let bits = |logprobs: &[f32]| logprobs.iter().map(|x| x.to_bits()).collect::<Vec<u32>>();
    let expected = logprobs(1, Level::Scalar, true);
    for level in Level::available() {
        assert_eq!(bits(&logprobs(2, level, true)), bits(&expected), "{}", level.name());
    }
    let exact = logprobs(1, Level::detected(), false);
    assert_ne!(bits(&exact), bits(&expected), "INT8 rounds");
    // The first four: the chosen id and its rivals right after the prompt, before texts may differ.
    for (exact, rounded) in exact.iter().zip(&expected).take(4) {
        assert!((exact - rounded).abs() < 0.2, "{exact} became {rounded}");
    }
}
