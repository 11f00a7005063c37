// Derived sizes: what a model weighs and what its sequences need. Reports only; nothing here is read while running.

use crate::checkpoint::Checkpoint;
use crate::config::{AttentionConfig, ModelConfig};
use crate::names::{Part, Role, role_of};

/// Bytes of a checkpoint by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WeightBytes {
    /// Embedding and LM head.
    pub embeddings: u64,
    /// Projections and sinks of the main layers.
    pub attention: u64,
    pub dense_ffn: u64,
    pub router: u64,
    pub experts: u64,
    pub mtp: u64,
    pub norms: u64,
    /// Tensors this architecture does not have; they are not loaded.
    pub foreign: u64,
}

impl WeightBytes {
    pub fn of(checkpoint: &Checkpoint) -> WeightBytes {
        let mut bytes = WeightBytes::default();
        for tensor in checkpoint.tensors() {
            let slot = match role_of(&tensor.name) {
                None => &mut bytes.foreign,
                Some(Role::Embedding | Role::Head) => &mut bytes.embeddings,
                Some(Role::FinalNorm) => &mut bytes.norms,
                Some(Role::Block { place: crate::names::Place::Mtp(_), .. }) => &mut bytes.mtp,
                Some(Role::Block { part, .. }) => match part {
                    Part::Norm => &mut bytes.norms,
                    Part::Attention | Part::Sinks => &mut bytes.attention,
                    Part::Router => &mut bytes.router,
                    Part::Expert(_) => &mut bytes.experts,
                    Part::DenseFfn => &mut bytes.dense_ffn,
                    Part::Join => &mut bytes.mtp,
                },
            };
            *slot += tensor.bytes.len() as u64;
        }
        bytes
    }

    pub fn total(&self) -> u64 {
        let WeightBytes { embeddings, attention, dense_ffn, router, experts, mtp, norms, foreign } = *self;
        embeddings + attention + dense_ffn + router + experts + mtp + norms + foreign
    }
}

impl AttentionConfig {
    /// Numbers kept per position: keys and values of all KV heads.
    pub fn values_per_position(&self) -> usize {
        self.kv_heads * (self.qk_dim + self.v_dim)
    }
}

impl ModelConfig {
    /// Global layers, whose keys and values grow with the sequence.
    pub fn global_layers(&self) -> usize {
        self.layers.iter().filter(|layer| !layer.sliding).count()
    }

    pub fn sliding_layers(&self) -> usize {
        self.layers.len() - self.global_layers()
    }

    pub fn moe_layers(&self) -> usize {
        self.layers.iter().filter(|layer| layer.moe).count()
    }
}
