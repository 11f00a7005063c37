//! The arguments of every kernel, field by field as in kernels/device/arguments.cuh (shapes and meanings are there), and the kernels'
//! names, files and block sizes.

/// An address on the device; 0 is a missing part.
pub type Address = u64;

/// Where a kernel is and how many threads its blocks have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel {
    /// File below kernels/, without ending.
    pub file: &'static str,
    pub name: &'static str,
    pub threads: u32,
}

/// A struct that a kernel takes by value.
///
/// # Safety
/// `repr(C)`, and the same fields as the kernel's struct in C++.
pub unsafe trait Arguments: Copy {
    const KERNEL: Kernel;
}

/// `Stored` of kernels/device/numbers.cuh.
pub const F32: i32 = 0;
pub const BF16: i32 = 1;
pub const E4M3: i32 = 2;

/// `struct Matrix` of kernels/device/matrix.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Matrix {
    pub values: Address,
    pub scales: Address,
    pub row_index: Address,
    pub rows: u32,
    pub cols: u32,
    pub col_blocks: u32,
    pub block_cols: u32,
    pub stored: i32,
    pub reserved: u32,
}

/// `struct TensorMap` of kernels/device/arguments.cuh.
#[repr(C, align(64))]
#[derive(Clone, Copy, Debug, Default)]
pub struct TensorMap(pub [u64; 16]);

/// `struct Fp8Part` of kernels/device/arguments.cuh.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct Fp8Part {
    pub weight: Matrix,
    pub y: Address,
    pub bias: Address,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct KvLayer {
    pub base: Address,
    pub stride: u64,
    pub layer_start: u64,
    pub key_scales: u64,
    pub values: u64,
    pub value_scales: u64,
    pub slots: u32,
    pub kv_heads: u32,
    pub qk_dim: u32,
    pub v_dim: u32,
    pub stored: i32,
    pub reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct PassRows {
    pub positions: Address,
    pub windows: Address,
    pub span_row: Address,
    pub span_start: Address,
    pub rows_after: Address,
    pub first_block: Address,
    pub blocks: Address,
}

#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub struct LinearPart {
    pub weight: Matrix,
    pub x: Address,
    pub bias: Address,
    pub y: Address,
}

macro_rules! arguments {
    ($($name:ident: $($kernel:ident in $file:literal of $threads:literal as $alias:ident),+ { $($field:ident: $type:ty),+ $(,)? })+) => {
        $(
            #[repr(C)]
            #[derive(Clone, Copy, Debug, Default)]
            pub struct $name {
                $(pub $field: $type,)+
            }

            $(
                /// The arguments, for this kernel.
                #[repr(transparent)]
                #[derive(Clone, Copy, Debug)]
                pub struct $alias(pub $name);

                // SAFETY: transparent over a repr(C) struct that mirrors the kernel's.
                unsafe impl Arguments for $alias {
                    const KERNEL: Kernel = Kernel { file: $file, name: stringify!($kernel), threads: $threads };
                }
            )+
        )+

        /// Every kernel of this crate.
        pub const KERNELS: &[Kernel] = &[$($(<$alias as Arguments>::KERNEL),+),+];
    };
}

arguments! {
    EmbedArgs: embed in "embed" of 256 as Embed { table: Matrix, ids: Address, out: Address }

    RmsNormArgs: rms_norm in "norm" of 256 as RmsNorm {
        x: Address, rows: Address, weight: Address, out: Address, width: u32, eps: f32,
    }

    QuantiseArgs: quantise in "norm" of 32 as Quantise { x: Address, out: Address, width: u32, reserved: u32 }

    LinearArgs: linear in "linear" of 128 as Linear {
        weight: Matrix, x: Address, bias: Address, y: Address, rows: u32, adds: u32,
    }

    LinearFewArgs:
        linear_few in "linear_few" of 256 as LinearFew,
        linear_one in "linear_few" of 256 as LinearOne {
        parts: [LinearPart; 3], count: u32, rows: u32, adds: u32, reserved: u32,
    }

    RopeArgs: rope in "qkv_rope" of 256 as Rope {
        q: Address, k: Address, v: Address, cosines: Address, sines: Address,
        heads: u32, kv_heads: u32, qk_dim: u32, v_dim: u32, rotary: u32, value_scale: f32,
    }

    KvWriteArgs: kv_write in "kv" of 32 as KvWrite {
        layer: KvLayer, pass: PassRows, k: Address, v: Address, kind: u32, reserved: u32,
    }

    KvRoundArgs: kv_round in "kv" of 32 as KvRound {
        k: Address, v: Address, rounded_k: Address, rounded_v: Address,
        kv_heads: u32, qk_dim: u32, v_dim: u32, stored: i32,
    }

    AttentionArgs:
        attn_global in "attn_global" of 128 as AttnGlobal,
        attn_window in "attn_window" of 128 as AttnWindow {
        layer: KvLayer, pass: PassRows, queries: Address, q: Address, fresh_k: Address, fresh_v: Address,
        sinks: Address, out: Address, heads: u32, window_keys: u32, scale: f32, reserved: u32,
    }

    SplitArgs:
        attn_split in "attn_split" of 128 as AttnSplit,
        attn_merge in "attn_split" of 128 as AttnMerge {
        attention: AttentionArgs, groups: Address, partial: Address, stats: Address, splits: u32, reserved: u32,
    }

    RowsArgs:
        attn_rows in "attn_rows" of 256 as AttnRows,
        attn_band in "attn_rows" of 128 as AttnBand {
        attention: AttentionArgs, fresh: KvLayer, groups: Address,
    }

    RouterArgs: router in "router" of 32 as Router {
        logits: Address, bias: Address, ids: Address, weights: Address,
        experts: u32, top_k: u32, normalise: u32, scale: f32,
    }

    ExpertsArgs:
        expert_gate_up in "moe" of 128 as ExpertGateUp,
        expert_down in "moe" of 128 as ExpertDown {
        matrices: Address, ids: Address, weights: Address, n: Address, inner: Address, x: Address,
        rows: u32, hidden: u32, width: u32, top_k: u32,
    }

    GroupsArgs: expert_groups in "experts_few" of 256 as ExpertGroups {
        ids: Address, groups: Address, order: Address, count: Address, experts: u32, pairs: u32,
    }

    ExpertsFewArgs:
        gate_up_few in "experts_few" of 256 as GateUpFew,
        gate_up_one in "experts_few" of 256 as GateUpOne,
        down_few in "experts_few" of 256 as DownFew,
        down_one in "experts_few" of 256 as DownOne,
        expert_mix in "experts_few" of 256 as ExpertMix {
        matrices: Address, groups: Address, order: Address, count: Address, ids: Address, weights: Address,
        n: Address, inner: Address, down: Address, x: Address, pairs: u32, hidden: u32, width: u32, top_k: u32,
    }

    JoinArgs: join_rows in "mtp_join" of 256 as JoinRows {
        table: Matrix, ids: Address, fresh: Address, kept: Address, sources: Address,
        embedding_norm: Address, hidden_norm: Address, out: Address, width: u32, eps: f32,
    }

    MoveRowsArgs: move_rows in "rows" of 256 as MoveRows {
        x: Address, rows: Address, targets: Address, out: Address, width: u32, reserved: u32,
    }

    ReadProbeArgs: read_probe in "probe" of 256 as ReadProbe { from: Address, sums: Address, loads: u64 }

    QuantiseRowsArgs: quantise_rows in "quantise" of 256 as QuantiseRows {
        x: Address, places: Address, quantised: Address, scales: Address,
        width: u32, copies: u32, scale_stride: u32, reserved: u32,
    }

    PlacesArgs:
        place_counts in "places" of 256 as PlaceCounts,
        place_pairs in "places" of 256 as PlacePairs {
        ids: Address, counts: Address, order: Address, places: Address, tiles: Address, tile_count: Address,
        experts: u32, pairs: u32, tile_rows: u32, reserved: u32,
    }

    Fp8Args:
        fp8_mma_16 in "fp8_mma" of 256 as Fp8Mma16,
        fp8_mma_64 in "fp8_mma" of 256 as Fp8Mma64,
        fp8_wgmma_16 in "hopper/fp8_wgmma" of 384 as Fp8Wgmma16,
        fp8_wgmma_64 in "hopper/fp8_wgmma" of 384 as Fp8Wgmma64,
        fp8_wgmma_128 in "hopper/fp8_wgmma" of 384 as Fp8Wgmma128 {
        maps: [TensorMap; 3], inputs: TensorMap, parts: [Fp8Part; 3], matrices: Address, tiles: Address,
        tile_count: Address, order: Address, quantised: Address, scales: Address,
        mode: u32, count: u32, rows: u32, cols: u32, scale_stride: u32, adds: u32,
    }

    ArgmaxArgs: argmax in "pick" of 256 as Argmax { logits: Address, best: Address, vocab: u32, pickable: u32 }
}
