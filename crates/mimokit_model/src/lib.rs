//! The forward pass and the step of MiMo models, over `trait Backend`. Knows the order of layers, lengths and drafts; no
//! SIMD, no device, no file formats.

pub mod backend;
pub mod batch;
mod error;
mod forward;
mod inspect;
pub mod kv;
mod load;
mod model;
mod mtp;
pub mod pass;
pub mod pick;
mod routes;
mod step;
pub mod weights;

pub use backend::Backend;
pub use batch::StepBatch;
pub use error::{Error, Result};
pub use inspect::{TapValues, Tapped};
pub use load::{ModelOptions, Progress};
pub use model::{Model, ModelInfo};
pub use routes::Routes;
pub use step::StepResult;
