//! lm_head: logits of chosen rows, rmsnorm(x) W_head.

use crate::act::{Act, Vector};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::matrix::Matrix;

pub(crate) fn lm_head<D: Device>(
    backend: &CudaBackend<D>,
    x: &Act<D>,
    rows: &[u32],
    norm: &Vector<D>,
    eps: f32,
    head: &Matrix<D>,
) -> Result<Act<D>> {
    let input = backend.normalised(x, Some(rows), norm, eps)?;
    backend.linear(head, &input)
}
