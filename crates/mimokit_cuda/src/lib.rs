//! The CUDA backend: `trait Backend` on a GPU, from the checkpoint's own bytes. Kernels are in kernels/, one family a file; they are
//! compiled by build.rs where nvcc is found and embedded as images. The driver is loaded at run time, so one build runs with and without.
//!
//! Below the backend is `trait Device`: the GPU (feature `driver`), or the emulated device of mimokit_cuda_check, which runs the same
//! kernels on the host. docs/cuda.md says what is proven on which.

mod act;
pub mod arguments;
mod backend;
pub mod device;
#[cfg(feature = "driver")]
pub mod driver;
mod error;
pub mod images;
mod kv;
mod matrix;
mod ops;
pub mod placement;
mod step;

pub use act::{Act, Routes, Vector};
pub use backend::{CudaBackend, CudaOptions};
pub use error::{Error, Result};
pub use kv::Kv;
pub use matrix::{DeviceExperts, Experts, Matrix};
pub use step::Step;
