//! attn_window: sliding-window attention with a learned sink; keys before the span's start come from the ring of its window.
//!   p_t = exp(s_t - m) / (exp(sink - m) + sum_u exp(s_u - m)),   s_t = q . k_t / sqrt(qk_dim)
//! The sink is not scaled and has no value; the window counts the query itself. The cost of a query does not depend on its
//! position. Bound: the bytes of `window_keys` keys and values per row.
//! Source: MiMo-V2-Flash report, arXiv 2601.02780, eq. 1-4.

use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::kv::KvShape;
use mimokit_model::pass::Span;
use mimokit_model::weights::AttentionWeights;

use super::attn_global::{query_rows, span_of_rows};
use crate::attention::{Attend, Run, attend};
use crate::kv::HeadStore;
use crate::pool::Parts;
use crate::{Act, CpuBackend, Kv, Step};

/// Where a span's queries find their keys.
enum Source {
    /// The ring itself: old and fresh positions all fit.
    Ring,
    /// A chunk longer than the ring: the visible end of the ring and the fresh positions, copied side by side. Position p is in slot
    /// p - first.
    Copy { first: usize, store: HeadStore, bytes: Vec<u8> },
}

pub(crate) fn attn_window(
    backend: &CpuBackend,
    step: &Step,
    qkv: &Qkv<CpuBackend>,
    weights: &AttentionWeights<CpuBackend>,
    kv: &mut Kv,
    layer: usize,
    queries: Queries<'_>,
) -> Act {
    let shape = &weights.shape;
    let ring = kv.ring;
    let window_keys = shape.window_keys.unwrap_or(ring);
    let sources: Vec<Source> = step
        .pass
        .spans
        .iter()
        .map(|span| {
            let source = if span.rows.len() + window_keys - 1 <= ring {
                Source::Ring
            } else {
                side_by_side(qkv, weights, kv, layer, span, window_keys)
            };
            write_ring(qkv, weights, kv, layer, span);
            source
        })
        .collect();

    let rows = query_rows(queries, step.pass.rows());
    let spans = span_of_rows(&step.pass.spans, step.pass.rows());
    let group = shape.heads / shape.kv_heads;
    let mut out = Act::zeroed(rows.len(), shape.heads * shape.v_dim);
    let width = out.width;
    let parts = Parts::new(&mut out.values);
    let windows = &kv.windows;
    let cost = rows.len() * window_keys * shape.heads * (shape.qk_dim + shape.v_dim);
    backend.pool.run(rows.len() * shape.kv_heads, cost, &|task| {
        let (index, head) = (task / shape.kv_heads, task % shape.kv_heads);
        let row = rows[index] as usize;
        let position = step.pass.positions[row] as usize;
        let first = (position + 1).saturating_sub(window_keys);
        let count = position + 1 - first;
        let window = step.pass.spans[spans[row]].window;
        let (store, runs) = match &sources[spans[row]] {
            Source::Ring => {
                let bytes = windows.head(window, layer, head);
                let slot = first % ring;
                let before_wrap = count.min(ring - slot);
                let low = Run { store: bytes, first_slot: slot, count: before_wrap };
                let high = Run { store: bytes, first_slot: 0, count: count - before_wrap };
                (windows.store(layer), [low, high])
            }
            Source::Copy { first: base, store, bytes } => {
                let bytes = &bytes[head * store.bytes()..][..store.bytes()];
                let all = Run { store: bytes, first_slot: first - base, count };
                (*store, [all, Run { count: 0, ..all }])
            }
        };
        let runs = if runs[1].count == 0 { &runs[..1] } else { &runs[..] };
        let q = &qkv.q.row(row)[head * group * shape.qk_dim..][..group * shape.qk_dim];
        let sinks = weights.sinks.as_ref().map(|sinks| &sinks[head * group..(head + 1) * group]);
        // SAFETY: every task has its own heads of its own row.
        let out = unsafe { parts.part(index * width + head * group * shape.v_dim, group * shape.v_dim) };
        attend(backend.level, Attend { store, runs, q, sinks, out });
    });
    out
}

fn key_and_value<'a>(
    qkv: &'a Qkv<CpuBackend>,
    weights: &AttentionWeights<CpuBackend>,
    row: usize,
    head: usize,
) -> (&'a [f32], &'a [f32]) {
    let shape = &weights.shape;
    let key = &qkv.k.row(row)[head * shape.qk_dim..][..shape.qk_dim];
    let value = &qkv.v.row(row)[head * shape.v_dim..][..shape.v_dim];
    (key, value)
}

/// The last `ring` positions of the span, position p into slot p % ring.
fn write_ring(qkv: &Qkv<CpuBackend>, weights: &AttentionWeights<CpuBackend>, kv: &mut Kv, layer: usize, span: &Span) {
    let ring = kv.ring;
    let store = kv.windows.store(layer);
    let skipped = span.rows.len().saturating_sub(ring);
    for (index, row) in span.rows.clone().enumerate().skip(skipped) {
        let slot = (span.start as usize + index) % ring;
        for head in 0..weights.shape.kv_heads {
            let (key, value) = key_and_value(qkv, weights, row, head);
            let offset = kv.windows.offset(span.window, layer, head);
            store.write(&mut kv.windows.bytes[offset..offset + store.bytes()], slot, key, value);
        }
    }
}

fn side_by_side(
    qkv: &Qkv<CpuBackend>,
    weights: &AttentionWeights<CpuBackend>,
    kv: &Kv,
    layer: usize,
    span: &Span,
    window_keys: usize,
) -> Source {
    let shape = &weights.shape;
    let start = span.start as usize;
    let first = (start + 1).saturating_sub(window_keys);
    let old = start - first;
    let kv_shape = KvShape { kv_heads: shape.kv_heads, qk_dim: shape.qk_dim, v_dim: shape.v_dim };
    let ring_store = kv.windows.store(layer);
    let store = HeadStore::new(ring_store.dtype, kv_shape, old + span.rows.len());
    let mut bytes = vec![0; store.bytes() * shape.kv_heads];
    for (head, bytes) in bytes.chunks_exact_mut(store.bytes()).enumerate() {
        let ring = kv.windows.head(span.window, layer, head);
        for slot in 0..old {
            store.copy_slot(ring, &ring_store, (first + slot) % kv.ring, bytes, slot);
        }
        for (index, row) in span.rows.clone().enumerate() {
            let (key, value) = key_and_value(qkv, weights, row, head);
            store.write(bytes, old + index, key, value);
        }
    }
    Source::Copy { first, store, bytes }
}
