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

/// The order of one output element: per segment of 128 columns sixteen lanes of fused multiply-adds from zero on, each segment's added to
/// the running lanes; the fixed tree at the end. Segments go several at a time, so that no addition waits for the one before.
#[inline(always)]
fn row_products<S: Simd, E: Element, const T: usize>(simd: S, bytes: &[u8], x: [&[f32]; T]) -> [f32; T] {
    let mut running = [simd.zero(); T];
    let group = segments_at_once(T) * SEGMENT;
    let grouped = bytes.len() / (group * E::BYTES) * group;
    for from in (0..grouped).step_by(group) {
        let weights = &bytes[from * E::BYTES..][..group * E::BYTES];
        let mut sums = [[simd.zero(); T]; MOST_AT_ONCE];
        for line in 0..SEGMENT / LINE {
            for (segment, sums) in sums.iter_mut().enumerate().take(segments_at_once(T)) {
                let at = segment * SEGMENT + line * LINE;
                line_products::<S, E, T>(simd, &weights[at * E::BYTES..][..LINE * E::BYTES], &x, from + at, sums);
            }
        }
        for sums in &sums[..segments_at_once(T)] {
            add_to(simd, &mut running, sums);
        }
    }
    for from in (grouped..bytes.len() / E::BYTES).step_by(SEGMENT) {
        let mut sums = [simd.zero(); T];
        let end = bytes.len().min((from + SEGMENT) * E::BYTES);
        for (index, part) in bytes[from * E::BYTES..end].chunks(LANES * E::BYTES).enumerate() {
            let is_whole = part.len() == LANES * E::BYTES;
            let w = if is_whole { E::load(simd, part) } else { load_short::<S, E>(simd, part) };
            for t in 0..T {
                sums[t] = simd.fma(w, simd.load(sixteen(&x[t][from..], index)), sums[t]);
            }
        }
        add_to(simd, &mut running, &sums);
    }
    // No closures around vectors here or above: one that is not inlined is compiled without the level's instructions.
    let mut totals = [0.0; T];
    for t in 0..T {
        totals[t] = simd.sum(running[t]);
    }
    totals
}

const MOST_AT_ONCE: usize = 4;

/// Enough chains of additions to hide their latency, few enough for sixteen registers.
const fn segments_at_once(activation_rows: usize) -> usize {
    match activation_rows {
        1 => MOST_AT_ONCE,
        2 => 2,
        _ => 1,
    }
}

/// Sixty-four columns, of the weight those in `bytes`, of the activations those from `from` on.
#[inline(always)]
fn line_products<S: Simd, E: Element, const T: usize>(
    simd: S,
    bytes: &[u8],
    x: &[&[f32]; T],
    from: usize,
    sums: &mut [S::V; T],
) {
    for cache_line in 0..E::BYTES {
        simd.prefetch(bytes.as_ptr().wrapping_add(PREFETCH + 64 * cache_line));
    }
    for (i, w) in E::load_line(simd, bytes).into_iter().enumerate() {
        for t in 0..T {
            sums[t] = simd.fma(w, simd.load(sixteen(&x[t][from..][..LINE], i)), sums[t]);
        }
    }
}

#[inline(always)]
fn add_to<S: Simd, const T: usize>(simd: S, running: &mut [S::V; T], sums: &[S::V; T]) {
    for t in 0..T {
        running[t] = simd.add(running[t], sums[t]);
    }
}
