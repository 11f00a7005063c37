// router: s = sigmoid(W_gate n), n = rmsnorm(x); the top_k experts by s + bias, mixed by s (without bias), divided by their sum.
// Never quantised. Ties go to the lower expert.

use mimokit_model::backend::HostRoutes;
use mimokit_model::weights::MoeWeights;

use crate::Reference;
use crate::linear::rms_norm;
use crate::rows::Rows;

pub fn router(x: &Rows, weights: &MoeWeights<Reference>) -> HostRoutes {
    let mut routes = HostRoutes { top_k: weights.top_k, ..HostRoutes::default() };
    for row in 0..x.count() {
        let logits = weights.gate.apply(&rms_norm(x.row(row), &weights.norm, weights.eps), false);
        let scores: Vec<f64> = logits.iter().map(|logit| 1.0 / (1.0 + (-f64::from(*logit)).exp())).collect();
        let choice =
            |expert: &u16| scores[usize::from(*expert)] + f64::from(weights.selection_bias[usize::from(*expert)]);
        let mut chosen: Vec<u16> = (0..scores.len() as u16).collect();
        chosen.sort_by(|a, b| choice(b).total_cmp(&choice(a)));
        chosen.truncate(weights.top_k);
        chosen.sort_unstable();
        let sum: f64 = chosen.iter().map(|expert| scores[usize::from(*expert)]).sum();
        let divisor = if weights.normalise { sum } else { 1.0 };
        let scale = f64::from(weights.scale);
        routes.weights.extend(chosen.iter().map(|expert| (scores[usize::from(*expert)] / divisor * scale) as f32));
        routes.ids.extend(chosen);
    }
    routes
}
