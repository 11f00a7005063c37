//! Bytes on disk to named, shaped, checked tensors of a MiMo checkpoint. Knows no device and no threads.

mod error;
mod tensor;

pub use error::{Error, Result};
pub use tensor::{BlockScales, Dtype, Linear, SharedBytes, Tensor};
