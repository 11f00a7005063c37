//! lm_head: logits = rmsnorm(x) W_head for the wanted rows. Bound: the head's bytes, read once for all rows.

use crate::linear::{Matrix, linear};
use crate::norm::normalised;
use crate::{Act, CpuBackend};

pub(crate) fn lm_head(backend: &CpuBackend, x: &Act, rows: &[u32], norm: &[f32], eps: f32, head: &Matrix) -> Act {
    linear(backend, head, &normalised(backend, x, Some(rows), norm, eps))
}
