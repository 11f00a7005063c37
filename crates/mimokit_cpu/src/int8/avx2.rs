//! INT8 products by AVX2: bytes widened to 16 bits and multiplied in pairs, because the instruction for bytes saturates.

#![expect(
    clippy::needless_range_loop,
    reason = "arrays of registers, several of them by one index: a closure around a vector may lose the level"
)]

use std::arch::x86_64::*;

use super::{GROUP, Job, OFFSET, QUAD, Sums, quads_of};

/// Inputs of a tile: eight registers of sums, two of weights, one of inputs.
const TOKENS: usize = 4;
/// Weight rows whose widened quad is one register.
const PART: usize = 4;

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run(job: &Job<'_>, mut sums: Sums<'_>) {
    let widened: Vec<Vec<i16>> =
        job.x.iter().map(|x| x.iter().map(|&x| (i32::from(x) - OFFSET) as i16).collect()).collect();
    for group in job.groups.clone() {
        let mut token = 0;
        while token < job.x.len() {
            // SAFETY: the features are there; no tile reaches past the last input.
            token += unsafe {
                match job.x.len() - token {
                    TOKENS.. => tile::<TOKENS>(job, &widened, group, token, &mut sums),
                    _ => tile::<1>(job, &widened, group, token, &mut sums),
                }
            };
        }
    }
}

/// # Safety
/// As `run`; inputs `token .. token + T` exist, widened.
#[target_feature(enable = "avx2,fma")]
unsafe fn tile<const T: usize>(
    job: &Job<'_>,
    widened: &[Vec<i16>],
    group: usize,
    token: usize,
    sums: &mut Sums<'_>,
) -> usize {
    let mut running = [[0.0_f32; GROUP]; T];
    for block in 0..job.weights.blocks {
        let quads = quads_of(job.weights.quads, block);
        let weights = job.weights.block(group, block);
        let mut inputs = [std::ptr::null::<i16>(); T];
        for t in 0..T {
            inputs[t] = widened[token + t][quads.start * QUAD..quads.end * QUAD].as_ptr();
        }
        let mut dots = [[0_i32; GROUP]; T];
        for half in 0..2 {
            let mut pairs = [[_mm256_setzero_si256(); 2]; T];
            for (index, w) in weights.as_chunks::<{ GROUP * QUAD }>().0.iter().enumerate() {
                let mut wide = [_mm256_setzero_si256(); 2];
                for part in 0..2 {
                    let bytes = w[(half * 2 + part) * PART * QUAD..].as_ptr();
                    // SAFETY: 16 of the 64 bytes: parts are 0 .. 4.
                    wide[part] = _mm256_cvtepi8_epi16(unsafe { _mm_loadu_si128(bytes.cast()) });
                }
                for t in 0..T {
                    // SAFETY: the inputs have as many quads as the weights, sliced above.
                    let x = _mm256_set1_epi64x(unsafe { inputs[t].add(index * QUAD).cast::<i64>().read_unaligned() });
                    for part in 0..2 {
                        pairs[t][part] = _mm256_add_epi32(pairs[t][part], _mm256_madd_epi16(wide[part], x));
                    }
                }
            }
            for t in 0..T {
                for part in 0..2 {
                    let mut lanes = [0_i32; 2 * PART];
                    // SAFETY: an array of eight integers.
                    unsafe { _mm256_storeu_si256(lanes.as_mut_ptr().cast(), pairs[t][part]) };
                    for row in 0..PART {
                        dots[t][(half * 2 + part) * PART + row] = lanes[2 * row] + lanes[2 * row + 1];
                    }
                }
            }
        }
        let scales = job.weights.scales(group, block);
        for t in 0..T {
            let x_scale = job.x_scales[token + t][block];
            for row in 0..GROUP {
                running[t][row] = (dots[t][row] as f32).mul_add(scales[row] * x_scale, running[t][row]);
            }
        }
    }
    for t in 0..T {
        sums.put(token + t, group, &running[t]);
    }
    T
}
