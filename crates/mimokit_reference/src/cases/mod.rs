// Inputs for each op, with the awkward shapes: odd widths, partial FP8 blocks, window edges, query groups, empty query lists. A case runs on
// any backend and gives numbers; `check_ops` compares them with the reference.

mod attention;
mod feed_forward;
mod heads;
mod inputs;

use mimokit_model::kv::KvDtype;
use mimokit_model::{Backend, Result};

use crate::backend::Reference;
use crate::compare::{cosine, first_difference};
use crate::goldens::Setup;

pub use attention::{AttnGlobal, AttnWindow, KvCopyCase, OProj, QkvRope};
pub use feed_forward::{DenseFfn, Moe, Router};
pub use heads::{Embed, LmHead, MtpJoin, Pick};

/// One op with its input.
pub trait OpCase {
    /// The op, and what is awkward here.
    fn name(&self) -> String;
    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>>;
}

/// All cases of all twelve ops on a backend, in every storage of keys and with both kinds of activations.
///
/// # Panics
/// With the case and its first difference from the reference.
pub fn check_ops<B: Backend>(make: &dyn Fn(Setup) -> B) {
    for setup in [Setup::EXACT, Setup::DYNAMIC] {
        check_cases(&Embed::cases(), setup, make);
        check_cases(&QkvRope::cases(), setup, make);
        check_cases(&OProj::cases(), setup, make);
        check_cases(&DenseFfn::cases(), setup, make);
        check_cases(&Router::cases(), setup, make);
        check_cases(&Moe::cases(), setup, make);
        check_cases(&MtpJoin::cases(), setup, make);
        check_cases(&LmHead::cases(), setup, make);
        check_cases(&Pick::cases(), setup, make);
    }
    for kv in [KvDtype::F32, KvDtype::Bf16, KvDtype::Fp8] {
        let setup = Setup { kv, fp8_activations: false };
        check_cases(&AttnGlobal::cases(), setup, make);
        check_cases(&AttnWindow::cases(), setup, make);
        check_cases(&KvCopyCase::cases(), setup, make);
    }
}

/// The cases of one op.
///
/// # Panics
/// As `check_ops`.
pub fn check_cases<B: Backend>(cases: &[impl OpCase], setup: Setup, make: &dyn Fn(Setup) -> B) {
    let reference = Reference { kv: setup.kv, fp8_activations: setup.fp8_activations };
    let backend = make(setup);
    for case in cases {
        let what = format!("{} {setup:?}", case.name());
        let expected = case.run(&reference).unwrap_or_else(|error| panic!("{what}: {error}"));
        let actual = case.run(&backend).unwrap_or_else(|error| panic!("{what}: {error}"));
        if expected.is_empty() {
            assert!(actual.is_empty(), "{what}: {} values for none", actual.len());
            continue;
        }
        assert!(expected.iter().all(|value| value.is_finite()), "{what}: the reference gives finite numbers");
        let rounds = setup.fp8_activations || setup.kv != KvDtype::F32;
        if rounds && actual.len() == expected.len() {
            // The last bit of a value before rounding decides ties, so single elements may move by a quantisation step.
            let angle = cosine(&actual, &expected);
            assert!(angle > 0.9995, "{what}: cosine {angle}");
            continue;
        }
        let largest = expected.iter().fold(1f32, |largest, value| largest.max(value.abs()));
        let tolerance = [2e-5 * largest, 2e-5];
        if let Some(difference) = first_difference(&actual, &expected, &[expected.len()], tolerance) {
            panic!("{what}: {difference}");
        }
    }
}
