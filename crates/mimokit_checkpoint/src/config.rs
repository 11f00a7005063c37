// config.json, in the hub's spelling or transformers' own, as a ModelConfig. What would change the computation and is not
// known here is refused by name; nothing about a particular model is assumed.

use std::path::Path;

use serde_json::{Value, json};

use crate::error::Result;
use crate::fields::{Fields, whole};

/// Bounds that keep all products of sizes far inside 64 bits.
const MAX_WIDTH: usize = 1 << 20;
const MAX_HEADS: usize = 1 << 12;
const MAX_HEAD_DIM: usize = 1 << 14;
const MAX_VOCAB: usize = 1 << 24;
const MAX_LAYERS: usize = 1 << 10;
/// Expert ids travel as 16 bits.
const MAX_EXPERTS: usize = 1 << 16;
const MAX_POSITIONS: usize = 1 << 30;
/// Scales at or near zero leave nothing of what they scale.
const SMALLEST_SCALE: f64 = 1e-6;
const ARCHITECTURES: [&str; 2] = ["MiMoV2FlashForCausalLM", "MiMoV2ForCausalLM"];

/// A model's sizes and constants.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelConfig {
    pub vocab_size: usize,
    pub hidden_size: usize,
    /// Longest sequence in tokens.
    pub context_length: usize,
    pub layers: Vec<LayerConfig>,
    /// Attention of global layers.
    pub global: AttentionConfig,
    /// Attention of sliding layers and MTP heads, if the config speaks of one.
    pub sliding: Option<AttentionConfig>,
    /// V is multiplied by this.
    pub value_scale: f32,
    /// q, k and v have biases.
    pub attention_bias: bool,
    /// How rows of q, k and v lie where they are stored in one tensor.
    pub fused_rows: FusedRows,
    /// Width of dense feed-forwards, MTP heads included.
    pub dense_width: usize,
    /// Present when a layer has experts.
    pub moe: Option<MoeConfig>,
    pub eps: f32,
    /// The LM head is the embedding.
    pub tied: bool,
    /// From config.json and generation_config.json, ascending.
    pub eos_token_ids: Vec<u32>,
    /// Rows and columns that share a scale in FP8 weights.
    pub fp8_block: [usize; 2],
}

/// Order of rows in a fused `qkv_proj`; shapes do not tell one from the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FusedRows {
    /// As many shards as a global layer has KV heads, each [Q | K | V]: the released models.
    Sharded,
    /// [Q | K | V] once, as transformers writes it: `fused_qkv_weight_order` is "plain".
    Plain,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LayerConfig {
    pub sliding: bool,
    pub moe: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct AttentionConfig {
    pub heads: usize,
    pub kv_heads: usize,
    pub qk_dim: usize,
    pub v_dim: usize,
    /// Leading dims of each q and k head that turn; even.
    pub rotary_dim: usize,
    pub rope_theta: f64,
    /// One learned logit per query head in the softmax's denominator.
    pub sinks: bool,
    /// Keys a query sees, itself included; `None` is all.
    pub window_keys: Option<usize>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct MoeConfig {
    pub experts: usize,
    pub top_k: usize,
    pub width: usize,
    /// Mixing weights are divided by their sum.
    pub normalise: bool,
    pub scale: f32,
}

impl ModelConfig {
    /// Parses the texts of config.json and, where there is one, generation_config.json. `file` names config.json in errors.
    ///
    /// # Errors
    /// `config-invalid` for missing or impossible values, `config-unsupported` for values that would change the computation.
    pub fn parse(file: &Path, text: &str, generation: Option<(&Path, &str)>) -> Result<ModelConfig> {
        let fields = Fields::parse(file, text)?;
        refuse_unknown_kinds(&fields)?;
        let layer_count = fields.size("num_hidden_layers", MAX_LAYERS)?;
        let layers = layer_kinds(&fields, layer_count)?;
        let is_native = fields.get("layer_types").is_some();
        let global = global_attention(&fields)?;
        let any_sliding = layers.iter().any(|layer| layer.sliding);
        let sliding = sliding_attention(&fields, &global, any_sliding, is_native)?;
        let has_moe = layers.iter().any(|layer| layer.moe);
        let eps_field = if fields.get("layernorm_epsilon").is_some() { "layernorm_epsilon" } else { "rms_norm_eps" };
        if !fields.has_key("attention_value_scale") {
            return Err(fields.missing("attention_value_scale"));
        }
        let mut eos_token_ids = token_ids(&fields, "eos_token_id")?;
        if let Some((file, text)) = generation {
            eos_token_ids.extend(token_ids(&Fields::parse(file, text)?, "eos_token_id")?);
        }
        let vocab_size = fields.size("vocab_size", MAX_VOCAB)?;
        eos_token_ids.sort_unstable();
        eos_token_ids.dedup();
        if eos_token_ids.last().is_some_and(|&id| id as usize >= vocab_size) {
            return Err(fields
                .invalid("eos_token_id", &format!("with generation_config.json, ids must lie below {vocab_size}")));
        }
        Ok(ModelConfig {
            vocab_size,
            hidden_size: fields.size("hidden_size", MAX_WIDTH)?,
            context_length: fields.size("max_position_embeddings", MAX_POSITIONS)?,
            global,
            sliding,
            // null is no scaling; zero would leave no attention and is taken for a mistake.
            value_scale: fields.optional_number("attention_value_scale", SMALLEST_SCALE, 1e6)?.unwrap_or(1.0) as f32,
            attention_bias: fields.flag("attention_bias", false)?,
            fused_rows: match fields.get("fused_qkv_weight_order") {
                Some(order) if order == "plain" => FusedRows::Plain,
                _ => FusedRows::Sharded,
            },
            dense_width: fields.size("intermediate_size", MAX_WIDTH)?,
            moe: if has_moe { Some(moe(&fields)?) } else { None },
            eps: fields.number(eps_field, 0.0, 1.0)? as f32,
            tied: fields.flag("tie_word_embeddings", false)?,
            eos_token_ids,
            fp8_block: fp8_block(&fields)?,
            layers,
        })
    }
}

fn refuse_unknown_kinds(fields: &Fields) -> Result<()> {
    fields.require_one_of("model_type", &[json!("mimo_v2_flash"), json!("mimo_v2"), json!("")])?;
    match fields.list("architectures")? {
        Some(names) if !names.iter().any(|name| ARCHITECTURES.iter().any(|known| name == known)) => {
            let found = Value::from(names).to_string();
            return Err(fields.unsupported("architectures", &found, &ARCHITECTURES.join(", ")));
        }
        None if fields.get("model_type").is_none() => return Err(fields.missing("model_type")),
        _ => {}
    }
    fields.require_one_of("hidden_act", &[json!("silu")])?;
    fields.require_one_of("scoring_func", &[json!("sigmoid")])?;
    fields.require_one_of("topk_method", &[json!("noaux_tc")])?;
    fields.require_one_of("n_group", &[json!(1)])?;
    fields.require_one_of("topk_group", &[json!(1)])?;
    fields.require_one_of("n_shared_experts", &[json!(0)])?;
    fields.require_one_of("attention_projection_layout", &[json!("split"), json!("fused_qkv")])?;
    fields.require_one_of("fused_qkv_weight_order", &[json!("interleaved"), json!("plain")])?;
    fields.require_one_of("moe_router_dtype", &[json!("float32"), json!("bfloat16")])?;
    if let Some(scaling) = fields.object("rope_scaling")? {
        require_default_rope(&scaling)?;
    }
    Ok(())
}

fn require_default_rope(fields: &Fields) -> Result<()> {
    fields.require_one_of("rope_type", &[json!("default")])?;
    fields.require_one_of("type", &[json!("default")])?;
    if fields.get("factor").is_some() {
        return Err(fields.unsupported("factor", "set", "no scaling"));
    }
    Ok(())
}

fn layer_kinds(fields: &Fields, count: usize) -> Result<Vec<LayerConfig>> {
    let both = |hub: &str, native: &str, names: [Value; 2]| -> Result<Vec<bool>> {
        let from_hub = fields.choices(hub, count, [json!(0), json!(1)])?;
        let from_native = fields.choices(native, count, names)?;
        match (from_hub, from_native) {
            (Some(a), Some(b)) if a != b => Err(fields.invalid(native, &format!("it contradicts {hub}"))),
            (Some(a), _) | (None, Some(a)) => Ok(a),
            (None, None) => Err(fields.missing(hub)),
        }
    };
    let sliding = both("hybrid_layer_pattern", "layer_types", [json!("full_attention"), json!("sliding_attention")])?;
    let moe = both("moe_layer_freq", "mlp_layer_types", [json!("dense"), json!("sparse")])?;
    Ok(sliding.into_iter().zip(moe).map(|(sliding, moe)| LayerConfig { sliding, moe }).collect())
}

fn global_attention(fields: &Fields) -> Result<AttentionConfig> {
    let qk_dim = fields.size("head_dim", MAX_HEAD_DIM)?;
    let (rope_theta, rotary_dim) = rope(fields, "full_attention", "rope_theta", qk_dim)?;
    let attention = AttentionConfig {
        heads: fields.size("num_attention_heads", MAX_HEADS)?,
        kv_heads: fields.size("num_key_value_heads", MAX_HEADS)?,
        qk_dim,
        v_dim: fields.size("v_head_dim", MAX_HEAD_DIM)?,
        rotary_dim,
        rope_theta,
        sinks: fields.flag("add_full_attention_sink_bias", false)?,
        window_keys: None,
    };
    require_groups(fields, "num_key_value_heads", &attention)?;
    Ok(attention)
}

fn sliding_attention(
    fields: &Fields,
    global: &AttentionConfig,
    any_sliding: bool,
    is_native: bool,
) -> Result<Option<AttentionConfig>> {
    let kv_heads = match fields.optional_size("swa_num_key_value_heads", MAX_HEADS)? {
        Some(heads) => heads,
        // transformers' own class has twice the KV heads in sliding layers, by rule.
        None if is_native => 2 * global.kv_heads,
        None if any_sliding => return Err(fields.missing("swa_num_key_value_heads")),
        None => return Ok(None),
    };
    let window_keys = match (
        fields.optional_size("sliding_window", MAX_POSITIONS)?,
        fields.optional_size("sliding_window_size", MAX_POSITIONS)?,
    ) {
        (Some(a), Some(b)) if a != b => {
            return Err(fields
                .invalid("sliding_window_size", &format!("sliding_window is {a}; which of them holds is unclear")));
        }
        (Some(keys), _) | (None, Some(keys)) => keys,
        (None, None) if any_sliding => return Err(fields.missing("sliding_window")),
        (None, None) => return Ok(None),
    };
    let qk_dim = fields.optional_size("swa_head_dim", MAX_HEAD_DIM)?.unwrap_or(global.qk_dim);
    let (rope_theta, rotary_dim) = rope(fields, "sliding_attention", "swa_rope_theta", qk_dim)?;
    let attention = AttentionConfig {
        heads: fields.optional_size("swa_num_attention_heads", MAX_HEADS)?.unwrap_or(global.heads),
        kv_heads,
        qk_dim,
        v_dim: fields.optional_size("swa_v_head_dim", MAX_HEAD_DIM)?.unwrap_or(global.v_dim),
        rotary_dim,
        rope_theta,
        sinks: fields.flag("add_swa_attention_sink_bias", true)?,
        window_keys: Some(window_keys),
    };
    if !any_sliding && is_native && !attention.heads.is_multiple_of(attention.kv_heads) {
        // Derived by the native rule, and no layer uses it.
        return Ok(None);
    }
    require_groups(fields, "swa_num_key_value_heads", &attention)?;
    Ok(Some(attention))
}

fn require_groups(fields: &Fields, field: &str, attention: &AttentionConfig) -> Result<()> {
    if !attention.heads.is_multiple_of(attention.kv_heads) {
        return Err(fields.invalid(field, &format!("it must divide the {} query heads", attention.heads)));
    }
    Ok(())
}

/// Theta and rotary dim from `rope_parameters[kind]`, a flat `rope_parameters`, or the hub's own keys.
fn rope(fields: &Fields, kind: &str, theta_field: &str, qk_dim: usize) -> Result<(f64, usize)> {
    let parameters = fields.object("rope_parameters")?;
    let nested = match &parameters {
        Some(parameters) => parameters.object(kind)?,
        None => None,
    };
    let flat = parameters.filter(|_| nested.is_none());
    let source = nested.or(flat);
    if let Some(source) = &source {
        require_default_rope(source)?;
    }
    let theta = match fields.optional_number(theta_field, 1.0, 1e12)? {
        Some(theta) => theta,
        None => match &source {
            Some(source) if theta_field == "rope_theta" || kind_is_nested(fields, kind)? => {
                source.number("rope_theta", 1.0, 1e12)?
            }
            _ => return Err(fields.missing(theta_field)),
        },
    };
    let factor = match fields.optional_number("partial_rotary_factor", 0.0, 1.0)? {
        Some(factor) => Some(factor),
        None => match &source {
            Some(source) => source.optional_number("partial_rotary_factor", 0.0, 1.0)?,
            None => None,
        },
    };
    let rotary_dim = (qk_dim as f64 * factor.unwrap_or(1.0)) as usize;
    if rotary_dim == 0 || !rotary_dim.is_multiple_of(2) {
        return Err(fields.invalid(
            "partial_rotary_factor",
            &format!("it turns {rotary_dim} of {qk_dim} dims, not a positive even number"),
        ));
    }
    Ok((theta, rotary_dim))
}

fn kind_is_nested(fields: &Fields, kind: &str) -> Result<bool> {
    Ok(match fields.object("rope_parameters")? {
        Some(parameters) => parameters.get(kind).is_some(),
        None => false,
    })
}

fn moe(fields: &Fields) -> Result<MoeConfig> {
    let experts = fields.size("n_routed_experts", MAX_EXPERTS)?;
    let top_k = fields.size("num_experts_per_tok", MAX_EXPERTS)?;
    if top_k > experts {
        return Err(fields.invalid("num_experts_per_tok", &format!("there are {experts} experts")));
    }
    Ok(MoeConfig {
        experts,
        top_k,
        width: fields.size("moe_intermediate_size", MAX_WIDTH)?,
        normalise: fields.flag("norm_topk_prob", true)?,
        scale: fields.optional_number("routed_scaling_factor", SMALLEST_SCALE, 1e6)?.unwrap_or(1.0) as f32,
    })
}

fn fp8_block(fields: &Fields) -> Result<[usize; 2]> {
    let Some(quantization) = fields.object("quantization_config")? else { return Ok([128, 128]) };
    if quantization.get("quant_method").is_none() {
        return Err(quantization.missing("quant_method"));
    }
    quantization.require_one_of("quant_method", &[json!("fp8")])?;
    quantization.require_one_of("fmt", &[json!("e4m3")])?;
    quantization.require_one_of("activation_scheme", &[json!("dynamic")])?;
    quantization.require_one_of("store_dtype", &[json!("fp8")])?;
    let Some(list) = quantization.list("weight_block_size")? else { return Ok([128, 128]) };
    let sizes: Vec<usize> = list.iter().filter_map(whole).filter_map(|size| usize::try_from(size).ok()).collect();
    match sizes[..] {
        [rows, cols] if list.len() == 2 && (1..=MAX_WIDTH).contains(&rows) && (1..=MAX_WIDTH).contains(&cols) => {
            Ok([rows, cols])
        }
        _ => Err(quantization.invalid("weight_block_size", "it must be two positive integers")),
    }
}

fn token_ids(fields: &Fields, field: &str) -> Result<Vec<u32>> {
    let one = |value: &Value| {
        whole(value).and_then(|id| u32::try_from(id).ok()).ok_or_else(|| fields.invalid(field, "it must be token ids"))
    };
    match fields.get(field) {
        None => Ok(Vec::new()),
        Some(Value::Array(values)) => values.iter().map(one).collect(),
        Some(value) => Ok(vec![one(value)?]),
    }
}
