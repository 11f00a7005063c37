// attn_window: attention over the last `window_keys` positions, the query's own included. Earlier positions of a span come from its window's ring
// (position p at slot p % ring), the span's own from the fresh rows as they will be stored; then the last `ring` positions are written.
// q [rows, heads, qk_dim] -> [queries, heads * v_dim]

use mimokit_model::backend::Qkv;
use mimokit_model::kv::KvDtype;
use mimokit_model::pass::{Pass, Span};
use mimokit_model::weights::AttentionWeights;

use crate::Reference;
use crate::attention::{Keys, attend};
use crate::kv::{Pools, Slots, stored};
use crate::rows::Rows;

struct WindowKeys<'k> {
    slots: &'k Slots,
    ring: usize,
    span: &'k Span,
    fresh_k: &'k Rows,
    fresh_v: &'k Rows,
    qk_dim: usize,
    v_dim: usize,
    /// First position seen.
    first: usize,
    count: usize,
}

impl WindowKeys<'_> {
    /// The fresh row of a position, or its slot in the ring.
    fn place(&self, index: usize) -> Result<usize, usize> {
        let position = self.first + index;
        match position.checked_sub(self.span.start as usize) {
            Some(offset) => Ok(self.span.rows.start + offset),
            None => Err(self.span.window as usize * self.ring + position % self.ring),
        }
    }
}

impl Keys for WindowKeys<'_> {
    fn len(&self) -> usize {
        self.count
    }
    fn key(&self, index: usize, head: usize) -> &[f32] {
        match self.place(index) {
            Ok(row) => &self.fresh_k.row(row)[head * self.qk_dim..(head + 1) * self.qk_dim],
            Err(slot) => self.slots.key(slot, head),
        }
    }
    fn value(&self, index: usize, head: usize) -> &[f32] {
        match self.place(index) {
            Ok(row) => &self.fresh_v.row(row)[head * self.v_dim..(head + 1) * self.v_dim],
            Err(slot) => self.slots.value(slot, head),
        }
    }
}

pub fn attn_window(
    pass: &Pass,
    qkv: &Qkv<Reference>,
    weights: &AttentionWeights<Reference>,
    kv: &mut Pools,
    layer: usize,
    queries: &[u32],
    dtype: KvDtype,
) -> Rows {
    let shape = &weights.shape;
    let window_keys = shape.window_keys.expect("a sliding layer has a window");
    let ring = kv.layout.ring;
    let fresh_k = qkv.k.map(qkv.k.width, |row| stored(row, shape.qk_dim, dtype));
    let fresh_v = qkv.v.map(qkv.v.width, |row| stored(row, shape.v_dim, dtype));
    let slots = &mut kv.rings[layer];
    let mut out = Vec::new();
    for &row in queries {
        let row = row as usize;
        let span = pass.spans.iter().find(|span| span.rows.contains(&row)).expect("every row has a span");
        let end = pass.positions[row] as usize + 1;
        let first = end.saturating_sub(window_keys);
        let keys = WindowKeys {
            slots,
            ring,
            span,
            fresh_k: &fresh_k,
            fresh_v: &fresh_v,
            qk_dim: shape.qk_dim,
            v_dim: shape.v_dim,
            first,
            count: end - first,
        };
        out.extend(attend(qkv.q.row(row), shape, weights.sinks.as_deref(), &keys));
    }
    for span in &pass.spans {
        let rows = span.rows.end.saturating_sub(ring).max(span.rows.start)..span.rows.end;
        for row in rows {
            let slot = span.window as usize * ring + pass.positions[row] as usize % ring;
            slots.write(slot, qkv.k.row(row), qkv.v.row(row), dtype);
        }
    }
    Rows { width: shape.heads * shape.v_dim, values: out }
}
