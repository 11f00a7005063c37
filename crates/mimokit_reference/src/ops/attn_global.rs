// attn_global: causal attention over blocks. Writes k and v of all rows, then each query attends to positions 0 ..= its own.
// q [rows, heads, qk_dim] -> [queries, heads * v_dim]

use mimokit_model::backend::Qkv;
use mimokit_model::kv::KvDtype;
use mimokit_model::pass::Pass;
use mimokit_model::weights::AttentionWeights;

use crate::Reference;
use crate::attention::{Keys, attend};
use crate::kv::{Pools, Slots};
use crate::rows::Rows;

struct BlockKeys<'k> {
    slots: &'k Slots,
    blocks: &'k [u32],
    block_tokens: usize,
    count: usize,
}

fn slot(blocks: &[u32], block_tokens: usize, position: usize) -> usize {
    blocks[position / block_tokens] as usize * block_tokens + position % block_tokens
}

impl Keys for BlockKeys<'_> {
    fn len(&self) -> usize {
        self.count
    }
    fn key(&self, index: usize, head: usize) -> &[f32] {
        self.slots.key(slot(self.blocks, self.block_tokens, index), head)
    }
    fn value(&self, index: usize, head: usize) -> &[f32] {
        self.slots.value(slot(self.blocks, self.block_tokens, index), head)
    }
}

pub fn attn_global(
    pass: &Pass,
    qkv: &Qkv<Reference>,
    weights: &AttentionWeights<Reference>,
    kv: &mut Pools,
    layer: usize,
    queries: &[u32],
    dtype: KvDtype,
) -> Rows {
    let block_tokens = kv.layout.block_tokens;
    let slots = &mut kv.global[layer];
    for span in &pass.spans {
        let blocks = &pass.blocks[span.blocks.clone()];
        for row in span.rows.clone() {
            let at = slot(blocks, block_tokens, pass.positions[row] as usize);
            slots.write(at, qkv.k.row(row), qkv.v.row(row), dtype);
        }
    }
    let mut out = Vec::new();
    for &row in queries {
        let row = row as usize;
        let span = pass.spans.iter().find(|span| span.rows.contains(&row)).expect("every row has a span");
        let keys = BlockKeys {
            slots,
            blocks: &pass.blocks[span.blocks.clone()],
            block_tokens,
            count: pass.positions[row] as usize + 1,
        };
        out.extend(attend(qkv.q.row(row), &weights.shape, weights.sinks.as_deref(), &keys));
    }
    Rows { width: weights.shape.heads * weights.shape.v_dim, values: out }
}
