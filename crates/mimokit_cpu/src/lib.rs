//! The CPU backend: kernels on the checkpoint's own bytes, one op a file, all instruction sets bit-equal.
//!
//! Accumulation is FP32 in one fixed order per output element (see `linear`), work is split over output rows or (row, head)
//! pairs only; so results depend neither on batch, chunk and thread count nor on the instruction set.

mod attention;
mod backend;
mod buffers;
pub mod fp8;
mod int8;
mod kept_experts;
mod kv;
mod linear;
mod norm;
mod ops;
mod pool;
mod simd;

pub use backend::{Act, CpuBackend, CpuOptions, Routes, Step};
pub use kept_experts::KeptExperts;
pub use kv::Kv;
pub use linear::Matrix;
pub use pool::Pool;
pub use simd::Level;
