//! router: sigmoid scores of all experts in FP32, the top_k of score + selection bias, their scores as mixing weights.
//! Bound: the gate's bytes.

use mimokit_model::backend::HostRoutes;
use mimokit_model::weights::MoeWeights;

use crate::linear::linear;
use crate::norm::normalised;
use crate::simd::sigmoid_one;
use crate::{Act, CpuBackend, Routes};

pub(crate) fn router(backend: &CpuBackend, x: &Act, weights: &MoeWeights<CpuBackend>) -> Routes {
    let input = normalised(backend, x, None, &weights.norm, weights.eps);
    let logits = linear(backend, &weights.gate, &input);
    let mut chosen = HostRoutes { top_k: weights.top_k, ids: Vec::new(), weights: Vec::new() };
    let mut order: Vec<u16> = Vec::with_capacity(logits.width);
    for row in 0..logits.rows {
        let scores: Vec<f32> = logits.row(row).iter().map(|&logit| sigmoid_one(logit)).collect();
        choose(&scores, weights, &mut order);
        let mut mix: Vec<f32> = order.iter().map(|&expert| scores[usize::from(expert)]).collect();
        if weights.normalise {
            let sum: f32 = mix.iter().sum();
            mix.iter_mut().for_each(|weight| *weight /= sum);
        }
        chosen.ids.extend(&order);
        chosen.weights.extend(mix.iter().map(|weight| weight * weights.scale));
    }
    Routes { chosen, input }
}

/// The experts with the largest score + bias, the lower one on a tie, ascending.
fn choose(scores: &[f32], weights: &MoeWeights<CpuBackend>, order: &mut Vec<u16>) {
    let choice = |expert: u16| scores[usize::from(expert)] + weights.selection_bias[usize::from(expert)] + 0.0;
    let descending = |&a: &u16, &b: &u16| choice(b).total_cmp(&choice(a)).then(a.cmp(&b));
    order.clear();
    order.extend(0..scores.len() as u16);
    if weights.top_k < order.len() {
        order.select_nth_unstable_by(weights.top_k, descending);
        order.truncate(weights.top_k);
    }
    order.sort_unstable();
}
