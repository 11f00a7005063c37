// embed: rows of the embedding table. ids [rows], table [vocab, hidden] -> [rows, hidden].

use crate::linear::Matrix;
use crate::rows::Rows;

pub fn embed(ids: &[u32], table: &Matrix) -> Rows {
    Rows { width: table.cols, values: ids.iter().flat_map(|&id| table.row(id as usize)).copied().collect() }
}
