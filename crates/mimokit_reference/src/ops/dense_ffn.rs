// dense_ffn: x += W_down(silu(W_gate n) * (W_up n)), n = rmsnorm(x). silu(a) = a / (1 + exp(-a)).

use mimokit_model::weights::FfnWeights;

use crate::Reference;
use crate::linear::{Matrix, rms_norm};
use crate::rows::Rows;

pub fn dense_ffn(weights: &FfnWeights<Reference>, x: &mut Rows, quantise: bool) {
    let added = x.map(x.width, |row| {
        let normed = rms_norm(row, &weights.norm, weights.eps);
        swiglu(&weights.gate, &weights.up, &weights.down, &normed, quantise)
    });
    x.add(&added);
}

/// The feed-forward of one row that is normalised already.
pub fn swiglu(gate: &Matrix, up: &Matrix, down: &Matrix, x: &[f32], quantise: bool) -> Vec<f32> {
    let gated = gate.apply(x, quantise);
    let raised = up.apply(x, quantise);
    let inner: Vec<f32> = gated
        .iter()
        .zip(&raised)
        .map(|(gated, raised)| {
            let gated = f64::from(*gated);
            (gated / (1.0 + (-gated).exp()) * f64::from(*raised)) as f32
        })
        .collect();
    down.apply(&inner, quantise)
}
