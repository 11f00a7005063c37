// The tensors of each block of the model, found by name, checked against the config, still on disk.

use std::sync::Arc;

use crate::checkpoint::Checkpoint;
use crate::config::{AttentionConfig, FusedRows};
use crate::error::{Error, Result};
use crate::fp8_scales::{self, KvRows};
use crate::linear::gather_rows;
use crate::names::Place;
use crate::tensor::{BlockScales, Dtype, Linear};

/// One attention with the norm before it.
#[derive(Debug)]
pub struct AttentionTensors {
    pub norm: Vec<f32>,
    pub q: Linear,
    pub k: Linear,
    pub v: Linear,
    pub o: Linear,
    /// Of q, k and v.
    pub biases: Option<[Vec<f32>; 3]>,
    /// One per query head.
    pub sinks: Option<Vec<f32>>,
}

/// A dense feed-forward with the norm before it, or one expert (whose norm is the layer's).
#[derive(Debug)]
pub struct FfnTensors {
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

#[derive(Debug)]
pub struct RouterTensors {
    pub gate: Linear,
    pub selection_bias: Vec<f32>,
}

/// What an MTP head has beside attention and feed-forward.
#[derive(Debug)]
pub struct MtpTensors {
    pub embedding_norm: Vec<f32>,
    pub hidden_norm: Vec<f32>,
    pub join: Linear,
    pub final_norm: Vec<f32>,
}

impl Checkpoint {
    /// [vocab, hidden]
    pub fn embedding(&self) -> Result<Linear> {
        self.linear("model.embed_tokens.weight", self.config().vocab_size, self.config().hidden_size)
    }

    pub fn final_norm(&self) -> Result<Vec<f32>> {
        self.vector("model.norm.weight", self.config().hidden_size)
    }

    /// `None` when tied to the embedding.
    pub fn head(&self) -> Result<Option<Linear>> {
        if self.config().tied {
            return Ok(None);
        }
        self.linear("lm_head.weight", self.config().vocab_size, self.config().hidden_size).map(Some)
    }

    /// The attention a block has, by the config.
    ///
    /// # Errors
    /// `config-invalid` for an MTP head in a model whose config describes no sliding attention.
    pub fn attention_config(&self, place: Place) -> Result<&AttentionConfig> {
        let config = self.config();
        let is_sliding = match place {
            Place::Layer(layer) => config.layers[layer].sliding,
            Place::Mtp(_) => true,
        };
        if !is_sliding {
            return Ok(&config.global);
        }
        config.sliding.as_ref().ok_or_else(|| Error::ConfigInvalid {
            file: self.directory().join("config.json"),
            field: "swa_num_key_value_heads".into(),
            found: "missing".into(),
            problem: "the MTP heads need it".into(),
        })
    }

    pub fn attention(&self, place: Place) -> Result<AttentionTensors> {
        let config = self.attention_config(place)?;
        let hidden = self.config().hidden_size;
        let name = |suffix: &str| place.name(&format!("self_attn.{suffix}"));
        let (q_rows, k_rows, v_rows) =
            (config.heads * config.qk_dim, config.kv_heads * config.qk_dim, config.kv_heads * config.v_dim);

        let fused = name("qkv_proj.weight");
        let is_fused = self.tensor(&fused).is_some();
        let [q, k, v] = if is_fused {
            self.fused_qkv(&fused, config)?
        } else {
            let q = self.linear(&name("q_proj.weight"), q_rows, hidden)?;
            let rows = KvRows { kv_heads: config.kv_heads, qk_dim: config.qk_dim, v_dim: config.v_dim, cols: hidden };
            let [k, v] = self.key_value_linears(&name("k_proj.weight"), &name("v_proj.weight"), rows)?;
            [q, k, v]
        };
        let biases = if self.config().attention_bias && is_fused {
            Some(self.fused_biases(&name("qkv_proj.bias"), config)?)
        } else if self.config().attention_bias {
            Some([
                self.vector(&name("q_proj.bias"), q_rows)?,
                self.vector(&name("k_proj.bias"), k_rows)?,
                self.vector(&name("v_proj.bias"), v_rows)?,
            ])
        } else {
            for part in ["q_proj.bias", "k_proj.bias", "v_proj.bias", "qkv_proj.bias"] {
                self.refuse(&name(part), "the config says attention_bias is false")?;
            }
            None
        };
        self.refuse(&name("o_proj.bias"), "output projections have no bias in this architecture")?;
        let sinks = if config.sinks {
            Some(self.vector(&name("attention_sink_bias"), config.heads)?)
        } else {
            self.refuse(&name("attention_sink_bias"), "the config says these layers have no sinks")?;
            None
        };
        Ok(AttentionTensors {
            norm: self.vector(&place.name("input_layernorm.weight"), hidden)?,
            q,
            k,
            v,
            o: self.linear(&name("o_proj.weight"), hidden, config.heads * config.v_dim)?,
            biases,
            sinks,
        })
    }

    /// The norm before the feed-forward of a block.
    pub fn feed_forward_norm(&self, place: Place) -> Result<Vec<f32>> {
        let suffix = match place {
            Place::Layer(_) => "post_attention_layernorm.weight",
            Place::Mtp(_) => "pre_mlp_layernorm.weight",
        };
        self.vector(&place.name(suffix), self.config().hidden_size)
    }

    pub fn dense_ffn(&self, place: Place) -> Result<FfnTensors> {
        self.ffn(&place.name("mlp"), self.config().dense_width)
    }

    pub fn router(&self, layer: usize, experts: usize) -> Result<RouterTensors> {
        let place = Place::Layer(layer);
        self.refuse(
            &place.name("mlp.shared_experts.gate_proj.weight"),
            "shared experts are not part of this architecture",
        )?;
        let gate = self.linear(&place.name("mlp.gate.weight"), experts, self.config().hidden_size)?;
        if gate.dtype == Dtype::F8E4M3 {
            return Err(Error::TensorDtype { tensor: gate.name, found: "F8_E4M3".into(), supported: "F32, BF16" });
        }
        Ok(RouterTensors {
            gate,
            selection_bias: self.vector(&place.name("mlp.gate.e_score_correction_bias"), experts)?,
        })
    }

    pub fn expert(&self, layer: usize, expert: usize, width: usize) -> Result<FfnTensors> {
        self.ffn(&Place::Layer(layer).name(&format!("mlp.experts.{expert}")), width)
    }

    pub fn mtp(&self, head: usize) -> Result<MtpTensors> {
        let place = Place::Mtp(head);
        let hidden = self.config().hidden_size;
        Ok(MtpTensors {
            embedding_norm: self.vector(&place.name("enorm.weight"), hidden)?,
            hidden_norm: self.vector(&place.name("hnorm.weight"), hidden)?,
            join: self.linear(&place.name("eh_proj.weight"), hidden, 2 * hidden)?,
            final_norm: self.vector(&place.name("final_layernorm.weight"), hidden)?,
        })
    }

    fn ffn(&self, prefix: &str, width: usize) -> Result<FfnTensors> {
        let hidden = self.config().hidden_size;
        Ok(FfnTensors {
            gate: self.linear(&format!("{prefix}.gate_proj.weight"), width, hidden)?,
            up: self.linear(&format!("{prefix}.up_proj.weight"), width, hidden)?,
            down: self.linear(&format!("{prefix}.down_proj.weight"), hidden, width)?,
        })
    }

    /// Splits a fused projection. Rows are copied; scales are shared.
    fn fused_qkv(&self, name: &str, config: &AttentionConfig) -> Result<[Linear; 3]> {
        let rows = self.fused_rows(name, config)?;
        let fused = self.unscaled(name, rows.total(), self.config().hidden_size)?;
        let block = self.config().fp8_block;
        let scales = if fused.dtype == Dtype::F8E4M3 {
            let grid = self.grid(name)?;
            let shard_blocks = rows.shard().div_ceil(block[0]);
            let expected = [rows.shards * shard_blocks, fused.cols.div_ceil(block[1])];
            if [grid.rows, grid.cols] != expected {
                let found = vec![grid.rows, grid.cols];
                return Err(Error::ScaleGrid { tensor: grid.tensor, found, plain: expected, per_head: None });
            }
            Some((fp8_scales::per_shard_index(rows.total(), rows.shards, block[0]), Arc::<[f32]>::from(grid.values)))
        } else {
            None
        };
        let part = |part: usize| Linear {
            name: name.replace("qkv_proj", ["q_proj", "k_proj", "v_proj"][part]),
            rows: rows.parts[part],
            cols: fused.cols,
            dtype: fused.dtype,
            bytes: gather_rows(&fused, rows.of(part)),
            scales: scales.as_ref().map(|(index, values)| BlockScales {
                block_cols: block[1],
                col_blocks: fused.cols.div_ceil(block[1]),
                row_index: rows.of(part).map(|row| index[row]).collect(),
                values: values.clone(),
            }),
        };
        Ok([part(0), part(1), part(2)])
    }

    fn fused_biases(&self, name: &str, config: &AttentionConfig) -> Result<[Vec<f32>; 3]> {
        let rows = self.fused_rows(name, config)?;
        let fused = self.vector(name, rows.total())?;
        let part = |part: usize| rows.of(part).map(|row| fused[row]).collect();
        Ok([part(0), part(1), part(2)])
    }

    fn fused_rows(&self, name: &str, config: &AttentionConfig) -> Result<FusedLayout> {
        let parts = [config.heads * config.qk_dim, config.kv_heads * config.qk_dim, config.kv_heads * config.v_dim];
        let shards = match self.config().fused_rows {
            FusedRows::Plain => 1,
            FusedRows::Sharded => self.config().global.kv_heads,
        };
        if !config.kv_heads.is_multiple_of(shards) {
            return Err(Error::TensorUnsupported {
                tensor: name.into(),
                problem: format!("{} KV heads do not divide into {shards} shards", config.kv_heads),
            });
        }
        Ok(FusedLayout { parts, shards })
    }
}

/// Where the rows of q, k and v lie in a fused projection: `shards` times [Q | K | V].
struct FusedLayout {
    /// Rows of q, k and v, all shards together; each divides by `shards`.
    parts: [usize; 3],
    shards: usize,
}

impl FusedLayout {
    fn total(&self) -> usize {
        self.parts.iter().sum()
    }

    fn shard(&self) -> usize {
        self.total() / self.shards
    }

    /// The fused rows of a part, in the part's own order.
    fn of(&self, part: usize) -> impl Iterator<Item = usize> + use<> {
        let first = self.parts[..part].iter().sum::<usize>() / self.shards;
        let (rows, per_shard, shard) = (self.parts[part], self.parts[part] / self.shards, self.shard());
        (0..rows).map(move |row| row / per_shard * shard + first + row % per_shard)
    }
}
