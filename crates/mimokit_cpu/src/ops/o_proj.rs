//! o_proj: x += attended W_o. Bound: the bytes of W_o.

use crate::linear::{Input, Matrix, Rows, linear_into};
use crate::{Act, CpuBackend};

pub(crate) fn o_proj(backend: &CpuBackend, attended: &Act, weight: &Matrix, x: &mut Act) {
    let mut rows = Rows::zeroed(attended.rows, attended.width);
    for row in 0..attended.rows {
        rows.values[row * rows.stride..][..attended.width].copy_from_slice(attended.row(row));
    }
    let input = Input::new(rows, attended.width, backend.quantise);
    linear_into(backend, weight, &input, x, add);
}

/// x += sums, element by element.
pub(crate) fn add(x: &mut [f32], sums: &[f32]) {
    for (x, sum) in x.iter_mut().zip(sums) {
        *x += sum;
    }
}
