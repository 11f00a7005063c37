//! One op a file, named as in `trait Backend`.

pub(crate) mod attn_global;
pub(crate) mod attn_window;
pub(crate) mod dense_ffn;
pub(crate) mod embed;
pub(crate) mod kv_copy;
pub(crate) mod lm_head;
pub(crate) mod moe;
pub(crate) mod mtp_join;
pub(crate) mod o_proj;
pub(crate) mod pick;
pub(crate) mod qkv_rope;
pub(crate) mod router;
