//! The forward pass and the step of MiMo models, over `trait Backend`. Knows the order of layers, lengths and drafts; no
//! SIMD, no device, no file formats.

pub mod backend;
mod error;
pub mod kv;
pub mod pass;
pub mod pick;
pub mod weights;

pub use backend::Backend;
pub use error::{Error, Result};
