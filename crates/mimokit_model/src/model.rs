// A model on a backend: weights, pools, and what is known about them. Loading is load.rs, running step.rs and inspect.rs.

use crate::backend::Backend;
use crate::batch::Limits;
use crate::kv::KvLayout;
use crate::pass::Rope;
use crate::weights::ModelWeights;

/// What a caller must know; `ModelInfo` of @mimokit/protocol and a little more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelInfo {
    pub vocab_size: usize,
    pub hidden_size: usize,
    pub context_length: usize,
    pub eos_token_ids: Vec<u32>,
    pub layers: usize,
    pub moe_layers: usize,
    /// Experts chosen per token and MoE layer; 0 without MoE.
    pub top_k: usize,
    pub experts: usize,
    /// MTP heads.
    pub max_draft: usize,
    pub window_keys: Option<usize>,
    pub pickable_ids: usize,
    pub block_bytes: usize,
    pub window_bytes: usize,
}

/// A loaded model with its pools of keys and values.
pub struct Model<B: Backend> {
    pub(crate) backend: B,
    pub(crate) weights: ModelWeights<B>,
    pub(crate) ropes: Vec<Rope>,
    pub(crate) kv: B::Kv,
    pub(crate) layout: KvLayout,
    pub(crate) info: ModelInfo,
}

impl<B: Backend> Model<B> {
    pub fn info(&self) -> &ModelInfo {
        &self.info
    }

    /// Sizes of the pools.
    pub fn layout(&self) -> &KvLayout {
        &self.layout
    }

    pub fn backend(&self) -> &B {
        &self.backend
    }

    pub(crate) fn limits(&self) -> Limits {
        Limits {
            vocab: self.info.vocab_size,
            context_length: self.info.context_length,
            max_draft: self.info.max_draft,
            block_tokens: self.layout.block_tokens,
            blocks: self.layout.blocks,
            windows: self.layout.windows,
            uses_blocks: !self.layout.global.is_empty(),
        }
    }
}
