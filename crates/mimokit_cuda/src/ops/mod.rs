//! One file per op of `mimokit_model::Backend`: which kernels it launches, on which grid.

pub(crate) mod attn_global;
mod attn_rows;
mod attn_split;
pub(crate) mod attn_window;
pub(crate) mod dense_ffn;
pub(crate) mod embed;
mod experts;
pub(crate) mod fp8;
pub(crate) mod linear;
pub(crate) mod lm_head;
pub(crate) mod moe;
pub(crate) mod mtp_join;
mod norm;
pub(crate) mod o_proj;
pub(crate) mod pick;
pub(crate) mod qkv_rope;
pub(crate) mod router;
