//! Global attention of few rows on the tensor cores: queries in groups that read keys and values once, positions in splits that run side by side.

use std::ops::Range;

use super::attn_rows::{group_words, tile_bytes};
use crate::arguments::{AttentionArgs, AttnMerge, AttnSplit, SplitArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::step::Step;

/// As in kernels/device/attention_mma.cuh.
const SPLIT: usize = 512;
/// Of partial results; bounds what many rows take at once.
const SCRATCH_BYTES: usize = 64 << 20;

/// Queries [queries, heads * v_dim] of `groups` over the blocks, which hold the pass's own keys and values already.
pub(super) fn attend_split<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    rows: &[u32],
    groups: &[Range<usize>],
    arguments: &AttentionArgs,
) -> Result<()> {
    let layer = &arguments.layer;
    let (heads, v_dim) = (arguments.heads as usize, layer.v_dim as usize);
    let mut done = 0;
    while done < groups.len() {
        // At least one group; more that follow one another while their partial results fit.
        let first = groups[done].start;
        let mut splits = 0;
        let mut end = done;
        while let Some(group) = groups.get(end) {
            let more = splits.max((step.positions[rows[group.end - 1] as usize] as usize + 1).div_ceil(SPLIT));
            let follows = end == done || group.start == groups[end - 1].end;
            if end > done && (!follows || (group.end - first) * heads * more * v_dim * 4 > SCRATCH_BYTES) {
                break;
            }
            (splits, end) = (more, end + 1);
        }
        let slab = &groups[done..end];
        let count = slab[slab.len() - 1].end - first;
        let words = step.list(&backend.device, group_words(slab, first))?;
        let places = count * heads * splits;
        let partial = backend.device.allocate(places * v_dim * 4)?;
        let stats = backend.device.allocate(places * 8)?;
        let arguments = SplitArgs {
            attention: AttentionArgs {
                queries: arguments.queries + 4 * first as u64,
                out: arguments.out + 4 * (first * heads * v_dim) as u64,
                ..*arguments
            },
            groups: words,
            partial: partial.address(),
            stats: stats.address(),
            splits: splits as u32,
            ..SplitArgs::default()
        };
        let shared = 2 * tile_bytes(layer);
        // SAFETY: the blocks of the spans hold all positions up to the rows' own; queries are rows of the pass; every (query, head, split)
        // has its own place.
        unsafe {
            backend.launch(AttnSplit(arguments), [splits, layer.kv_heads as usize, slab.len()], shared)?;
            backend.launch(AttnMerge(arguments), [count, heads, 1], 0)?;
        }
        done = end;
    }
    Ok(())
}
