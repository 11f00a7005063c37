//! mtp_join: [enorm(embed(id)), hnorm(h)] W_join, the input of an MTP head. Bound: the bytes of W_join.

use mimokit_model::pass::HiddenRow;
use mimokit_model::weights::JoinWeights;

use crate::linear::{Input, Matrix, Rows, linear};
use crate::norm::normalise_row;
use crate::simd::LANES;
use crate::{Act, CpuBackend, Kv};

pub(crate) fn mtp_join(
    backend: &CpuBackend,
    ids: &[u32],
    table: &Matrix,
    fresh: &Act,
    kv: &Kv,
    hidden: &[HiddenRow],
    weights: &JoinWeights<CpuBackend>,
) -> Act {
    let width = table.columns();
    let mut rows = Rows::zeroed(ids.len(), 2 * width);
    let mut embedding = vec![0.0; width];
    let mut normed = vec![0.0; width.next_multiple_of(LANES)];
    for (row, (&id, &at)) in ids.iter().zip(hidden).enumerate() {
        let to = &mut rows.values[row * rows.stride..][..2 * width];
        table.decode_row(id as usize, &mut embedding);
        normalise_row(backend, &embedding, &weights.embedding_norm, weights.eps, &mut normed);
        to[..width].copy_from_slice(&normed[..width]);
        let h = match at {
            HiddenRow::Fresh(row) => fresh.row(row as usize),
            HiddenRow::Kept { window, slot } => kv.hidden_row(window, slot),
        };
        normalise_row(backend, h, &weights.hidden_norm, weights.eps, &mut normed);
        to[width..].copy_from_slice(&normed[..width]);
    }
    linear(backend, &weights.join, &Input::new(rows, 2 * width, backend.quantise))
}
