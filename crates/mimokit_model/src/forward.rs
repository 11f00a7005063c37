// The layer loop: ids of a pass -> hidden states after the last layer, before the final norm.

use crate::backend::{Backend, Queries};
use crate::error::Result;
use crate::weights::{Attention, FeedForward, Layer, ModelWeights};

/// Looks on while layers run: captures routes, hidden states.
pub(crate) trait Observer<B: Backend> {
    fn embedded(&mut self, _backend: &B, _x: &B::Act) -> Result<()> {
        Ok(())
    }
    fn routed(&mut self, _backend: &B, _layer: usize, _routes: &B::Routes) -> Result<()> {
        Ok(())
    }
    fn after_layer(&mut self, _backend: &B, _layer: usize, _x: &B::Act) -> Result<()> {
        Ok(())
    }
}

/// Runs all layers -> [rows, hidden].
pub(crate) fn forward<B: Backend>(
    backend: &B,
    weights: &ModelWeights<B>,
    step: &B::Step,
    kv: &mut B::Kv,
    observer: &mut impl Observer<B>,
) -> Result<B::Act> {
    let mut x = backend.embed(step, &weights.embed)?;
    observer.embedded(backend, &x)?;
    for (index, layer) in weights.layers.iter().enumerate() {
        run_layer(backend, layer, index, step, kv, &mut x, observer)?;
        observer.after_layer(backend, index, &x)?;
    }
    Ok(x)
}

/// x = x + attention(x); x = x + feed_forward(x).
pub(crate) fn run_layer<B: Backend>(
    backend: &B,
    layer: &Layer<B>,
    index: usize,
    step: &B::Step,
    kv: &mut B::Kv,
    x: &mut B::Act,
    observer: &mut impl Observer<B>,
) -> Result<()> {
    let (Attention::Global { weights, .. } | Attention::Window { weights, .. }) = &layer.attention;
    let qkv = backend.qkv_rope(step, x, weights)?;
    let attended = match &layer.attention {
        Attention::Global { layer, .. } => backend.attn_global(step, &qkv, weights, kv, *layer, Queries::All)?,
        Attention::Window { layer, .. } => backend.attn_window(step, &qkv, weights, kv, *layer, Queries::All)?,
    };
    backend.o_proj(&attended, weights, x)?;
    match &layer.feed_forward {
        FeedForward::Dense(weights) => backend.dense_ffn(weights, x),
        FeedForward::Moe(weights) => {
            let routes = backend.router(x, weights)?;
            observer.routed(backend, index, &routes)?;
            backend.moe(&routes, weights, x)
        }
    }
}
