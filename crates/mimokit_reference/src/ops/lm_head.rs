// lm_head: logits of chosen rows, rmsnorm(x) W_head. x [rows, hidden] -> [chosen, vocab].

use crate::linear::{Matrix, rms_norm};
use crate::rows::Rows;

pub fn lm_head(x: &Rows, rows: &[u32], norm: &[f32], eps: f32, head: &Matrix, quantise: bool) -> Rows {
    let logits = rows.iter().flat_map(|&row| head.apply(&rms_norm(x.row(row as usize), norm, eps), quantise));
    Rows { width: head.rows, values: logits.collect() }
}
