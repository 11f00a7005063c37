//! What a device must pass, in order: every op on the awkward cases, goldens, laws, then real checkpoints beside the CPU engine.

use std::path::Path;

use mimokit_checkpoint::Checkpoint;
use mimokit_cpu::{CpuBackend, CpuOptions};
use mimokit_model::kv::{KvDtype, PoolSizes};
use mimokit_model::{Backend, Model, ModelOptions, TapValues};
use mimokit_reference::cases::{self, check_cases};
use mimokit_reference::compare::cosine;
use mimokit_reference::driver::{Plan, generate};
use mimokit_reference::goldens::{self, MODELS, Setup};
use mimokit_reference::laws;

use crate::report::Report;

/// Makes a backend for a set-up.
pub type Make<'m, B> = &'m dyn Fn(Setup) -> B;

/// Every op against the reference.
pub fn ops<B: Backend>(report: &mut Report, make: Make<'_, B>) {
    for setup in [Setup::EXACT, Setup::DYNAMIC] {
        let name = |op: &str| format!("ops {op} {setup:?}");
        report.check(&name("embed"), || check_cases(&cases::Embed::cases(), setup, make));
        report.check(&name("qkv_rope"), || check_cases(&cases::QkvRope::cases(), setup, make));
        report.check(&name("o_proj"), || check_cases(&cases::OProj::cases(), setup, make));
        report.check(&name("dense_ffn"), || check_cases(&cases::DenseFfn::cases(), setup, make));
        report.check(&name("router"), || check_cases(&cases::Router::cases(), setup, make));
        report.check(&name("moe"), || check_cases(&cases::Moe::cases(), setup, make));
        report.check(&name("mtp_join"), || check_cases(&cases::MtpJoin::cases(), setup, make));
        report.check(&name("lm_head"), || check_cases(&cases::LmHead::cases(), setup, make));
        report.check(&name("pick"), || check_cases(&cases::Pick::cases(), setup, make));
    }
    for kv in [KvDtype::F32, KvDtype::Bf16, KvDtype::Fp8] {
        let setup = Setup { kv, fp8_activations: false };
        let name = |op: &str| format!("ops {op} {setup:?}");
        report.check(&name("attn_global"), || check_cases(&cases::AttnGlobal::cases(), setup, make));
        report.check(&name("attn_window"), || check_cases(&cases::AttnWindow::cases(), setup, make));
        report.check(&name("kv_copy"), || check_cases(&cases::KvCopyCase::cases(), setup, make));
    }
}

/// Whole models against transformers, at every draft depth and chunk.
pub fn goldens<B: Backend>(report: &mut Report, make: Make<'_, B>) {
    for model in MODELS {
        report.check(&format!("goldens forward {model}"), || goldens::check_forward(model, make));
        report.check(&format!("goldens greedy {model}"), || goldens::check_greedy(model, make));
        report.check(&format!("goldens wider window {model}"), || goldens::check_wider_window(model, make));
    }
    for model in ["t1-bf16", "t1-fp8"] {
        report.check(&format!("goldens heads {model}"), || goldens::check_heads(model, make));
        report.check(&format!("goldens traces {model}"), || goldens::check_traces(model, make));
    }
    for model in ["t1-fp8", "t2-fp8"] {
        report.check(&format!("goldens dynamic {model}"), || goldens::check_dynamic(model, make));
    }
}

/// Bits, not tolerances.
pub fn laws<B: Backend>(report: &mut Report, make: Make<'_, B>) {
    let rounded = Setup { kv: KvDtype::Fp8, fp8_activations: true };
    let halves = Setup { kv: KvDtype::Bf16, fp8_activations: false };
    for (model, setup) in [("t1-bf16", Setup::EXACT), ("t1-fp8", rounded), ("t2-fp8", halves)] {
        report.check(&format!("laws invariance {model} {setup:?}"), || laws::check_invariance(model, setup, make));
    }
    for model in ["t1-bf16", "t1-fp8"] {
        report.check(&format!("laws resume {model}"), || laws::check_resume(model, make));
        report.check(&format!("laws routes {model}"), || laws::check_routes(model, make));
    }
}

/// Two best logits closer than this may be chosen the other way round.
const SMALL_MARGIN: f32 = 1e-2;

/// A checkpoint directory beside the CPU engine: hidden states after every layer, then greedy text, which must be equal as long as the
/// CPU's margin is not tiny.
pub fn checkpoint<B: Backend>(report: &mut Report, directory: &Path, setup: Setup, make: Make<'_, B>) {
    let name = directory.display();
    let cpu = || {
        let options = CpuOptions { kv: setup.kv, quantise_activations: setup.fp8_activations, ..CpuOptions::default() };
        load(directory, CpuBackend::new(&options).expect("a CPU backend"))
    };
    report.check(&format!("checkpoint layers {name}"), || {
        let (expected, actual) = (cpu(), load(directory, make(setup)));
        let ids = prompt(expected.info().vocab_size, 40);
        let mut taps: Vec<String> = (0..expected.info().layers).map(|layer| format!("hidden.{layer}")).collect();
        taps.push("logits".into());
        let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
        let expected = expected.inspect(&ids, &taps).expect("the CPU runs it");
        let actual = actual.inspect(&ids, &taps).expect("the device runs it");
        for (expected, actual) in expected.iter().zip(&actual) {
            let (TapValues::F32(a), TapValues::F32(b)) = (&expected.values, &actual.values) else { panic!("numbers") };
            for (row, (a, b)) in a.chunks(expected.shape[1]).zip(b.chunks(expected.shape[1])).enumerate() {
                let angle = cosine(a, b);
                assert!(angle > 0.9999, "{} row {row}: cosine {angle}", expected.name);
            }
        }
    });
    report.check(&format!("checkpoint text {name}"), || {
        let (mut expected, mut actual) = (cpu(), load(directory, make(setup)));
        for length in [1, 17, 60] {
            let plan = Plan { top_logprobs: 2, chunk: 32, ..Plan::greedy(24) };
            let prompt = [prompt(expected.info().vocab_size, length)];
            let expected = generate(&mut expected, &prompt, &plan).expect("the CPU runs it").remove(0);
            let plan = Plan { depth: actual.info().max_draft, ..plan };
            let actual = generate(&mut actual, &prompt, &plan).expect("the device runs it").remove(0);
            for (index, (a, b)) in expected.tokens.iter().zip(&actual.tokens).enumerate() {
                // Chosen, best, second best.
                let logprobs = &expected.logprobs[3 * index..];
                let margin = logprobs[1] - logprobs[2];
                if a != b {
                    assert!(margin < SMALL_MARGIN, "{length} ids, token {index}: {b} for {a}, margin {margin}");
                    break;
                }
            }
        }
    });
}

fn load<B: Backend>(directory: &Path, backend: B) -> Model<B> {
    let checkpoint = Checkpoint::open(directory).unwrap_or_else(|error| panic!("{error}"));
    let options = ModelOptions { pools: PoolSizes::Exact { blocks: 64, windows: 2 }, ..ModelOptions::default() };
    Model::load(&checkpoint, backend, &options, &mut |_, _| Ok(())).unwrap_or_else(|error| panic!("{error}"))
}

/// Ids without meaning that differ from one another.
fn prompt(vocab: usize, length: usize) -> Vec<i32> {
    (0..length).map(|index| ((index * 7919 + 13) % vocab) as i32).collect()
}
