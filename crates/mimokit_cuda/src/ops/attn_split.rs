//! Global attention on the tensor cores: queries in groups that read keys and values once, positions in splits that run side by side.

use std::ops::Range;

use mimokit_model::backend::Queries;
use mimokit_model::weights::AttentionWeights;

use crate::act::Act;
use crate::arguments::{AttentionArgs, AttnMerge, AttnSplit, F32, KvLayer, SplitArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::step::Step;

/// As in kernels/attn_split.cu.
const GROUP_ROWS: usize = 64;
const GROUP_TOKENS: usize = 4;
const SPLIT: usize = 512;
const TILE: usize = 64;
const PAD_BYTES: usize = 16;
/// Head sizes it is built for, keys and values.
const HEADS: [(u32, u32); 2] = [(192, 128), (48, 32)];
/// Of partial results; bounds what a long prompt takes at once.
const SCRATCH_BYTES: usize = 64 << 20;

/// Whether the kernel takes these heads and this storage.
pub(crate) fn fits(layer: &KvLayer, heads: usize) -> bool {
    let per_kv_head = heads / layer.kv_heads as usize;
    layer.stored != F32 && HEADS.contains(&(layer.qk_dim, layer.v_dim)) && per_kv_head <= GROUP_ROWS
}

/// Queries [queries, heads * v_dim] over the blocks, which hold the pass's own keys and values already.
pub(crate) fn attend_split<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
    arguments: AttentionArgs,
    queries: Queries<'_>,
) -> Result<Act<D>> {
    let (shape, layer) = (&weights.shape, arguments.layer);
    let rows = match queries {
        Queries::All => (0..step.rows as u32).collect(),
        Queries::Rows(rows) => rows.to_vec(),
    };
    let out_width = shape.heads * shape.v_dim;
    let out = backend.act(rows.len(), out_width)?;
    let list = backend.words(&rows)?;
    let tokens = GROUP_TOKENS.min(GROUP_ROWS / (shape.heads / shape.kv_heads));
    let groups = groups(&rows, &step.spans, tokens);
    let element = [4, 2, 1][layer.stored as usize];
    let tile = TILE * ((shape.qk_dim + shape.v_dim) * element + 2 * PAD_BYTES + 8);
    let mut done = 0;
    while done < groups.len() {
        // At least one group; more while their partial results fit.
        let first = groups[done].start;
        let mut splits = 0;
        let mut end = done;
        while let Some(group) = groups.get(end) {
            let more = splits.max((step.positions[rows[group.end - 1] as usize] as usize + 1).div_ceil(SPLIT));
            if end > done && (group.end - first) * shape.heads * more * shape.v_dim * 4 > SCRATCH_BYTES {
                break;
            }
            (splits, end) = (more, end + 1);
        }
        let slab = &groups[done..end];
        let count = slab[slab.len() - 1].end - first;
        let words: Vec<u32> =
            slab.iter().flat_map(|group| [(group.start - first) as u32, group.len() as u32]).collect();
        let words = backend.words(&words)?;
        let places = count * shape.heads * splits;
        let partial = backend.device.allocate(places * shape.v_dim * 4)?;
        let stats = backend.device.allocate(places * 8)?;
        let arguments = SplitArgs {
            attention: AttentionArgs {
                pass: step.pass,
                queries: list.address() + 4 * first as u64,
                sinks: weights.sinks.as_ref().map_or(0, |sinks| sinks.address()),
                out: out.address() + 4 * (first * out_width) as u64,
                heads: shape.heads as u32,
                scale: (1.0 / (shape.qk_dim as f64).sqrt()) as f32,
                ..arguments
            },
            groups: words.address(),
            partial: partial.address(),
            stats: stats.address(),
            splits: splits as u32,
            ..SplitArgs::default()
        };
        // SAFETY: the blocks of the spans hold all positions up to the rows' own; queries are rows of the pass; every (query, head, split)
        // has its own place.
        unsafe {
            backend.launch(AttnSplit(arguments), [splits, shape.kv_heads, slab.len()], 2 * tile)?;
            backend.launch(AttnMerge(arguments), [count, shape.heads, 1], 0)?;
        }
        done = end;
    }
    Ok(out)
}

/// Runs of at most `tokens` queries (as places in `rows`, which ascend) that lie in one span.
fn groups(rows: &[u32], spans: &[Range<usize>], tokens: usize) -> Vec<Range<usize>> {
    let mut groups: Vec<Range<usize>> = Vec::new();
    let mut span = 0;
    let mut span_of_last = usize::MAX;
    for (index, &row) in rows.iter().enumerate() {
        while spans.get(span).is_some_and(|range| row as usize >= range.end) {
            span += 1;
        }
        match groups.last_mut() {
            Some(group) if span == span_of_last && group.len() < tokens => group.end += 1,
            _ => groups.push(index..index + 1),
        }
        span_of_last = span;
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::groups;

    #[test]
    fn groups_stay_in_their_span_and_below_their_size() {
        let spans = [0..6, 6..7, 7..12];
        assert_eq!(groups(&[0, 1, 2, 3, 4, 5, 6, 8, 11], &spans, 4), [0..4, 4..6, 6..7, 7..9]);
        assert!(groups(&[], &spans, 4).is_empty());
    }
}
