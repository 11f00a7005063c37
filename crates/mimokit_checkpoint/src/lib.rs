//! Bytes on disk to named, shaped, checked tensors of a MiMo checkpoint. Knows no device and no threads.

mod checkpoint;
mod config;
mod error;
mod fields;
mod fp8_scales;
mod geometry;
mod header;
mod index;
mod layers;
mod linear;
mod names;
mod safetensors;
mod tensor;

pub use checkpoint::Checkpoint;
pub use config::{AttentionConfig, FusedRows, LayerConfig, ModelConfig, MoeConfig};
pub use error::{Error, Result};
pub use geometry::WeightBytes;
pub use layers::{AttentionTensors, FfnTensors, MtpTensors, RouterTensors};
pub use names::{Part, Place, Role, role_of};
pub use safetensors::open_safetensors;
pub use tensor::{BlockScales, Dtype, Linear, SharedBytes, Tensor};
