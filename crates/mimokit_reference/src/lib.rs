//! The oracle of other backends: every op as its formula reads, slowly, in host memory, with sums in FP64. Beside it the case lists for ops,
//! the golden runs for whole models, and a caller of `step` that all backends' tests share. Never shipped.

mod attention;
mod backend;
pub mod cases;
pub mod compare;
pub mod driver;
pub mod fp8;
pub mod goldens;
mod kv;
pub mod laws;
pub mod linear;
mod ops;
pub mod rows;

pub use backend::Reference;
