// Tensors as they lie in a checkpoint: element types, shared bytes, and linears with their FP8 scales.
// Nothing here reads files (safetensors.rs, checkpoint.rs) or computes with values.

use std::ops::Deref;
use std::ops::Range;
use std::sync::Arc;

use memmap2::Mmap;

/// Element type of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    F32,
    Bf16,
    F16,
    F8E4M3,
    F8E5M2,
    F64,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Dtype {
    pub(crate) const ALL_NAMES: &str =
        "F32, BF16, F16, F8_E4M3, F8_E5M2, F64, I64, I32, I16, I8, U64, U32, U16, U8, BOOL";

    /// The name in a safetensors header.
    pub fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "F32",
            Dtype::Bf16 => "BF16",
            Dtype::F16 => "F16",
            Dtype::F8E4M3 => "F8_E4M3",
            Dtype::F8E5M2 => "F8_E5M2",
            Dtype::F64 => "F64",
            Dtype::I64 => "I64",
            Dtype::I32 => "I32",
            Dtype::I16 => "I16",
            Dtype::I8 => "I8",
            Dtype::U64 => "U64",
            Dtype::U32 => "U32",
            Dtype::U16 => "U16",
            Dtype::U8 => "U8",
            Dtype::Bool => "BOOL",
        }
    }

    pub fn from_name(name: &str) -> Option<Dtype> {
        Some(match name {
            "F32" => Dtype::F32,
            "BF16" => Dtype::Bf16,
            "F16" => Dtype::F16,
            "F8_E4M3" => Dtype::F8E4M3,
            "F8_E5M2" => Dtype::F8E5M2,
            "F64" => Dtype::F64,
            "I64" => Dtype::I64,
            "I32" => Dtype::I32,
            "I16" => Dtype::I16,
            "I8" => Dtype::I8,
            "U64" => Dtype::U64,
            "U32" => Dtype::U32,
            "U16" => Dtype::U16,
            "U8" => Dtype::U8,
            "BOOL" => Dtype::Bool,
            _ => return None,
        })
    }

    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            Dtype::F64 | Dtype::I64 | Dtype::U64 => 8,
            Dtype::F32 | Dtype::I32 | Dtype::U32 => 4,
            Dtype::Bf16 | Dtype::F16 | Dtype::I16 | Dtype::U16 => 2,
            Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::I8 | Dtype::U8 | Dtype::Bool => 1,
        }
    }
}

/// Bytes of a tensor: a range of a mapped file, or a buffer of their own. Cloning shares them; they stay valid as long as
/// any clone lives. Mapped bytes start where the file says, so no alignment may be assumed.
#[derive(Clone)]
pub struct SharedBytes {
    owner: Owner,
    range: Range<usize>,
}

#[derive(Clone)]
enum Owner {
    Mapped(Arc<Mmap>),
    Owned(Arc<[u8]>),
}

impl SharedBytes {
    /// `range` must lie inside the map.
    pub fn mapped(map: Arc<Mmap>, range: Range<usize>) -> SharedBytes {
        assert!(range.start <= range.end && range.end <= map.len(), "range inside the map");
        SharedBytes { owner: Owner::Mapped(map), range }
    }

    pub fn owned(bytes: Vec<u8>) -> SharedBytes {
        let range = 0..bytes.len();
        SharedBytes { owner: Owner::Owned(bytes.into()), range }
    }

    /// A part of these bytes, sharing them. `range` counts from this part's start and must lie inside it.
    pub fn slice(&self, range: Range<usize>) -> SharedBytes {
        assert!(range.start <= range.end && range.end <= self.range.len(), "range inside the bytes");
        let start = self.range.start;
        SharedBytes { owner: self.owner.clone(), range: start + range.start..start + range.end }
    }
}

impl Deref for SharedBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match &self.owner {
            Owner::Mapped(map) => &map[self.range.clone()],
            Owner::Owned(bytes) => &bytes[self.range.clone()],
        }
    }
}

impl std::fmt::Debug for SharedBytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SharedBytes({} bytes)", self.len())
    }
}

/// A stored tensor, row-major, little-endian.
#[derive(Clone, Debug)]
pub struct Tensor {
    pub name: String,
    pub dtype: Dtype,
    pub shape: Vec<usize>,
    pub bytes: SharedBytes,
}

/// A linear's weight [rows, cols] = [out, in], row-major: F32, BF16, or E4M3 with scales. Shapes are checked.
#[derive(Clone, Debug)]
pub struct Linear {
    pub name: String,
    pub rows: usize,
    pub cols: usize,
    pub dtype: Dtype,
    /// rows * cols elements, little-endian, no alignment promised.
    pub bytes: SharedBytes,
    /// Present exactly when `dtype` is `F8E4M3`.
    pub scales: Option<BlockScales>,
}

/// Scales of an E4M3 weight: `value(r, c) = e4m3(r, c) * values[row_index[r] * col_blocks + c / block_cols]`.
/// One form for every grid: plain blocks of rows, blocks that restart per KV head, rows scaled by another tensor's grid.
#[derive(Clone, Debug)]
pub struct BlockScales {
    /// Columns that share a scale, 128 in known checkpoints; the last block may be short.
    pub block_cols: usize,
    pub col_blocks: usize,
    /// [rows] of the weight: which row of `values` holds. Runs of equal entries are block rows.
    pub row_index: Arc<[u32]>,
    /// [grid rows, col_blocks]
    pub values: Arc<[f32]>,
}

impl BlockScales {
    /// The scales of weight row `row`, one per block of columns.
    pub fn row(&self, row: usize) -> &[f32] {
        let start = self.row_index[row] as usize * self.col_blocks;
        &self.values[start..start + self.col_blocks]
    }
}
