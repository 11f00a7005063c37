//! attn_global: keys and values of the pass into their blocks, then causal attention of the queried rows over the blocks.

use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::weights::AttentionWeights;

use super::attn_rows::{attend_blocks, fits};
use crate::act::Act;
use crate::arguments::{AttentionArgs, AttnGlobal, KvWrite, KvWriteArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::kv::Kv;
use crate::step::Step;

/// Keys of a tile of the portable kernel.
const TILE: usize = 128;

pub(crate) fn attn_global<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    qkv: &Qkv<CudaBackend<D>>,
    weights: &AttentionWeights<CudaBackend<D>>,
    kv: &Kv<D>,
    layer: usize,
    queries: Queries<'_>,
) -> Result<Act<D>> {
    let layer = kv.blocks.layer(layer);
    let write =
        KvWriteArgs { layer, pass: step.pass, k: qkv.k.address(), v: qkv.v.address(), ..KvWriteArgs::default() };
    // SAFETY: every row's position has a block of its span, checked in StepBatch::rows.
    unsafe { backend.launch(KvWrite(write), [step.rows, layer.kv_heads as usize, 1], 0)? };
    if fits(&layer, weights.shape.heads) {
        return attend_blocks(backend, step, weights, &qkv.q, layer, queries);
    }
    let arguments = AttentionArgs { layer, q: qkv.q.address(), ..AttentionArgs::default() };
    attend(backend, step, weights, arguments, queries, |arguments, grid, shared| {
        // SAFETY: the blocks of the spans hold all positions up to the rows' own; queries are rows of the pass.
        unsafe { backend.launch(AttnGlobal(arguments), grid, shared) }
    })
}

/// What both attentions share: the arguments filled up, the result, the grid.
pub(crate) fn attend<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
    arguments: AttentionArgs,
    queries: Queries<'_>,
    launch: impl FnOnce(AttentionArgs, [usize; 3], usize) -> Result<()>,
) -> Result<Act<D>> {
    let shape = &weights.shape;
    let (count, list) = match queries {
        Queries::All => (step.rows, None),
        Queries::Rows(rows) => (rows.len(), Some(backend.words(rows)?)),
    };
    let out = backend.act(count, shape.heads * shape.v_dim)?;
    let arguments = AttentionArgs {
        pass: step.pass,
        queries: list.as_ref().map_or(0, Memory::address),
        sinks: weights.sinks.as_ref().map_or(0, |sinks| sinks.address()),
        out: out.address(),
        heads: shape.heads as u32,
        window_keys: shape.window_keys.unwrap_or(0) as u32,
        scale: (1.0 / (shape.qk_dim as f64).sqrt()) as f32,
        ..arguments
    };
    launch(arguments, [count, shape.heads, 1], (shape.qk_dim + TILE + shape.v_dim) * 4)?;
    Ok(out)
}
