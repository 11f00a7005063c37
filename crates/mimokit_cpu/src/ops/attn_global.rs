//! attn_global: writes keys and values of all rows into their blocks, then every query attends causally over positions
//! 0 ..= its own. Bound: the bytes of the keys and values it reads.

use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::pass::Span;
use mimokit_model::weights::AttentionWeights;

use crate::attention::{Attend, Run, attend};
use crate::pool::Parts;
use crate::{Act, CpuBackend, Kv, Step};

pub(crate) fn attn_global(
    backend: &CpuBackend,
    step: &Step,
    qkv: &Qkv<CpuBackend>,
    weights: &AttentionWeights<CpuBackend>,
    kv: &mut Kv,
    layer: usize,
    queries: Queries<'_>,
) -> Act {
    let shape = &weights.shape;
    let store = kv.blocks.store(layer);
    let block_tokens = kv.layout.block_tokens;
    let spans = span_of_rows(&step.pass.spans, step.pass.rows());
    let block_of = |row: usize, position: usize| {
        step.pass.blocks[step.pass.spans[spans[row]].blocks.start + position / block_tokens]
    };
    for row in 0..step.pass.rows() {
        let position = step.pass.positions[row] as usize;
        for head in 0..shape.kv_heads {
            let offset = kv.blocks.offset(block_of(row, position), layer, head);
            let key = &qkv.k.row(row)[head * shape.qk_dim..][..shape.qk_dim];
            let value = &qkv.v.row(row)[head * shape.v_dim..][..shape.v_dim];
            let bytes = &mut kv.blocks.bytes[offset..offset + store.bytes()];
            store.write(bytes, position % block_tokens, key, value);
        }
    }

    let rows = query_rows(queries, step.pass.rows());
    let group = shape.heads / shape.kv_heads;
    let mut out = Act::zeroed(rows.len(), shape.heads * shape.v_dim);
    let width = out.width;
    let parts = Parts::new(&mut out.values);
    let blocks = &kv.blocks;
    let keys: usize = rows.iter().map(|&row| step.pass.positions[row as usize] as usize + 1).sum();
    let cost = keys * shape.heads * (shape.qk_dim + shape.v_dim);
    backend.pool.run(rows.len() * shape.kv_heads, cost, &|task| {
        let (index, head) = (task / shape.kv_heads, task % shape.kv_heads);
        let row = rows[index] as usize;
        let visible = step.pass.positions[row] as usize + 1;
        let runs: Vec<Run<'_>> = (0..visible)
            .step_by(block_tokens)
            .map(|first| Run {
                store: blocks.head(block_of(row, first), layer, head),
                first_slot: 0,
                count: block_tokens.min(visible - first),
            })
            .collect();
        let q = &qkv.q.row(row)[head * group * shape.qk_dim..][..group * shape.qk_dim];
        let sinks = weights.sinks.as_ref().map(|sinks| &sinks[head * group..(head + 1) * group]);
        // SAFETY: every task has its own heads of its own row.
        let out = unsafe { parts.part(index * width + head * group * shape.v_dim, group * shape.v_dim) };
        attend(backend.level, Attend { store, runs: &runs, q, sinks, out });
    });
    out
}

/// The span each row lies in.
pub(crate) fn span_of_rows(spans: &[Span], rows: usize) -> Vec<usize> {
    let mut of_rows = vec![0; rows];
    for (index, span) in spans.iter().enumerate() {
        of_rows[span.rows.clone()].fill(index);
    }
    of_rows
}

pub(crate) fn query_rows(queries: Queries<'_>, rows: usize) -> Vec<u32> {
    match queries {
        Queries::All => (0..rows as u32).collect(),
        Queries::Rows(rows) => rows.to_vec(),
    }
}
