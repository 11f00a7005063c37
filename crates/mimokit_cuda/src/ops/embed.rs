//! embed: rows of the table for the pass's ids -> [rows, hidden].

use crate::act::Act;
use crate::arguments::{Embed, EmbedArgs};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::step::Step;

pub(crate) fn embed<D: Device>(backend: &CudaBackend<D>, step: &Step<D>, table: &Matrix<D>) -> Result<Act<D>> {
    let out = backend.act(step.rows, table.view.cols as usize)?;
    let arguments = EmbedArgs { table: table.view, ids: step.ids, out: out.address() };
    // SAFETY: ids lie below the table's rows, checked in StepBatch::rows.
    unsafe { backend.launch(Embed(arguments), [step.rows, 1, 1], 0)? };
    Ok(out)
}
