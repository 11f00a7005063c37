//! AVX-512 (F, BW, DQ, VL): sixteen lanes as one register; and the same with VBMI and GFNI, whose byte permutes and bit
//! matrices decode E4M3 in half the operations.

use std::arch::x86_64::*;

use super::{Kernel, LANES, Simd, e4m3_quarters};

/// `BYTES`: the processor has VBMI and GFNI too.
#[derive(Clone, Copy)]
pub(crate) struct Avx512<const BYTES: bool> {
    /// `UPPER`, which the compiler must not know: it would split a masked permute in two.
    upper: u64,
}

type V = __m512;

/// # Safety
/// The processor has AVX-512 F, BW, DQ and VL, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
pub(crate) unsafe fn run<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<false> { upper: 0 })
}

/// # Safety
/// The processor has what `run` asks for, and VBMI and GFNI.
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx512vbmi,gfni,avx2,fma")]
pub(crate) unsafe fn run_bytes<K: Kernel>(kernel: K) -> K::Output {
    kernel.run(Avx512::<true> { upper: std::hint::black_box(UPPER) })
}

/// Where the bytes of lane `j` of vector `i` come from: its third from byte 16 i + j of a second register, its fourth from the
/// same byte of the first; the lower two are masked out.
const EXPAND: [[u8; 64]; 4] = {
    let mut table = [[0; 64]; 4];
    let mut column = 0;
    while column < 64 {
        let at = column % LANES * 4;
        table[column / LANES][at + 2] = 64 + column as u8;
        table[column / LANES][at + 3] = column as u8;
        column += 1;
    }
    table
};
/// The upper two bytes of every lane.
const UPPER: u64 = 0xcccc_cccc_cccc_cccc;
/// Bit matrices: sign and the upper three of seven bits to where an f32's first byte has them; the lower four to the upper half of
/// its second. Byte 7 - i of a matrix makes bit i of the result.
const FIRST_BYTE: i64 = 0x1020_4000_0000_0080;
const SECOND_BYTE: i64 = 0x0102_0408;

/// Wraps intrinsics that need the features which an `Avx512` value proves.
macro_rules! evex {
    ($($body:tt)*) => {
        // SAFETY: an Avx512 exists only inside a `run`, whose caller has seen the features; loads and stores stay in their arrays.
        unsafe { $($body)* }
    };
}

impl<const BYTES: bool> Simd for Avx512<BYTES> {
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
    fn e4m3_line(self, x: &[u8; 64]) -> [V; 4] {
        if !BYTES {
            return e4m3_quarters(self, x);
        }
        evex!({
            let bytes = _mm512_loadu_si512(x.as_ptr().cast());
            let first = _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(FIRST_BYTE));
            let second = _mm512_gf2p8affine_epi64_epi8::<0>(bytes, _mm512_set1_epi64(SECOND_BYTE));
            let mut vectors = [_mm512_setzero_ps(); 4];
            for (vector, from) in vectors.iter_mut().zip(&EXPAND) {
                let from = _mm512_loadu_si512(from.as_ptr().cast());
                *vector = _mm512_castsi512_ps(_mm512_maskz_permutex2var_epi8(self.upper, first, from, second));
            }
            vectors
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
    fn prefetch(self, address: *const u8) {
        evex!(_mm_prefetch::<_MM_HINT_T0>(address.cast()))
    }
}
