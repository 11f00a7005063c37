// One file per op of `mimokit_model::Backend`; each head gives the formula.

pub mod attn_global;
pub mod attn_window;
pub mod dense_ffn;
pub mod embed;
pub mod kv_copy;
pub mod lm_head;
pub mod moe;
pub mod mtp_join;
pub mod o_proj;
pub mod pick;
pub mod qkv_rope;
pub mod router;
