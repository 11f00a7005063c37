// Typed layers on the device, generic over the backend: what the ops are handed. Loading is load.rs.

use crate::backend::Backend;

/// Sizes and constants of one attention.
#[derive(Clone, Debug, PartialEq)]
pub struct AttentionShape {
    pub heads: usize,
    /// Query head j uses KV head j / (heads / kv_heads); divides `heads`.
    pub kv_heads: usize,
    pub qk_dim: usize,
    pub v_dim: usize,
    /// Index into the model's ropes.
    pub rope: usize,
    /// v is multiplied by this before it is stored.
    pub value_scale: f32,
    /// Keys a query sees, itself included; `None` in global layers.
    pub window_keys: Option<usize>,
    /// Epsilon of the norm before.
    pub eps: f32,
}

/// One attention with the norm before it.
pub struct AttentionWeights<B: Backend> {
    pub shape: AttentionShape,
    /// [hidden]
    pub norm: B::Vector,
    /// [heads * qk_dim, hidden], [kv_heads * qk_dim, hidden], [kv_heads * v_dim, hidden]
    pub q: B::Matrix,
    pub k: B::Matrix,
    pub v: B::Matrix,
    /// Added to q, k and v before rotary and value scale, when the config has `attention_bias`.
    pub biases: Option<QkvBiases<B>>,
    /// [hidden, heads * v_dim]
    pub o: B::Matrix,
    /// [heads], one logit per query head.
    pub sinks: Option<B::Vector>,
}

pub struct QkvBiases<B: Backend> {
    pub q: B::Vector,
    pub k: B::Vector,
    pub v: B::Vector,
}

/// A SwiGLU feed-forward with the norm before it.
pub struct FfnWeights<B: Backend> {
    pub norm: B::Vector,
    pub eps: f32,
    /// [width, hidden]
    pub gate: B::Matrix,
    pub up: B::Matrix,
    /// [hidden, width]
    pub down: B::Matrix,
}

/// Router and experts with the norm before them.
pub struct MoeWeights<B: Backend> {
    pub norm: B::Vector,
    pub eps: f32,
    /// [experts, hidden], FP32 or BF16.
    pub gate: B::Matrix,
    /// [experts], added for selection only.
    pub selection_bias: B::Vector,
    pub experts: B::Experts,
    pub expert_count: usize,
    pub top_k: usize,
    /// Divide the chosen weights by their sum.
    pub normalise: bool,
    pub scale: f32,
}

/// What joins an embedding and a hidden row into the input of an MTP head.
pub struct JoinWeights<B: Backend> {
    pub embedding_norm: B::Vector,
    pub hidden_norm: B::Vector,
    pub eps: f32,
    /// [hidden, 2 * hidden]: columns of the embedding first.
    pub join: B::Matrix,
}

pub enum Attention<B: Backend> {
    /// `layer` counts global layers.
    Global { layer: usize, weights: AttentionWeights<B> },
    /// `layer` counts rings.
    Window { layer: usize, weights: AttentionWeights<B> },
}

pub enum FeedForward<B: Backend> {
    Dense(FfnWeights<B>),
    Moe(MoeWeights<B>),
}

pub struct Layer<B: Backend> {
    pub attention: Attention<B>,
    pub feed_forward: FeedForward<B>,
}

/// One MTP head: a sliding-window block with its own input join and final norm; embedding and LM head are shared.
pub struct MtpHead<B: Backend> {
    pub join: JoinWeights<B>,
    /// Its index among the rings.
    pub layer: usize,
    pub attention: AttentionWeights<B>,
    pub feed_forward: FfnWeights<B>,
    pub final_norm: B::Vector,
}

pub struct ModelWeights<B: Backend> {
    /// [vocab, hidden]
    pub embed: B::Matrix,
    pub layers: Vec<Layer<B>>,
    pub final_norm: B::Vector,
    pub eps: f32,
    /// `None` when the head is tied to the embedding.
    pub head: Option<B::Matrix>,
    pub mtp: Vec<MtpHead<B>>,
}

impl<B: Backend> ModelWeights<B> {
    pub fn head(&self) -> &B::Matrix {
        self.head.as_ref().unwrap_or(&self.embed)
    }
}
