//! o_proj: x += attended W_o. Bound: the bytes of W_o.

use crate::linear::{Input, Matrix, linear_into};
use crate::{Act, CpuBackend};

pub(crate) fn o_proj(backend: &CpuBackend, attended: &Act, weight: &Matrix, x: &mut Act) {
    let input = Input::of(attended, backend.quantise);
    linear_into(backend, weight, &input, x, add);
}

/// x += sums, element by element.
pub(crate) fn add(x: &mut [f32], sums: &[f32]) {
    for (x, sum) in x.iter_mut().zip(sums) {
        *x += sum;
    }
}
