//! Sixteen f32 lanes on every machine, and the choice of instructions at run time.
//!
//! All kernels are written once, over `trait Simd`, and instantiated per level. A level is only faster, never different:
//! products are fused multiply-adds everywhere, sums run over sixteen interleaved lanes and end in one fixed tree, so scalar,
//! AVX2, AVX-512 and NEON give the same bits. What is not here: any kernel.

mod math;
mod registers;
mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

use std::sync::OnceLock;

pub(crate) use math::{exp, sigmoid_one, silu};
pub(crate) use registers::Registers;

/// How many lanes a vector has, on every level.
pub(crate) const LANES: usize = 16;

/// `Simd::e4m3` gives the value times 2^-120: one shift and one mask instead of a table. Exact, subnormals included.
pub(crate) const E4M3_LIFT: f32 = f32::from_bits((127 + 60) << 23);

/// An instruction set. The order is "wider is larger".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust; any processor.
    Scalar,
    /// aarch64.
    Neon,
    /// AVX2 and FMA.
    Avx2,
    /// AVX-512 F, BW, DQ and VL.
    Avx512,
}

impl Level {
    /// The best level of this processor, found once.
    pub fn detected() -> Level {
        static LEVEL: OnceLock<Level> = OnceLock::new();
        *LEVEL
            .get_or_init(|| Level::all().into_iter().rev().find(|level| level.is_available()).unwrap_or(Level::Scalar))
    }

    /// Every level this processor can run, narrowest first; `Scalar` is always there.
    pub fn available() -> Vec<Level> {
        Level::all().into_iter().filter(|level| level.is_available()).collect()
    }

    /// The name used in reports and options.
    pub fn name(self) -> &'static str {
        match self {
            Level::Scalar => "scalar",
            Level::Neon => "neon",
            Level::Avx2 => "avx2",
            Level::Avx512 => "avx512",
        }
    }

    /// True when this processor (and its operating system) can run the level.
    pub fn is_available(self) -> bool {
        match self {
            Level::Scalar => true,
            #[cfg(target_arch = "aarch64")]
            Level::Neon => true,
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => {
                Level::Avx2.is_available()
                    && is_x86_feature_detected!("avx512f")
                    && is_x86_feature_detected!("avx512bw")
                    && is_x86_feature_detected!("avx512dq")
                    && is_x86_feature_detected!("avx512vl")
            }
            #[allow(unreachable_patterns, reason = "which levels are left depends on the target")]
            _ => false,
        }
    }

    fn all() -> [Level; 4] {
        [Level::Scalar, Level::Neon, Level::Avx2, Level::Avx512]
    }
}

/// Sixteen f32 lanes of one instruction set. A value of an implementing type is the proof that the processor has it.
pub(crate) trait Simd: Registers {
    type V: Copy;
    /// Vector registers of the instruction set, counted in sixteen lanes: how large a tile may be.
    const REGISTERS: usize;
    fn splat(self, x: f32) -> Self::V;
    fn load(self, x: &[f32; LANES]) -> Self::V;
    /// Little-endian f32 from any address.
    fn f32(self, x: &[u8; 64]) -> Self::V;
    fn bf16(self, x: &[u8; 32]) -> Self::V;
    /// E4M3 times 2^-120; the two NaN codes come out as ±480 times 2^-120.
    fn e4m3(self, x: &[u8; 16]) -> Self::V;
    /// Sixty-four E4M3 as `e4m3` gives them, four neighbours in one lane: vector i has byte 4 l + i in lane l. Costs less than
    /// bytes in order on every instruction set.
    fn e4m3_fours(self, x: &[u8; 64]) -> [Self::V; 4];
    /// Thirty-two BF16, two neighbours in one lane: vector i has number 2 l + i in lane l.
    fn bf16_pairs(self, x: &[u8; 64]) -> [Self::V; 2];
    fn store(self, v: Self::V, to: &mut [f32; LANES]);
    /// `a * b + c`, rounded once.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger; `b` where `b` is NaN.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller; `b` where `b` is NaN.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// 2^n for lanes holding `1.5 * 2^23 + n`, n in -126..=127.
    fn pow2(self, magic: Self::V) -> Self::V;
    /// The fixed tree: lanes 8 apart, then 4, 2, 1.
    fn sum(self, v: Self::V) -> f32;
    /// Lane i: the `sum` of vector i.
    #[inline(always)]
    fn sums(self, vectors: [Self::V; LANES]) -> Self::V {
        let mut sums = [0.0; LANES];
        for (sum, vector) in sums.iter_mut().zip(vectors) {
            *sum = self.sum(vector);
        }
        self.load(&sums)
    }
    /// Asks for the cache line at `address`, which need not be valid.
    fn prefetch(self, address: *const u8);
    /// As `prefetch`, only as near as the second-level cache.
    fn prefetch_far(self, address: *const u8);

    #[inline(always)]
    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// A kernel body, written once for all levels. `run` must be `#[inline(always)]`, or the instructions of the level are not used.
pub(crate) trait Kernel {
    type Output;
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Runs a kernel with the instructions of `level`, which must be available.
#[inline]
pub(crate) fn dispatch<K: Kernel>(level: Level, kernel: K) -> K::Output {
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: a Level reaches here through CpuOptions, which refuses levels that are not available.
        Level::Avx512 => unsafe { avx512::run(kernel) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        Level::Avx2 => unsafe { avx2::run(kernel) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => kernel.run(neon::Neon::new()),
        _ => kernel.run(scalar::Scalar),
    }
}

#[cfg(test)]
mod tests;
