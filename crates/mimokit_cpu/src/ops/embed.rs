//! embed: rows of the embedding table, widened to FP32.

use crate::Act;
use crate::linear::Matrix;

pub(crate) fn embed(ids: &[u32], table: &Matrix) -> Act {
    let mut out = Act::zeroed(ids.len(), table.columns());
    for (row, &id) in ids.iter().enumerate() {
        table.decode_row(id as usize, out.row_mut(row));
    }
    out
}
