//! o_proj: x += attended W_o.

use crate::act::{Act, Cow, Input};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::matrix::Matrix;

pub(crate) fn o_proj<D: Device>(
    backend: &CudaBackend<D>,
    attended: &Act<D>,
    weight: &Matrix<D>,
    x: &Act<D>,
) -> Result<()> {
    backend.linear_add(weight, &Input::new(Cow::Borrowed(attended)), x)
}
