//! Attention on the tensor cores: which kernel takes which rows. Rows that belong together read keys and values once; a row's bits are the same in
//! attn_split (few rows, positions side by side) and attn_rows (many rows, positions one after the other).

use std::ops::Range;

use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::weights::AttentionWeights;

use super::attn_split::attend_split;
use crate::act::Act;
use crate::arguments::{AttentionArgs, AttnBand, AttnRows, F32, KvLayer, KvWrite, KvWriteArgs, RowsArgs};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::kv::Fresh;
use crate::step::Step;

/// As in kernels/attn_split.cu, attn_rows.cu and device/attention_mma.cuh.
const SPLIT_ROWS: usize = 64;
const SPLIT_TOKENS: usize = 4;
const MANY_ROWS: usize = 128;
const BAND_ROWS: usize = 64;
const TILE: usize = 64;
const PAD_BYTES: usize = 16;
/// Head sizes they are built for, keys and values.
const HEADS: [(u32, u32); 2] = [(192, 128), (48, 32)];
/// Spans with as many queries go to attn_rows.
const MANY_QUERIES: usize = 32;
/// `kind` of KvWriteArgs.
const ROWS_OF_PASS: u32 = 2;

/// Whether the kernels take these heads and this storage.
pub(super) fn fits(layer: &KvLayer, heads: usize) -> bool {
    let per_kv_head = heads / layer.kv_heads as usize;
    layer.stored != F32 && HEADS.contains(&(layer.qk_dim, layer.v_dim)) && per_kv_head <= SPLIT_ROWS
}

/// A tile of keys and values in shared memory.
pub(super) fn tile_bytes(layer: &KvLayer) -> usize {
    let element = [4, 2, 1][layer.stored as usize];
    TILE * ((layer.qk_dim + layer.v_dim) as usize * element + 2 * PAD_BYTES + 8)
}

/// Two tiles, and `rows` queries in BF16.
fn rows_bytes(layer: &KvLayer, rows: usize) -> usize {
    2 * tile_bytes(layer) + rows * (2 * layer.qk_dim as usize + PAD_BYTES)
}

/// First query, counted from `from`, and how many, of each group.
pub(super) fn group_words(groups: &[Range<usize>], from: usize) -> Vec<u32> {
    groups.iter().flat_map(|group| [(group.start - from) as u32, group.len() as u32]).collect()
}

/// The queried rows, and what all kernels' arguments share.
struct Asked<D: Device> {
    rows: Vec<u32>,
    arguments: AttentionArgs,
    out: Act<D>,
}

fn ask<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
    q: &Act<D>,
    layer: KvLayer,
    queries: Queries<'_>,
) -> Result<Asked<D>> {
    let shape = &weights.shape;
    let rows: Vec<u32> = match queries {
        Queries::All => (0..step.rows as u32).collect(),
        Queries::Rows(rows) => rows.to_vec(),
    };
    let list = step.list(&backend.device, rows.clone())?;
    let out = backend.act(rows.len(), shape.heads * shape.v_dim)?;
    let arguments = AttentionArgs {
        layer,
        pass: step.pass,
        queries: list,
        q: q.address(),
        sinks: weights.sinks.as_ref().map_or(0, |sinks| sinks.address()),
        out: out.address(),
        heads: shape.heads as u32,
        window_keys: shape.window_keys.unwrap_or(0) as u32,
        scale: (1.0 / (shape.qk_dim as f64).sqrt()) as f32,
        ..AttentionArgs::default()
    };
    Ok(Asked { rows, arguments, out })
}

/// Queries [queries, heads * v_dim] over the blocks, which hold the pass's own keys and values already.
pub(super) fn attend_blocks<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
    q: &Act<D>,
    layer: KvLayer,
    queries: Queries<'_>,
) -> Result<Act<D>> {
    let asked = ask(backend, step, weights, q, layer, queries)?;
    let heads = weights.shape.heads / layer.kv_heads as usize;
    let shared = rows_bytes(&layer, MANY_ROWS);
    let has_many = |queries: usize| queries >= MANY_QUERIES && shared <= backend.device.shared_bytes();
    let (mut many, mut few) = (Vec::new(), Vec::new());
    for queries in runs(&asked.rows, &step.spans) {
        if has_many(queries.len()) {
            cut(queries, MANY_ROWS / heads, &mut many);
        } else {
            cut(queries, SPLIT_TOKENS.min(SPLIT_ROWS / heads), &mut few);
        }
    }
    attend_split(backend, step, &asked.rows, &few, &asked.arguments)?;
    let words = step.list(&backend.device, group_words(&many, 0))?;
    let arguments = RowsArgs { attention: asked.arguments, groups: words, ..RowsArgs::default() };
    for (first, count) in slabs(many.len()) {
        let arguments = RowsArgs { groups: words + 8 * first as u64, ..arguments };
        // SAFETY: the blocks of the spans hold all positions up to the rows' own; queries are rows of the pass.
        unsafe { backend.launch(AttnRows(arguments), [layer.kv_heads as usize, count, 1], shared)? };
    }
    Ok(asked.out)
}

/// Queries over the last `window_keys` positions, from the ring and the pass's own rows; the ring is not written.
pub(super) fn attend_band<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
    qkv: &Qkv<CudaBackend<D>>,
    layer: KvLayer,
    queries: Queries<'_>,
) -> Result<Act<D>> {
    let asked = ask(backend, step, weights, &qkv.q, layer, queries)?;
    let fresh = Fresh::new(&backend.device, &layer, step.rows)?;
    let write = KvWriteArgs {
        layer: fresh.layer,
        pass: step.pass,
        k: qkv.k.address(),
        v: qkv.v.address(),
        kind: ROWS_OF_PASS,
        ..KvWriteArgs::default()
    };
    let mut groups = Vec::new();
    for queries in runs(&asked.rows, &step.spans) {
        cut(queries, BAND_ROWS / (weights.shape.heads / layer.kv_heads as usize), &mut groups);
    }
    let words = step.list(&backend.device, group_words(&groups, 0))?;
    let arguments = RowsArgs { attention: asked.arguments, fresh: fresh.layer, groups: words };
    // SAFETY: `fresh` has a slot for every row of the pass; the ring holds what the window reaches back to, by the layout.
    unsafe {
        backend.launch(KvWrite(write), [step.rows, layer.kv_heads as usize, 1], 0)?;
        for (first, count) in slabs(groups.len()) {
            let arguments = RowsArgs { groups: words + 8 * first as u64, ..arguments };
            let grid = [layer.kv_heads as usize, count, 1];
            backend.launch(AttnBand(arguments), grid, rows_bytes(&layer, BAND_ROWS))?;
        }
    }
    Ok(asked.out)
}

/// (first, count) of pieces that a grid's second side holds.
fn slabs(groups: usize) -> impl Iterator<Item = (usize, usize)> {
    const MOST: usize = 65_535;
    (0..groups).step_by(MOST).map(move |first| (first, MOST.min(groups - first)))
}

/// Queries (as places in `rows`, which ascend) by the span they lie in.
fn runs(rows: &[u32], spans: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    let (mut span, mut span_of_last) = (0, usize::MAX);
    for (index, &row) in rows.iter().enumerate() {
        while spans.get(span).is_some_and(|range| row as usize >= range.end) {
            span += 1;
        }
        match runs.last_mut() {
            Some(run) if span == span_of_last => run.end += 1,
            _ => runs.push(index..index + 1),
        }
        span_of_last = span;
    }
    runs
}

/// A run in pieces of at most `tokens`.
fn cut(run: Range<usize>, tokens: usize, groups: &mut Vec<Range<usize>>) {
    groups.extend(run.clone().step_by(tokens).map(|first| first..run.end.min(first + tokens)));
}

#[cfg(test)]
mod tests {
    use super::{cut, runs};

    #[test]
    fn groups_stay_in_their_span_and_below_their_size() {
        let spans = [0..6, 6..7, 7..12];
        let runs = runs(&[0, 1, 2, 3, 4, 5, 6, 8, 11], &spans);
        assert_eq!(runs, [0..6, 6..7, 7..9]);
        let mut groups = Vec::new();
        runs.into_iter().for_each(|run| cut(run, 4, &mut groups));
        assert_eq!(groups, [0..4, 4..6, 6..7, 7..9]);
    }
}
