// Pools of keys and values as plain arrays, values rounded to the storage type when written.

use mimokit_model::kv::{KvDtype, KvLayout, KvShape};

use crate::fp8::round_groups;
use crate::linear::round_to_bf16;

/// Keys and values of one layer: slot s holds `kv_heads` vectors of each.
pub struct Slots {
    shape: KvShape,
    keys: Vec<f32>,
    values: Vec<f32>,
}

impl Slots {
    fn new(shape: KvShape, slots: usize) -> Slots {
        // NaN shows at once when something reads what nobody wrote.
        let filled = |dim: usize| vec![f32::NAN; slots * shape.kv_heads * dim];
        Slots { shape, keys: filled(shape.qk_dim), values: filled(shape.v_dim) }
    }

    pub fn write(&mut self, slot: usize, k: &[f32], v: &[f32], dtype: KvDtype) {
        let (k_width, v_width) = self.widths();
        self.keys[slot * k_width..(slot + 1) * k_width].copy_from_slice(&stored(k, self.shape.qk_dim, dtype));
        self.values[slot * v_width..(slot + 1) * v_width].copy_from_slice(&stored(v, self.shape.v_dim, dtype));
    }

    pub fn key(&self, slot: usize, head: usize) -> &[f32] {
        let dim = self.shape.qk_dim;
        let start = (slot * self.shape.kv_heads + head) * dim;
        &self.keys[start..start + dim]
    }

    pub fn value(&self, slot: usize, head: usize) -> &[f32] {
        let dim = self.shape.v_dim;
        let start = (slot * self.shape.kv_heads + head) * dim;
        &self.values[start..start + dim]
    }

    fn widths(&self) -> (usize, usize) {
        (self.shape.kv_heads * self.shape.qk_dim, self.shape.kv_heads * self.shape.v_dim)
    }

    pub fn copy(&mut self, from: usize, to: usize, slots: usize) {
        let (k_width, v_width) = self.widths();
        self.keys.copy_within(from * k_width..(from + slots) * k_width, to * k_width);
        self.values.copy_within(from * v_width..(from + slots) * v_width, to * v_width);
    }
}

/// What the storage type makes of the vectors of all heads.
pub fn stored(vectors: &[f32], dim: usize, dtype: KvDtype) -> Vec<f32> {
    match dtype {
        KvDtype::F32 => vectors.to_vec(),
        KvDtype::Bf16 => vectors.iter().map(|value| round_to_bf16(*value)).collect(),
        KvDtype::Fp8 => round_groups(vectors, dim),
    }
}

pub struct Pools {
    pub layout: KvLayout,
    /// Per global layer; slot = block * block_tokens + position % block_tokens.
    pub global: Vec<Slots>,
    /// Per ring; slot = window * ring + position % ring.
    pub rings: Vec<Slots>,
    /// [windows * kept_hidden, hidden]
    pub hidden: Vec<f32>,
}

impl Pools {
    pub fn new(layout: &KvLayout) -> Pools {
        Pools {
            global: layout.global.iter().map(|shape| Slots::new(*shape, layout.blocks * layout.block_tokens)).collect(),
            rings: layout.rings.iter().map(|shape| Slots::new(*shape, layout.windows * layout.ring)).collect(),
            hidden: vec![f32::NAN; layout.windows * layout.kept_hidden * layout.hidden],
            layout: layout.clone(),
        }
    }

    /// Start of a kept hidden row.
    pub fn hidden_start(&self, window: u32, slot: u32) -> usize {
        (window as usize * self.layout.kept_hidden + slot as usize) * self.layout.hidden
    }
}
