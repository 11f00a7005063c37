//! A checkpoint's config and tensor list, read from the headers alone.

use std::path::Path;
use std::thread::Builder;

use mimokit_checkpoint::{Checkpoint, WeightBytes};
use napi::bindgen_prelude::*;
use napi_derive::napi;
use serde_json::{Value, json};

use crate::errors::{Failure, without_panic};

/// Config, tensors, sizes as JSON text: `CheckpointInfo` of checkpoint-info.ts. Reads headers on a thread of its own.
#[napi(ts_return_type = "Promise<string>")]
pub fn checkpoint_info(env: &Env, directory: String) -> Result<Object<'_>> {
    let (deferred, promise) = env.create_deferred()?;
    let read = move || {
        let info = without_panic(|| Ok(describe(&Checkpoint::open(Path::new(&directory))?).to_string()));
        deferred.resolve(move |_| info.map_err(Failure::into_napi));
    };
    Builder::new().name("mimokit-headers".into()).spawn(read)?;
    Ok(promise)
}

fn describe(checkpoint: &Checkpoint) -> Value {
    let config = checkpoint.config();
    let mut tensors: Vec<_> = checkpoint.tensors().collect();
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let tensors: Vec<Value> = tensors
        .into_iter()
        .map(|tensor| {
            json!({
                "name": tensor.name,
                "dtype": tensor.dtype.name(),
                "shape": tensor.shape,
                "bytes": tensor.bytes.len(),
            })
        })
        .collect();
    let attention = |attention: &mimokit_checkpoint::AttentionConfig, layers: usize| {
        json!({
            "layers": layers,
            "heads": attention.heads,
            "kvHeads": attention.kv_heads,
            "qkDim": attention.qk_dim,
            "vDim": attention.v_dim,
            "rotaryDim": attention.rotary_dim,
            "ropeTheta": attention.rope_theta,
            "windowKeys": attention.window_keys,
            "sinks": attention.sinks,
        })
    };
    let WeightBytes { embeddings, attention: attention_bytes, dense_ffn, router, experts, mtp, norms, foreign } =
        WeightBytes::of(checkpoint);
    json!({
        "config": {
            "vocabSize": config.vocab_size,
            "hiddenSize": config.hidden_size,
            "contextLength": config.context_length,
            "layers": config.layers.len(),
            "layerKinds": config.layers.iter().map(|layer| {
                [if layer.sliding { "sliding" } else { "global" }, if layer.moe { "moe" } else { "dense" }]
            }).collect::<Vec<_>>(),
            "global": attention(&config.global, config.global_layers()),
            "sliding": config.sliding.as_ref().map(|sliding| attention(sliding, config.sliding_layers())),
            "moe": config.moe.as_ref().map(|moe| json!({
                "layers": config.moe_layers(), "experts": moe.experts, "topK": moe.top_k, "width": moe.width,
            })),
            "denseWidth": config.dense_width,
            "valueScale": decimal(config.value_scale),
            "eps": decimal(config.eps),
            "tiedEmbeddings": config.tied,
            "eosTokenIds": config.eos_token_ids,
            "mtpHeads": checkpoint.mtp_heads(),
        },
        "bytes": {
            "embeddings": embeddings, "attention": attention_bytes, "denseFfn": dense_ffn, "router": router,
            "experts": experts, "mtp": mtp, "norms": norms, "foreign": foreign,
        },
        "totalBytes": checkpoint.total_bytes(),
        "tensors": tensors,
    })
}

/// The shortest decimal that is this f32: 0.707, not 0.7070000171661377.
fn decimal(x: f32) -> f64 {
    x.to_string().parse().unwrap_or(f64::from(x))
}
