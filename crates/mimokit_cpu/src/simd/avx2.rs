//! AVX2 and FMA: sixteen lanes as two registers of eight.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Registers, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Avx2(());

type V = [__m256; 2];

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx2(()))
}

/// Wraps intrinsics that need the features which an `Avx2` value proves.
macro_rules! vex {
    ($($body:tt)*) => {
        // SAFETY: an Avx2 exists only inside `run`, whose caller has seen the features; loads and stores stay in their arrays,
        // or where a contract says.
        unsafe { $($body)* }
    };
}

/// The E4M3 in the uppermost byte of every lane.
///
/// # Safety
/// The processor has AVX2.
#[inline(always)]
unsafe fn e4m3_of_top(x: __m256i, mask: __m256i) -> __m256 {
    vex!(_mm256_castsi256_ps(_mm256_and_si256(_mm256_srai_epi32::<4>(x), mask)))
}

impl Simd for Avx2 {
    type V = V;
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        vex!([_mm256_set1_ps(x); 2])
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> V {
        vex!([_mm256_loadu_ps(x.as_ptr()), _mm256_loadu_ps(x.as_ptr().add(8))])
    }
    #[inline(always)]
    fn f32(self, x: &[u8; 64]) -> V {
        vex!([_mm256_loadu_ps(x.as_ptr().cast()), _mm256_loadu_ps(x.as_ptr().add(32).cast())])
    }
    #[inline(always)]
    fn bf16(self, x: &[u8; 32]) -> V {
        vex!({
            let low = _mm256_cvtepu16_epi32(_mm_loadu_si128(x.as_ptr().cast()));
            let high = _mm256_cvtepu16_epi32(_mm_loadu_si128(x.as_ptr().add(16).cast()));
            [_mm256_castsi256_ps(_mm256_slli_epi32::<16>(low)), _mm256_castsi256_ps(_mm256_slli_epi32::<16>(high))]
        })
    }
    #[inline(always)]
    fn e4m3(self, x: &[u8; 16]) -> V {
        vex!({
            let mask = _mm256_set1_epi32(0x87f0_0000_u32 as i32);
            let low = _mm256_cvtepi8_epi32(_mm_loadl_epi64(x.as_ptr().cast()));
            let high = _mm256_cvtepi8_epi32(_mm_loadl_epi64(x.as_ptr().add(8).cast()));
            [
                _mm256_castsi256_ps(_mm256_and_si256(_mm256_slli_epi32::<20>(low), mask)),
                _mm256_castsi256_ps(_mm256_and_si256(_mm256_slli_epi32::<20>(high), mask)),
            ]
        })
    }
    #[inline(always)]
    fn e4m3_fours(self, x: &[u8; 64]) -> [V; 4] {
        vex!({
            let mask = _mm256_set1_epi32(0x87f0_0000_u32 as i32);
            let halves = [_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(32).cast())];
            let mut vectors = [[_mm256_setzero_ps(); 2]; 4];
            for (i, half) in halves.into_iter().enumerate() {
                vectors[0][i] = e4m3_of_top(_mm256_slli_epi32::<24>(half), mask);
                vectors[1][i] = e4m3_of_top(_mm256_slli_epi32::<16>(half), mask);
                vectors[2][i] = e4m3_of_top(_mm256_slli_epi32::<8>(half), mask);
                vectors[3][i] = e4m3_of_top(half, mask);
            }
            vectors
        })
    }
    #[inline(always)]
    fn bf16_pairs(self, x: &[u8; 64]) -> [V; 2] {
        vex!({
            let upper = _mm256_set1_epi32(0xffff_0000_u32 as i32);
            let halves = [_mm256_loadu_si256(x.as_ptr().cast()), _mm256_loadu_si256(x.as_ptr().add(32).cast())];
            let mut vectors = [[_mm256_setzero_ps(); 2]; 2];
            for (i, half) in halves.into_iter().enumerate() {
                vectors[0][i] = _mm256_castsi256_ps(_mm256_slli_epi32::<16>(half));
                vectors[1][i] = _mm256_castsi256_ps(_mm256_and_si256(half, upper));
            }
            vectors
        })
    }
    #[inline(always)]
    fn store(self, v: V, to: &mut [f32; LANES]) {
        vex!({
            _mm256_storeu_ps(to.as_mut_ptr(), v[0]);
            _mm256_storeu_ps(to.as_mut_ptr().add(8), v[1]);
        })
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        vex!([_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])])
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        vex!([_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        vex!([_mm256_sub_ps(a[0], b[0]), _mm256_sub_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        vex!([_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        vex!([_mm256_div_ps(a[0], b[0]), _mm256_div_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        vex!([_mm256_max_ps(a[0], b[0]), _mm256_max_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        vex!([_mm256_min_ps(a[0], b[0]), _mm256_min_ps(a[1], b[1])])
    }
    #[inline(always)]
    fn pow2(self, magic: V) -> V {
        vex!({
            let one = _mm256_set1_epi32(0x3f80_0000);
            [
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32::<23>(_mm256_castps_si256(magic[0])), one)),
                _mm256_castsi256_ps(_mm256_add_epi32(_mm256_slli_epi32::<23>(_mm256_castps_si256(magic[1])), one)),
            ]
        })
    }
    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        vex!({
            let eight = _mm256_add_ps(v[0], v[1]);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn prefetch(self, address: *const u8) {
        vex!(_mm_prefetch::<_MM_HINT_T0>(address.cast()))
    }
    #[inline(always)]
    fn prefetch_far(self, address: *const u8) {
        vex!(_mm_prefetch::<_MM_HINT_T1>(address.cast()))
    }
}

impl Registers for Avx2 {
    type R = __m256;
    const WIDTH: usize = 8;

    #[inline(always)]
    fn reg_zero(self) -> Self::R {
        vex!(_mm256_setzero_ps())
    }
    #[inline(always)]
    unsafe fn reg_load(self, from: *const f32) -> Self::R {
        vex!(_mm256_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn reg_store(self, register: Self::R, to: *mut f32) {
        vex!(_mm256_storeu_ps(to, register))
    }
    #[inline(always)]
    fn reg_fma(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R {
        vex!(_mm256_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn reg_add(self, a: Self::R, b: Self::R) -> Self::R {
        vex!(_mm256_add_ps(a, b))
    }
}
