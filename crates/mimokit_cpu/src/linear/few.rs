//! One weight row against at most four activation rows: the row is read once, decoded in registers. Bound: the weight's bytes.

use super::element::{Element, load_short, sixteen};
use crate::fp8::BLOCK;
use crate::simd::{Kernel, LANES, Simd};

/// How far ahead of its use a weight is asked for.
const PREFETCH: usize = 2048;

/// Products of weight rows with `T` activation rows; `out` is [T, rows.len()].
pub(super) struct Few<'a, E, const T: usize> {
    pub(super) weights: super::RowsOf<'a>,
    pub(super) x: [&'a [f32]; T],
    pub(super) x_scales: [&'a [f32]; T],
    pub(super) rows: std::ops::Range<usize>,
    pub(super) out: &'a mut [f32],
    pub(super) element: std::marker::PhantomData<E>,
}

impl<E: Element, const T: usize> Kernel for Few<'_, E, T> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let count = self.rows.len();
        for (index, row) in self.rows.clone().enumerate() {
            let bytes = self.weights.row(row);
            let scales = self.weights.scales_of(row);
            // The usual block as a constant, so that its loop is unrolled.
            let sums = if self.weights.block == BLOCK {
                row_products::<S, E, T>(simd, bytes, BLOCK, scales, self.x, self.x_scales)
            } else {
                row_products::<S, E, T>(simd, bytes, self.weights.block, scales, self.x, self.x_scales)
            };
            for (t, sum) in sums.into_iter().enumerate() {
                self.out[t * count + index] = sum * self.weights.factor;
            }
        }
    }
}

/// The order of one output element: per block of (usually 128) columns sixteen lanes of fused multiply-adds, then one more with the block's scale
/// onto the running lanes; the fixed tree at the end.
#[inline(always)]
fn row_products<S: Simd, E: Element, const T: usize>(
    simd: S,
    bytes: &[u8],
    block: usize,
    (scales, scale_blocks): (&[f32], usize),
    x: [&[f32]; T],
    x_scales: [&[f32]; T],
) -> [f32; T] {
    let mut running = [simd.zero(); T];
    let block_bytes = block * E::BYTES;
    let whole = bytes.len() / block_bytes * block;
    for from in (0..whole).step_by(block) {
        let weights = &bytes[from * E::BYTES..][..block_bytes];
        for line in 0..block_bytes.div_ceil(64) {
            simd.prefetch(weights.as_ptr().wrapping_add(PREFETCH + 64 * line));
        }
        let mut sums = [simd.zero(); T];
        for chunk in 0..block / LANES {
            let w = E::load(simd, &weights[chunk * LANES * E::BYTES..][..LANES * E::BYTES]);
            for t in 0..T {
                sums[t] = simd.fma(w, simd.load(sixteen(&x[t][from..][..block], chunk)), sums[t]);
            }
        }
        let scale = if scales.is_empty() { 1.0 } else { scales[from / block / scale_blocks] };
        for t in 0..T {
            running[t] = simd.fma(sums[t], simd.splat(scaled(scale, x_scales[t], from)), running[t]);
        }
    }
    if whole * E::BYTES < bytes.len() {
        let mut sums = [simd.zero(); T];
        for (chunk, part) in bytes[whole * E::BYTES..].chunks(LANES * E::BYTES).enumerate() {
            let is_whole = part.len() == LANES * E::BYTES;
            let w = if is_whole { E::load(simd, part) } else { load_short::<S, E>(simd, part) };
            for t in 0..T {
                sums[t] = simd.fma(w, simd.load(sixteen(&x[t][whole..], chunk)), sums[t]);
            }
        }
        let scale = if scales.is_empty() { 1.0 } else { scales[whole / block / scale_blocks] };
        for t in 0..T {
            running[t] = simd.fma(sums[t], simd.splat(scaled(scale, x_scales[t], whole)), running[t]);
        }
    }
    // No closures around vectors here or above: one that is not inlined is compiled without the level's instructions.
    let mut totals = [0.0; T];
    for t in 0..T {
        totals[t] = simd.sum(running[t]);
    }
    totals
}

/// A weight's scale times that of the activation's group, where it has one.
#[inline(always)]
pub(super) fn scaled(scale: f32, x_scales: &[f32], column: usize) -> f32 {
    if x_scales.is_empty() { scale } else { scale * x_scales[column / BLOCK] }
}
