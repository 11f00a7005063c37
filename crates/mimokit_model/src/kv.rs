// What the pools of keys and values hold and how many bytes that takes. The storage itself is the backend's `Kv`.
// How large the pools are made.
//
// A block holds `block_tokens` positions of all global layers. A window holds, for one sequence, the rings of all sliding
// layers and MTP heads, and the last `kept_hidden` rows of the main model's hidden state (position p at slot p % kept_hidden).

use crate::error::{Error, Result};

/// Storage of keys and values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvDtype {
    F32,
    /// Rounded to nearest even.
    Bf16,
    /// E4M3 with one FP32 scale per position, head and tensor (k or v): max(amax, 1e-10) / 448, as activations.
    Fp8,
}

impl KvDtype {
    /// Bytes of one head's vector of `dim` values, scale included.
    pub fn vector_bytes(self, dim: usize) -> usize {
        match self {
            KvDtype::F32 => dim * 4,
            KvDtype::Bf16 => dim * 2,
            KvDtype::Fp8 => dim + 4,
        }
    }
}

/// Keys and values of one layer at one position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KvShape {
    pub kv_heads: usize,
    pub qk_dim: usize,
    pub v_dim: usize,
}

impl KvShape {
    pub fn bytes(&self, dtype: KvDtype) -> usize {
        self.kv_heads * (dtype.vector_bytes(self.qk_dim) + dtype.vector_bytes(self.v_dim))
    }
}

/// Sizes of the two pools.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KvLayout {
    pub block_tokens: usize,
    pub blocks: usize,
    pub windows: usize,
    /// Global layers in layer order.
    pub global: Vec<KvShape>,
    /// Sliding layers in layer order, then MTP heads.
    pub rings: Vec<KvShape>,
    /// Positions a ring holds.
    pub ring: usize,
    /// Hidden rows a window keeps: as many as there are MTP heads.
    pub kept_hidden: usize,
    pub hidden: usize,
}

impl KvLayout {
    pub fn block_bytes(&self, dtype: KvDtype) -> usize {
        self.block_tokens * self.global.iter().map(|shape| shape.bytes(dtype)).sum::<usize>()
    }

    pub fn window_bytes(&self, dtype: KvDtype) -> usize {
        self.ring * self.rings.iter().map(|shape| shape.bytes(dtype)).sum::<usize>()
            + self.kept_hidden * self.hidden * 4
    }
}

/// A copy made before rows write, or (saving a window) after all have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KvCopy {
    /// All rings and kept hidden rows.
    Window { from: u32, to: u32 },
    /// All positions of a block in all global layers.
    Block { from: u32, to: u32 },
}

/// How large the pools are to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolSizes {
    /// Bytes of both pools together. A quarter goes to windows, within limits; the rest to blocks.
    Bytes(u64),
    Exact {
        blocks: usize,
        windows: usize,
    },
}

impl Default for PoolSizes {
    fn default() -> PoolSizes {
        PoolSizes::Bytes(512 << 20)
    }
}

/// Most windows made from a byte budget: more sequences at once than a CPU serves well.
const MAX_WINDOWS: u64 = 64;
/// One runs, one is kept.
const MIN_WINDOWS: u64 = 2;

impl PoolSizes {
    /// Blocks and windows for `layout`, whose own counts are not read.
    ///
    /// # Errors
    /// `kv-too-small` when the bytes do not hold two windows and a block; `invalid-argument` for counts of zero or absurd ones.
    pub fn plan(&self, layout: &KvLayout, dtype: KvDtype, context_length: usize) -> Result<(usize, usize)> {
        let budget = match *self {
            PoolSizes::Exact { blocks, windows } => {
                if blocks == 0 || windows == 0 || blocks > 1 << 24 || windows > 1 << 16 {
                    return Err(Error::Argument(format!("{blocks} blocks and {windows} windows are out of range.")));
                }
                return Ok((blocks, windows));
            }
            PoolSizes::Bytes(bytes) => bytes,
        };
        let window_bytes = (layout.window_bytes(dtype) as u64).max(1);
        let block_bytes = (layout.block_bytes(dtype) as u64).max(1);
        let windows = (budget / 4 / window_bytes).clamp(MIN_WINDOWS, MAX_WINDOWS);
        let left = budget.saturating_sub(windows * window_bytes);
        // More blocks than all windows could fill at full context would never be used.
        let useful = windows * context_length.div_ceil(layout.block_tokens) as u64;
        let blocks = (left / block_bytes).min(useful).min(1 << 24);
        if blocks == 0 {
            let problem = format!(
                "{budget} bytes of KV hold no sequence: a window takes {window_bytes} bytes, a block {block_bytes}, and {windows} windows are needed."
            );
            return Err(Error::KvTooSmall { problem });
        }
        Ok((blocks as usize, windows as usize))
    }
}
