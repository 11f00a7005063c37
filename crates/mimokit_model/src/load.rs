// Checkpoint + backend -> Model: every tensor is checked, uploaded and counted; then the pools are made.

use mimokit_checkpoint::{AttentionConfig, Checkpoint, FfnTensors, Linear, MoeConfig, Place};

use crate::backend::{Backend, ExpertSource};
use crate::error::{Error, Result};
use crate::kv::{KvLayout, KvShape, PoolSizes};
use crate::model::{Model, ModelInfo};
use crate::pass::Rope;
use crate::weights::{
    Attention, AttentionShape, AttentionWeights, FeedForward, FfnWeights, JoinWeights, Layer, ModelWeights, MoeWeights,
    MtpHead, QkvBiases,
};

/// How a model is to be run; what is left out follows the config.
#[derive(Clone, Debug)]
pub struct ModelOptions {
    pub block_tokens: usize,
    pub pools: PoolSizes,
    /// Keys a sliding query sees, itself included; default: the config's window.
    pub window_keys: Option<usize>,
    /// Ids from here on are never picked; default: the vocabulary size.
    pub pickable_ids: Option<usize>,
}

impl Default for ModelOptions {
    fn default() -> ModelOptions {
        ModelOptions { block_tokens: 32, pools: PoolSizes::default(), window_keys: None, pickable_ids: None }
    }
}

/// Hears bytes uploaded so far and in total; an error ends the loading.
pub type Progress<'p> = &'p mut dyn FnMut(u64, u64) -> Result<()>;

impl<B: Backend> Model<B> {
    /// Loads all weights and allocates the pools.
    ///
    /// # Errors
    /// Those of the checkpoint; `invalid-argument` for options out of range, `kv-too-small` when the bytes hold no sequence.
    pub fn load(
        checkpoint: &Checkpoint,
        backend: B,
        options: &ModelOptions,
        progress: Progress<'_>,
    ) -> Result<Model<B>> {
        let config = checkpoint.config();
        check_options(options, config.vocab_size)?;
        let sliding_keys = options.window_keys.or(config.sliding.as_ref().and_then(|sliding| sliding.window_keys));
        let mut loader =
            Loader { checkpoint, backend: &backend, window_keys: sliding_keys, ropes: Vec::new(), loaded: 0, progress };
        let weights = loader.weights()?;
        let ropes = loader.ropes;

        let shape = |attention: &AttentionConfig| KvShape {
            kv_heads: attention.kv_heads,
            qk_dim: attention.qk_dim,
            v_dim: attention.v_dim,
        };
        let max_draft = checkpoint.mtp_heads();
        let ring_count = config.sliding_layers() + max_draft;
        let mut layout = KvLayout {
            block_tokens: options.block_tokens,
            blocks: 0,
            windows: 0,
            global: vec![shape(&config.global); config.global_layers()],
            rings: config.sliding.as_ref().map(|sliding| vec![shape(sliding); ring_count]).unwrap_or_default(),
            ring: sliding_keys.unwrap_or(1) + max_draft.max(1) - 1,
            kept_hidden: max_draft,
            hidden: config.hidden_size,
        };
        let dtype = backend.kv_dtype();
        (layout.blocks, layout.windows) = options.pools.plan(&layout, dtype, config.context_length)?;
        let info = ModelInfo {
            vocab_size: config.vocab_size,
            hidden_size: config.hidden_size,
            context_length: config.context_length,
            eos_token_ids: config.eos_token_ids.clone(),
            layers: config.layers.len(),
            moe_layers: config.moe_layers(),
            top_k: config.moe.as_ref().map_or(0, |moe| moe.top_k),
            experts: config.moe.as_ref().map_or(0, |moe| moe.experts),
            max_draft,
            window_keys: sliding_keys,
            pickable_ids: options.pickable_ids.unwrap_or(config.vocab_size),
            block_bytes: layout.block_bytes(dtype),
            window_bytes: layout.window_bytes(dtype),
        };
        let kv = backend.kv_new(&layout)?;
        Ok(Model { backend, weights, ropes, kv, layout, info })
    }
}

fn check_options(options: &ModelOptions, vocab: usize) -> Result<()> {
    if !(1..=1 << 16).contains(&options.block_tokens) {
        return Err(Error::Argument(format!("blockTokens is {}; it must lie in [1, 65536].", options.block_tokens)));
    }
    if let Some(keys) = options.window_keys.filter(|keys| !(1..=1 << 24).contains(keys)) {
        return Err(Error::Argument(format!("windowKeys is {keys}; it must lie in [1, 16777216].")));
    }
    if let Some(ids) = options.pickable_ids.filter(|ids| !(1..=vocab).contains(ids)) {
        return Err(Error::Argument(format!("pickableIds is {ids}; it must lie in [1, {vocab}].")));
    }
    Ok(())
}

struct Loader<'l, B: Backend> {
    checkpoint: &'l Checkpoint,
    backend: &'l B,
    window_keys: Option<usize>,
    ropes: Vec<Rope>,
    loaded: u64,
    progress: Progress<'l>,
}

impl<B: Backend> Loader<'_, B> {
    fn weights(&mut self) -> Result<ModelWeights<B>> {
        let config = self.checkpoint.config();
        let embed = self.exact(self.checkpoint.embedding()?)?;
        let mut layers = Vec::with_capacity(config.layers.len());
        let (mut global, mut sliding) = (0, 0);
        for (index, kind) in config.layers.iter().enumerate() {
            let place = Place::Layer(index);
            let weights = self.attention(place)?;
            let attention = if kind.sliding {
                sliding += 1;
                Attention::Window { layer: sliding - 1, weights }
            } else {
                global += 1;
                Attention::Global { layer: global - 1, weights }
            };
            let feed_forward = match &config.moe {
                Some(moe) if kind.moe => FeedForward::Moe(self.moe(index, moe)?),
                _ => FeedForward::Dense(self.ffn(place)?),
            };
            layers.push(Layer { attention, feed_forward });
        }
        let mtp = (0..self.checkpoint.mtp_heads()).map(|head| self.mtp(head, sliding + head)).collect::<Result<_>>()?;
        let head = match self.checkpoint.head()? {
            Some(head) => Some(self.exact(head)?),
            None => None,
        };
        Ok(ModelWeights {
            embed,
            layers,
            final_norm: self.vector(&self.checkpoint.final_norm()?)?,
            eps: config.eps,
            head,
            mtp,
        })
    }

    fn attention(&mut self, place: Place) -> Result<AttentionWeights<B>> {
        let config = self.checkpoint.config();
        let attention = self.checkpoint.attention_config(place)?;
        let tensors = self.checkpoint.attention(place)?;
        let rope = self.rope(Rope { dim: attention.rotary_dim, theta: attention.rope_theta });
        let biases = match tensors.biases {
            Some([q, k, v]) => Some(QkvBiases { q: self.vector(&q)?, k: self.vector(&k)?, v: self.vector(&v)? }),
            None => None,
        };
        let sinks = match tensors.sinks {
            Some(sinks) => Some(self.vector(&sinks)?),
            None => None,
        };
        Ok(AttentionWeights {
            shape: AttentionShape {
                heads: attention.heads,
                kv_heads: attention.kv_heads,
                qk_dim: attention.qk_dim,
                v_dim: attention.v_dim,
                rope,
                value_scale: config.value_scale,
                window_keys: attention.window_keys.and(self.window_keys),
                eps: config.eps,
            },
            norm: self.vector(&tensors.norm)?,
            q: self.matrix(tensors.q)?,
            k: self.matrix(tensors.k)?,
            v: self.matrix(tensors.v)?,
            biases,
            o: self.matrix(tensors.o)?,
            sinks,
        })
    }

    fn rope(&mut self, rope: Rope) -> usize {
        self.ropes.iter().position(|known| *known == rope).unwrap_or_else(|| {
            self.ropes.push(rope);
            self.ropes.len() - 1
        })
    }

    fn ffn(&mut self, place: Place) -> Result<FfnWeights<B>> {
        let norm = self.vector(&self.checkpoint.feed_forward_norm(place)?)?;
        let FfnTensors { gate, up, down } = self.checkpoint.dense_ffn(place)?;
        Ok(FfnWeights {
            norm,
            eps: self.checkpoint.config().eps,
            gate: self.matrix(gate)?,
            up: self.matrix(up)?,
            down: self.matrix(down)?,
        })
    }

    fn moe(&mut self, layer: usize, moe: &MoeConfig) -> Result<MoeWeights<B>> {
        let norm = self.vector(&self.checkpoint.feed_forward_norm(Place::Layer(layer))?)?;
        let router = self.checkpoint.router(layer, moe.experts)?;
        let mut experts = Vec::with_capacity(moe.experts);
        for expert in 0..moe.experts {
            let FfnTensors { gate, up, down } = self.checkpoint.expert(layer, expert, moe.width)?;
            self.count(&[&gate, &up, &down])?;
            experts.push(ExpertSource { gate, up, down });
        }
        Ok(MoeWeights {
            norm,
            eps: self.checkpoint.config().eps,
            gate: self.exact(router.gate)?,
            selection_bias: self.vector(&router.selection_bias)?,
            experts: self.backend.upload_experts(experts)?,
            expert_count: moe.experts,
            top_k: moe.top_k,
            normalise: moe.normalise,
            scale: moe.scale,
        })
    }

    fn mtp(&mut self, head: usize, ring: usize) -> Result<MtpHead<B>> {
        let tensors = self.checkpoint.mtp(head)?;
        Ok(MtpHead {
            join: JoinWeights {
                embedding_norm: self.vector(&tensors.embedding_norm)?,
                hidden_norm: self.vector(&tensors.hidden_norm)?,
                eps: self.checkpoint.config().eps,
                join: self.matrix(tensors.join)?,
            },
            layer: ring,
            attention: self.attention(Place::Mtp(head))?,
            feed_forward: self.ffn(Place::Mtp(head))?,
            final_norm: self.vector(&tensors.final_norm)?,
        })
    }

    fn matrix(&mut self, linear: Linear) -> Result<B::Matrix> {
        self.count(&[&linear])?;
        self.backend.upload_matrix(&linear)
    }

    fn exact(&mut self, linear: Linear) -> Result<B::Matrix> {
        self.count(&[&linear])?;
        self.backend.upload_exact(&linear)
    }

    fn vector(&mut self, values: &[f32]) -> Result<B::Vector> {
        self.backend.upload_vector(values)
    }

    fn count(&mut self, linears: &[&Linear]) -> Result<()> {
        self.loaded += linears.iter().map(|linear| linear.bytes.len() as u64).sum::<u64>();
        // Norms, scales and unused tensors are not counted one by one, hence the bound.
        let total = self.checkpoint.total_bytes();
        (self.progress)(self.loaded.min(total), total)
    }
}
