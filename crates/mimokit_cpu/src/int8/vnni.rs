//! INT8 products by AVX-512 VNNI: an instruction multiplies 16 rows by 4 columns. Bound: these instructions with many inputs, the
//! weight's bytes with one.

#![expect(
    clippy::needless_range_loop,
    reason = "arrays of registers, several of them by one index: a closure around a vector may lose the level"
)]

use std::arch::x86_64::*;

use super::{GROUP, Job, QUAD, Sums, quads_of};

/// Inputs of a tile with two groups of rows: 24 registers of sums, two of weights, one of inputs.
const TOKENS: usize = 12;
/// How far ahead of its use a weight is asked for when there is one input.
const PREFETCH: usize = 2048;

/// # Safety
/// The processor has AVX-512 F, BW, VL and VNNI.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(super) unsafe fn run(job: &Job<'_>, mut sums: Sums<'_>) {
    let mut group = job.groups.start;
    while group < job.groups.end {
        // SAFETY: the features are there; groups and inputs lie in the job.
        unsafe {
            if job.x.len() > 1 && group + 2 <= job.groups.end {
                groups::<2>(job, group, &mut sums);
                group += 2;
            } else {
                groups::<1>(job, group, &mut sums);
                group += 1;
            }
        }
    }
}

/// # Safety
/// As `run`; `group + G` groups exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn groups<const G: usize>(job: &Job<'_>, group: usize, sums: &mut Sums<'_>) {
    let mut token = 0;
    while token < job.x.len() {
        // SAFETY: by the contract; no tile reaches past the last input.
        token += unsafe {
            match job.x.len() - token {
                TOKENS.. => tile::<G, TOKENS>(job, group, token, sums),
                6.. => tile::<G, 6>(job, group, token, sums),
                3.. => tile::<G, 3>(job, group, token, sums),
                2 => tile::<G, 2>(job, group, token, sums),
                _ => single::<G>(job, group, token, sums),
            }
        };
    }
}

/// # Safety
/// As `run`; groups `group .. group + G` and inputs `token .. token + T` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn tile<const G: usize, const T: usize>(
    job: &Job<'_>,
    group: usize,
    token: usize,
    sums: &mut Sums<'_>,
) -> usize {
    let mut running = [[_mm512_setzero_ps(); T]; G];
    for block in 0..job.weights.blocks {
        let quads = quads_of(job.weights.quads, block);
        let mut dots = [[_mm512_setzero_si512(); T]; G];
        let mut weights = [std::ptr::null::<i8>(); G];
        let mut inputs = [std::ptr::null::<u8>(); T];
        for g in 0..G {
            weights[g] = job.weights.block(group + g, block).as_ptr();
            // SAFETY: an array of sixteen integers.
            let corrections = unsafe { _mm512_loadu_si512(job.weights.corrections(group + g, block).as_ptr().cast()) };
            for t in 0..T {
                dots[g][t] = corrections;
            }
        }
        for t in 0..T {
            inputs[t] = job.x[token + t][quads.start * QUAD..quads.end * QUAD].as_ptr();
        }
        for quad in 0..quads.len() {
            let mut w = [_mm512_setzero_si512(); G];
            for g in 0..G {
                // SAFETY: the block has this many quads of 64 bytes.
                w[g] = unsafe { _mm512_loadu_si512(weights[g].add(quad * GROUP * QUAD).cast()) };
            }
            for t in 0..T {
                // SAFETY: the inputs have this many quads, sliced above.
                let x = _mm512_set1_epi32(unsafe { inputs[t].add(quad * QUAD).cast::<i32>().read_unaligned() });
                for g in 0..G {
                    dots[g][t] = _mm512_dpbusd_epi32(dots[g][t], x, w[g]);
                }
            }
        }
        for g in 0..G {
            // SAFETY: an array of sixteen floats.
            let scales = unsafe { _mm512_loadu_ps(job.weights.scales(group + g, block).as_ptr()) };
            for t in 0..T {
                let scale = _mm512_mul_ps(scales, _mm512_set1_ps(job.x_scales[token + t][block]));
                running[g][t] = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots[g][t]), scale, running[g][t]);
            }
        }
    }
    for g in 0..G {
        for t in 0..T {
            put(sums, token + t, group + g, running[g][t]);
        }
    }
    T
}

/// One input: four sums per group of rows, because one would wait for itself.
///
/// # Safety
/// As `run`; groups `group .. group + G` and input `token` exist.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
unsafe fn single<const G: usize>(job: &Job<'_>, group: usize, token: usize, sums: &mut Sums<'_>) -> usize {
    for group in group..group + G {
        let mut running = _mm512_setzero_ps();
        for block in 0..job.weights.blocks {
            let quads = quads_of(job.weights.quads, block);
            let weights = job.weights.block(group, block);
            let inputs = &job.x[token][quads.start * QUAD..quads.end * QUAD];
            // SAFETY: an array of sixteen integers.
            let corrections = unsafe { _mm512_loadu_si512(job.weights.corrections(group, block).as_ptr().cast()) };
            let mut dots = [_mm512_setzero_si512(); 4];
            dots[0] = corrections;
            for (index, w) in weights.as_chunks::<{ GROUP * QUAD }>().0.iter().enumerate() {
                _mm_prefetch::<_MM_HINT_T0>(w.as_ptr().wrapping_add(PREFETCH));
                // SAFETY: 64 bytes of weights; as many quads of inputs as of weights.
                let (w, x) = unsafe {
                    let x = inputs.as_ptr().add(index * QUAD).cast::<i32>().read_unaligned();
                    (_mm512_loadu_si512(w.as_ptr().cast()), _mm512_set1_epi32(x))
                };
                dots[index % 4] = _mm512_dpbusd_epi32(dots[index % 4], x, w);
            }
            let dots = _mm512_add_epi32(_mm512_add_epi32(dots[0], dots[1]), _mm512_add_epi32(dots[2], dots[3]));
            // SAFETY: an array of sixteen floats.
            let scales = unsafe { _mm512_loadu_ps(job.weights.scales(group, block).as_ptr()) };
            let scale = _mm512_mul_ps(scales, _mm512_set1_ps(job.x_scales[token][block]));
            running = _mm512_fmadd_ps(_mm512_cvtepi32_ps(dots), scale, running);
        }
        put(sums, token, group, running);
    }
    1
}

#[target_feature(enable = "avx512f")]
fn put(sums: &mut Sums<'_>, token: usize, group: usize, running: __m512) {
    let mut lanes = [0.0; GROUP];
    // SAFETY: an array of sixteen floats.
    unsafe { _mm512_storeu_ps(lanes.as_mut_ptr(), running) };
    sums.put(token, group, &lanes);
}
