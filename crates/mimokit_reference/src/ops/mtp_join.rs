// mtp_join: [rmsnorm(embed(id); enorm), rmsnorm(h; hnorm)] W_join, embedding first: the input of an MTP head.

use mimokit_model::pass::HiddenRow;
use mimokit_model::weights::JoinWeights;

use crate::Reference;
use crate::kv::Pools;
use crate::linear::{Matrix, rms_norm};
use crate::rows::Rows;

pub fn mtp_join(
    ids: &[u32],
    table: &Matrix,
    fresh: &Rows,
    kv: &Pools,
    hidden: &[HiddenRow],
    weights: &JoinWeights<Reference>,
    quantise: bool,
) -> Rows {
    let mut values = Vec::new();
    for (&id, &source) in ids.iter().zip(hidden) {
        let h = match source {
            HiddenRow::Fresh(row) => fresh.row(row as usize),
            HiddenRow::Kept { window, slot } => {
                let start = kv.hidden_start(window, slot);
                &kv.hidden[start..start + table.cols]
            }
        };
        let mut joined = rms_norm(table.row(id as usize), &weights.embedding_norm, weights.eps);
        joined.extend(rms_norm(h, &weights.hidden_norm, weights.eps));
        values.extend(weights.join.apply(&joined, quantise));
    }
    Rows { width: weights.join.rows, values }
}
