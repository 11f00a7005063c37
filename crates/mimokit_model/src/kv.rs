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
    /// One count given; the other is made from the default bytes.
    Blocks(usize),
    Windows(usize),
}

impl Default for PoolSizes {
    fn default() -> PoolSizes {
        PoolSizes::Bytes(DEFAULT_BYTES)
    }
}

const DEFAULT_BYTES: u64 = 512 << 20;
/// Most windows made from a byte budget: more sequences at once than a CPU serves well.
const MAX_WINDOWS: u64 = 64;
const MAX_COUNT: usize = 1 << 24;

impl PoolSizes {
    /// Blocks and windows for `layout`, whose own counts are not read.
    ///
    /// # Errors
    /// `kv-too-small` when the bytes do not hold a window and a block; `invalid-argument` for counts of zero or absurd ones.
    pub fn plan(&self, layout: &KvLayout, dtype: KvDtype, context_length: usize) -> Result<(usize, usize)> {
        let (budget, blocks, windows) = match *self {
            PoolSizes::Bytes(bytes) => (bytes, None, None),
            PoolSizes::Exact { blocks, windows } => (DEFAULT_BYTES, Some(blocks), Some(windows)),
            PoolSizes::Blocks(blocks) => (DEFAULT_BYTES, Some(blocks), None),
            PoolSizes::Windows(windows) => (DEFAULT_BYTES, None, Some(windows)),
        };
        for (name, count) in [("blocks", blocks), ("windows", windows)] {
            if let Some(count) = count.filter(|count| !(1..=MAX_COUNT).contains(count)) {
                return Err(Error::Argument(format!("{name} is {count}; it must lie in [1, {MAX_COUNT}].")));
            }
        }
        let window_bytes = (layout.window_bytes(dtype) as u64).max(1);
        let block_bytes = (layout.block_bytes(dtype) as u64).max(1);
        let windows = windows.map_or((budget / 4 / window_bytes).clamp(1, MAX_WINDOWS), |windows| windows as u64);
        let blocks = blocks.map_or_else(
            || {
                let left = budget.saturating_sub(windows.saturating_mul(window_bytes));
                // More blocks than all windows could fill at full context would never be used.
                let useful = windows * context_length.div_ceil(layout.block_tokens) as u64;
                (left / block_bytes).min(useful).min(MAX_COUNT as u64)
            },
            |blocks| blocks as u64,
        );
        if blocks == 0 {
            let problem = format!(
                "{budget} bytes of KV hold no sequence: a window takes {window_bytes} bytes and a block {block_bytes}, for {windows} windows."
            );
            return Err(Error::KvTooSmall { problem });
        }
        Ok((blocks as usize, windows as usize))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layout() -> KvLayout {
        let shape = KvShape { kv_heads: 2, qk_dim: 6, v_dim: 4 };
        KvLayout {
            block_tokens: 16,
            blocks: 0,
            windows: 0,
            global: vec![shape; 3],
            rings: vec![shape; 5],
            ring: 10,
            kept_hidden: 2,
            hidden: 8,
        }
    }

    #[test]
    fn bytes_of_a_block_and_a_window_follow_from_the_layout() {
        assert_eq!(layout().block_bytes(KvDtype::F32), 16 * 3 * 2 * (6 + 4) * 4);
        assert_eq!(layout().window_bytes(KvDtype::Bf16), 10 * 5 * 2 * (6 + 4) * 2 + 2 * 8 * 4);
        assert_eq!(layout().block_bytes(KvDtype::Fp8), 16 * 3 * 2 * (6 + 4 + 4 + 4));
    }

    #[test]
    fn a_budget_is_kept_and_never_exceeds_what_can_be_used() {
        let (blocks, windows) = PoolSizes::Bytes(1 << 20).plan(&layout(), KvDtype::F32, 1 << 20).expect("fits");
        let bytes = blocks * layout().block_bytes(KvDtype::F32) + windows * layout().window_bytes(KvDtype::F32);
        assert!(bytes <= 1 << 20 && bytes > (1 << 20) - layout().block_bytes(KvDtype::F32), "{bytes}");
        assert_eq!(PoolSizes::Bytes(1 << 40).plan(&layout(), KvDtype::F32, 64).expect("fits"), (64 * 4, 64));
    }

    #[test]
    fn a_budget_without_room_and_counts_of_zero_are_refused() {
        let code = |sizes: PoolSizes| sizes.plan(&layout(), KvDtype::F32, 64).expect_err("refused").code();
        assert_eq!(code(PoolSizes::Bytes(1000)), "kv-too-small");
        assert_eq!(code(PoolSizes::Exact { blocks: 0, windows: 1 }), "invalid-argument");
        assert_eq!(code(PoolSizes::Windows(0)), "invalid-argument");
    }
}
