//! One weight row against at most four activation rows: the row is read once, decoded in registers. Bound: the weight's bytes.

use super::element::{Element, LINE, load_short, sixteen};
use super::scaled::Scaled;
use super::{RowsOf, SEGMENT};
use crate::simd::{Kernel, LANES, Simd};

/// How far ahead of its use a weight is asked for.
const PREFETCH: usize = 2048;

/// Products of weight rows with `T` activation rows; `out` is [T, rows.len()].
pub(super) struct Few<'a, E, const T: usize> {
    pub(super) weights: RowsOf<'a>,
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
        let mut scaled = Scaled::new();
        let mut first = self.rows.start;
        while first < self.rows.end {
            let run = first..self.weights.end_of_run(first, self.rows.end);
            let x = scaled.rows(simd, &self.weights, first, 0, self.x, self.x_scales);
            for row in run.clone() {
                let sums = row_products::<S, E, T>(simd, self.weights.row(row), x);
                for (t, sum) in sums.into_iter().enumerate() {
                    self.out[t * count + row - self.rows.start] = sum * self.weights.factor;
                }
            }
            first = run.end;
        }
    }
}

/// The order of one output element: per segment of 256 columns sixteen lanes of fused multiply-adds from zero on, each segment's added to
/// the running lanes; the fixed tree at the end.
#[inline(always)]
fn row_products<S: Simd, E: Element, const T: usize>(simd: S, bytes: &[u8], x: [&[f32]; T]) -> [f32; T] {
    let mut running = [simd.zero(); T];
    let whole = bytes.len() / (SEGMENT * E::BYTES) * SEGMENT;
    for from in (0..whole).step_by(SEGMENT) {
        // Of constant length, so that its loops are unrolled.
        let weights = &bytes[from * E::BYTES..][..SEGMENT * E::BYTES];
        let sums = segment_products::<S, E, T>(simd, weights, x.map(|x| &x[from..][..SEGMENT]));
        for t in 0..T {
            running[t] = simd.add(running[t], sums[t]);
        }
    }
    if whole * E::BYTES < bytes.len() {
        let sums = segment_products::<S, E, T>(simd, &bytes[whole * E::BYTES..], x.map(|x| &x[whole..]));
        for t in 0..T {
            running[t] = simd.add(running[t], sums[t]);
        }
    }
    // No closures around vectors here or above: one that is not inlined is compiled without the level's instructions.
    let mut totals = [0.0; T];
    for t in 0..T {
        totals[t] = simd.sum(running[t]);
    }
    totals
}

#[inline(always)]
fn segment_products<S: Simd, E: Element, const T: usize>(simd: S, bytes: &[u8], x: [&[f32]; T]) -> [S::V; T] {
    let mut sums = [simd.zero(); T];
    let lines = bytes.len() / (LINE * E::BYTES);
    for line in 0..lines {
        let part = &bytes[line * LINE * E::BYTES..][..LINE * E::BYTES];
        for cache_line in 0..E::BYTES {
            simd.prefetch(part.as_ptr().wrapping_add(PREFETCH + 64 * cache_line));
        }
        for (i, w) in E::load_line(simd, part).into_iter().enumerate() {
            for t in 0..T {
                sums[t] = simd.fma(w, simd.load(sixteen(x[t], 4 * line + i)), sums[t]);
            }
        }
    }
    for (index, part) in bytes[lines * LINE * E::BYTES..].chunks(LANES * E::BYTES).enumerate() {
        let is_whole = part.len() == LANES * E::BYTES;
        let w = if is_whole { E::load(simd, part) } else { load_short::<S, E>(simd, part) };
        for t in 0..T {
            sums[t] = simd.fma(w, simd.load(sixteen(x[t], 4 * lines + index)), sums[t]);
        }
    }
    sums
}
