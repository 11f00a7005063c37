//! AVX-512 (F, BW, DQ, VL): sixteen lanes as one register.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Registers, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Avx512(());

type V = __m512;

/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512(()))
}

/// Wraps intrinsics that need the features which an `Avx512` value proves.
macro_rules! evex {
    ($($body:tt)*) => {
        // SAFETY: an Avx512 exists only inside `run`, whose caller has seen the features; loads and stores stay in their arrays
        // or where a contract says.
        unsafe { $($body)* }
    };
}

impl Simd for Avx512 {
    type V = V;
    const REGISTERS: usize = 32;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        evex!(_mm512_set1_ps(x))
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> V {
        evex!(_mm512_loadu_ps(x.as_ptr()))
    }
    #[inline(always)]
    fn f32(self, x: &[u8; 64]) -> V {
        evex!(_mm512_loadu_ps(x.as_ptr().cast()))
    }
    #[inline(always)]
    fn bf16(self, x: &[u8; 32]) -> V {
        evex!({
            let wide = _mm512_cvtepu16_epi32(_mm256_loadu_si256(x.as_ptr().cast()));
            _mm512_castsi512_ps(_mm512_slli_epi32::<16>(wide))
        })
    }
    #[inline(always)]
    fn e4m3(self, x: &[u8; 16]) -> V {
        evex!({
            let wide = _mm512_cvtepi8_epi32(_mm_loadu_si128(x.as_ptr().cast()));
            let mask = _mm512_set1_epi32(0x87f0_0000_u32 as i32);
            _mm512_castsi512_ps(_mm512_and_si512(_mm512_slli_epi32::<20>(wide), mask))
        })
    }
    #[inline(always)]
    fn e4m3_fours(self, x: &[u8; 64]) -> [V; 4] {
        evex!({
            // Two at a time in 16-bit lanes, which are the upper halves of what they become.
            let mask = _mm512_set1_epi16(0x87f0_u16 as i16);
            let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            let bytes = _mm512_loadu_si512(x.as_ptr().cast());
            let odd = _mm512_and_si512(_mm512_srai_epi16::<4>(bytes), mask);
            let even = _mm512_and_si512(_mm512_srai_epi16::<4>(_mm512_slli_epi16::<8>(bytes)), mask);
            [
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(even)),
                _mm512_castsi512_ps(_mm512_slli_epi32::<16>(odd)),
                _mm512_castsi512_ps(_mm512_and_si512(even, upper)),
                _mm512_castsi512_ps(_mm512_and_si512(odd, upper)),
            ]
        })
    }
    #[inline(always)]
    fn bf16_pairs(self, x: &[u8; 64]) -> [V; 2] {
        evex!({
            let pairs = _mm512_loadu_si512(x.as_ptr().cast());
            let upper = _mm512_set1_epi32(0xffff_0000_u32 as i32);
            [_mm512_castsi512_ps(_mm512_slli_epi32::<16>(pairs)), _mm512_castsi512_ps(_mm512_and_si512(pairs, upper))]
        })
    }
    #[inline(always)]
    fn store(self, v: V, to: &mut [f32; LANES]) {
        evex!(_mm512_storeu_ps(to.as_mut_ptr(), v))
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        evex!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        evex!(_mm512_add_ps(a, b))
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        evex!(_mm512_sub_ps(a, b))
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        evex!(_mm512_mul_ps(a, b))
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        evex!(_mm512_div_ps(a, b))
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        evex!(_mm512_max_ps(a, b))
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        evex!(_mm512_min_ps(a, b))
    }
    #[inline(always)]
    fn pow2(self, magic: V) -> V {
        evex!({
            let shifted = _mm512_slli_epi32::<23>(_mm512_castps_si512(magic));
            _mm512_castsi512_ps(_mm512_add_epi32(shifted, _mm512_set1_epi32(0x3f80_0000)))
        })
    }
    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        evex!({
            let eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps::<1>(v));
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
        })
    }
    #[inline(always)]
    fn sums(self, v: [V; LANES]) -> V {
        evex!({
            // Each step adds what `sum` adds there, of two vectors in one; the order of `v` is such that lane i ends as sum i.
            let mut eights = [_mm512_setzero_ps(); 8];
            for (i, eight) in eights.iter_mut().enumerate() {
                let (a, b) = (v[i % 2 * 8 + i / 2], v[i % 2 * 8 + i / 2 + 4]);
                *eight = _mm512_add_ps(_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0xee>(a, b));
            }
            let mut fours = [_mm512_setzero_ps(); 4];
            for (i, four) in fours.iter_mut().enumerate() {
                let (a, b) = (eights[2 * i], eights[2 * i + 1]);
                *four = _mm512_add_ps(_mm512_shuffle_f32x4::<0x88>(a, b), _mm512_shuffle_f32x4::<0xdd>(a, b));
            }
            let mut twos = [_mm512_setzero_ps(); 2];
            for (i, two) in twos.iter_mut().enumerate() {
                let (a, b) = (fours[2 * i], fours[2 * i + 1]);
                *two = _mm512_add_ps(_mm512_shuffle_ps::<0x44>(a, b), _mm512_shuffle_ps::<0xee>(a, b));
            }
            let (a, b) = (twos[0], twos[1]);
            _mm512_add_ps(_mm512_shuffle_ps::<0x88>(a, b), _mm512_shuffle_ps::<0xdd>(a, b))
        })
    }
    #[inline(always)]
    fn prefetch(self, address: *const u8) {
        evex!(_mm_prefetch::<_MM_HINT_T0>(address.cast()))
    }
    #[inline(always)]
    fn prefetch_far(self, address: *const u8) {
        evex!(_mm_prefetch::<_MM_HINT_T1>(address.cast()))
    }
}

impl Registers for Avx512 {
    type R = V;
    const WIDTH: usize = LANES;

    #[inline(always)]
    fn reg_zero(self) -> Self::R {
        evex!(_mm512_setzero_ps())
    }
    #[inline(always)]
    unsafe fn reg_load(self, from: *const f32) -> Self::R {
        evex!(_mm512_loadu_ps(from))
    }
    #[inline(always)]
    unsafe fn reg_store(self, register: Self::R, to: *mut f32) {
        evex!(_mm512_storeu_ps(to, register))
    }
    #[inline(always)]
    fn reg_fma(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R {
        evex!(_mm512_fmadd_ps(a, b, c))
    }
    #[inline(always)]
    fn reg_add(self, a: Self::R, b: Self::R) -> Self::R {
        evex!(_mm512_add_ps(a, b))
    }
}
