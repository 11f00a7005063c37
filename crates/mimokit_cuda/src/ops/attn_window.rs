//! attn_window: attention over the last keys of each row, from the ring and the fresh rows; then the rings are written.

use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::weights::AttentionWeights;

use super::attn_global::attend;
use super::attn_rows::{attend_band, fits};
use crate::act::Act;
use crate::arguments::{AttentionArgs, AttnWindow, KvLayer, KvRound, KvRoundArgs, KvWrite, KvWriteArgs};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::kv::Kv;
use crate::step::Step;

/// `kind` of KvWriteArgs.
const RING: u32 = 1;

pub(crate) fn attn_window<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    qkv: &Qkv<CudaBackend<D>>,
    weights: &AttentionWeights<CudaBackend<D>>,
    kv: &Kv<D>,
    layer: usize,
    queries: Queries<'_>,
) -> Result<Act<D>> {
    let layer = kv.windows.layer(layer);
    let heads = [step.rows, layer.kv_heads as usize, 1];
    let out = if fits(&layer, weights.shape.heads) {
        attend_band(backend, step, weights, qkv, layer, queries)?
    } else {
        attend_rounded(backend, step, weights, qkv, layer, queries)?
    };
    let write = KvWriteArgs {
        layer,
        pass: step.pass,
        k: qkv.k.address(),
        v: qkv.v.address(),
        kind: RING,
        ..KvWriteArgs::default()
    };
    // SAFETY: no two spans share a window, and of a span only rows with slots of their own are written.
    unsafe { backend.launch(KvWrite(write), heads, 0)? };
    Ok(out)
}

/// The portable kernel: fresh keys and values rounded as they will be stored.
fn attend_rounded<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
    qkv: &Qkv<CudaBackend<D>>,
    layer: KvLayer,
    queries: Queries<'_>,
) -> Result<Act<D>> {
    let rounded_k = backend.act(step.rows, qkv.k.width)?;
    let rounded_v = backend.act(step.rows, qkv.v.width)?;
    let round = KvRoundArgs {
        k: qkv.k.address(),
        v: qkv.v.address(),
        rounded_k: rounded_k.address(),
        rounded_v: rounded_v.address(),
        kv_heads: layer.kv_heads,
        qk_dim: layer.qk_dim,
        v_dim: layer.v_dim,
        stored: layer.stored,
    };
    // SAFETY: all four have the pass's rows and the layer's widths.
    unsafe { backend.launch(KvRound(round), [step.rows, layer.kv_heads as usize, 1], 0)? };
    let arguments = AttentionArgs {
        layer,
        q: qkv.q.address(),
        fresh_k: rounded_k.address(),
        fresh_v: rounded_v.address(),
        ..AttentionArgs::default()
    };
    attend(backend, step, weights, arguments, queries, |arguments, grid, shared| {
        // SAFETY: the ring holds what the window reaches back to, by the layout; queries are rows of the pass.
        unsafe { backend.launch(AttnWindow(arguments), grid, shared) }
    })
}
