//! mtp_join: [enorm(embed(id)), hnorm(h)] W_join, the input of an MTP head.

use mimokit_model::pass::HiddenRow;
use mimokit_model::weights::JoinWeights;

use crate::act::{Act, Cow, Input};
use crate::arguments::{JoinArgs, JoinRows};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::kv::Kv;
use crate::matrix::Matrix;
use crate::step::Step;

pub(crate) fn mtp_join<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    table: &Matrix<D>,
    fresh: &Act<D>,
    kv: &Kv<D>,
    hidden: &[HiddenRow],
    weights: &JoinWeights<CudaBackend<D>>,
) -> Result<Act<D>> {
    let places = hidden.iter().flat_map(|row| match *row {
        HiddenRow::Fresh(row) => [0, row],
        HiddenRow::Kept { window, slot } => [1, kv.hidden_row(window, slot)],
    });
    let sources = backend.words(&places.collect::<Vec<u32>>())?;
    let joined = backend.act(step.rows, 2 * fresh.width)?;
    let arguments = JoinArgs {
        table: table.view,
        ids: step.ids,
        fresh: fresh.address(),
        kept: kv.hidden.address(),
        sources: sources.address(),
        embedding_norm: weights.embedding_norm.address(),
        hidden_norm: weights.hidden_norm.address(),
        out: joined.address(),
        width: fresh.width as u32,
        eps: weights.eps,
    };
    // SAFETY: ids lie below the table's rows; sources name rows of `fresh` or kept rows, by the trait's contract.
    unsafe { backend.launch(JoinRows(arguments), [step.rows, 2, 1], 0)? };
    backend.linear(&weights.join, &Input::new(Cow::Owned(joined)))
}
