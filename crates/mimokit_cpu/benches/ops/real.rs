//! Layers of the real-dims checkpoints (`pnpm --filter @mimokit/bench run real-dims`), mapped as the engine maps them.

use std::path::PathBuf;

use mimokit_checkpoint::{Checkpoint, FfnTensors, Place};
use mimokit_cpu::{Act, CpuBackend};
use mimokit_model::backend::{Backend, ExpertSource};
use mimokit_model::pass::Rope;
use mimokit_model::weights::{AttentionShape, AttentionWeights, FfnWeights, JoinWeights, MoeWeights};

pub const HIDDEN: usize = 4096;

/// One of `global-moe`, `sliding-moe`, `dense-mtp`, `shell`.
pub fn directory(name: &str) -> PathBuf {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../.cache/real-dims").join(name);
    assert!(path.is_dir(), "no {}: run `pnpm --filter @mimokit/bench run real-dims` first", path.display());
    path
}

pub fn open(name: &str) -> Checkpoint {
    Checkpoint::open(&directory(name)).expect("a checkpoint")
}

pub fn ropes() -> [Rope; 2] {
    [Rope { dim: 64, theta: 5e6 }, Rope { dim: 64, theta: 1e4 }]
}

pub fn attention(backend: &CpuBackend, checkpoint: &Checkpoint, place: Place) -> AttentionWeights<CpuBackend> {
    let config = checkpoint.attention_config(place).expect("a config").clone();
    let tensors = checkpoint.attention(place).expect("tensors");
    AttentionWeights {
        shape: AttentionShape {
            heads: config.heads,
            kv_heads: config.kv_heads,
            qk_dim: config.qk_dim,
            v_dim: config.v_dim,
            rope: usize::from(config.window_keys.is_some()),
            value_scale: checkpoint.config().value_scale,
            window_keys: config.window_keys,
            eps: checkpoint.config().eps,
        },
        norm: tensors.norm,
        q: backend.upload_matrix(&tensors.q).expect("q"),
        k: backend.upload_matrix(&tensors.k).expect("k"),
        v: backend.upload_matrix(&tensors.v).expect("v"),
        biases: None,
        o: backend.upload_matrix(&tensors.o).expect("o"),
        sinks: tensors.sinks,
    }
}

pub fn moe(backend: &CpuBackend, checkpoint: &Checkpoint) -> MoeWeights<CpuBackend> {
    let config = checkpoint.config().moe.clone().expect("experts");
    let router = checkpoint.router(0, config.experts).expect("a router");
    let expert = |expert| {
        let FfnTensors { gate, up, down } = checkpoint.expert(0, expert, config.width).expect("an expert");
        ExpertSource { gate, up, down }
    };
    MoeWeights {
        norm: checkpoint.feed_forward_norm(Place::Layer(0)).expect("a norm"),
        eps: checkpoint.config().eps,
        gate: backend.upload_matrix(&router.gate).expect("a gate"),
        selection_bias: router.selection_bias,
        experts: backend.upload_experts((0..config.experts).map(expert).collect()).expect("experts"),
        expert_count: config.experts,
        top_k: config.top_k,
        normalise: config.normalise,
        scale: config.scale,
    }
}

pub fn dense(backend: &CpuBackend, checkpoint: &Checkpoint, place: Place) -> FfnWeights<CpuBackend> {
    let FfnTensors { gate, up, down } = checkpoint.dense_ffn(place).expect("a feed-forward");
    FfnWeights {
        norm: checkpoint.feed_forward_norm(place).expect("a norm"),
        eps: checkpoint.config().eps,
        gate: backend.upload_matrix(&gate).expect("gate"),
        up: backend.upload_matrix(&up).expect("up"),
        down: backend.upload_matrix(&down).expect("down"),
    }
}

pub fn join(backend: &CpuBackend, checkpoint: &Checkpoint) -> JoinWeights<CpuBackend> {
    let tensors = checkpoint.mtp(0).expect("a head");
    JoinWeights {
        embedding_norm: tensors.embedding_norm,
        hidden_norm: tensors.hidden_norm,
        eps: checkpoint.config().eps,
        join: backend.upload_matrix(&tensors.join).expect("a join"),
    }
}

/// Numbers in -1 .. 1, other ones for every seed.
pub fn noise(count: usize, seed: u64) -> Vec<f32> {
    let mut state = (seed + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count).map(|_| next()).collect()
}

pub fn rows(backend: &CpuBackend, count: usize, width: usize, seed: u64) -> Act {
    backend.write(&noise(count * width, seed), width).expect("rows")
}
