// moe: x += sum over the chosen experts e, ascending, of w_e * expert_e(n), n = rmsnorm(x); experts as in dense_ffn.

use mimokit_model::backend::HostRoutes;
use mimokit_model::weights::MoeWeights;

use crate::Reference;
use crate::linear::rms_norm;
use crate::ops::dense_ffn::swiglu;
use crate::rows::Rows;

pub fn moe(routes: &HostRoutes, weights: &MoeWeights<Reference>, x: &mut Rows, quantise: bool) {
    let mut added = Rows::zeros(x.count(), x.width);
    for row in 0..x.count() {
        let normed = rms_norm(x.row(row), &weights.norm, weights.eps);
        let mut sum = vec![0f64; x.width];
        let chosen = row * routes.top_k..(row + 1) * routes.top_k;
        for (&expert, &weight) in routes.ids[chosen.clone()].iter().zip(&routes.weights[chosen]) {
            let [gate, up, down] = &weights.experts[usize::from(expert)];
            for (total, value) in sum.iter_mut().zip(swiglu(gate, up, down, &normed, quantise)) {
                *total += f64::from(weight) * f64::from(value);
            }
        }
        added.row_mut(row).iter_mut().zip(sum).for_each(|(value, total)| *value = total as f32);
    }
    x.add(&added);
}
