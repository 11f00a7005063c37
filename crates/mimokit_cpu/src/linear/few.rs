//! Weight rows, one to four at a time, against at most four activation rows: each weight is read once and decoded in registers.
//! Bound: the weight's bytes.

use super::element::{Element, LINE, load_short, sixteen};
use super::scaled::Scaled;
use super::{RowsOf, SEGMENT};
use crate::simd::{Kernel, LANES, Simd};

/// How far ahead of its use a weight of several rows is asked for, at least; one row alone the processor foresees. Into the
/// second-level cache: that many lines on their way to the first would take all of its few places for misses, and the time of a
/// miss would bound the rate.
const AHEAD_BYTES: usize = 8192;
/// Activations of more columns fill more than half of a first-level cache, and come from the second for every weight row or rows.
const NEAR_COLUMNS: usize = 4096;

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
    fn run<S: Simd>(mut self, simd: S) {
        let mut scaled = Scaled::new();
        let mut first = self.rows.start;
        while first < self.rows.end {
            let end = self.weights.end_of_run(first, self.rows.end);
            let x = scaled.rows(simd, &self.weights, first, 0, self.x, self.x_scales);
            let at_once = self.rows_that_pay::<S>();
            while first < end {
                match (T, at_once.min(end - first)) {
                    (1, 4..) => first += self.rows_at_once::<S, 4, 1>(simd, first, x),
                    (1, 2..) => first += self.rows_at_once::<S, 2, 2>(simd, first, x),
                    (1, _) => first += self.rows_at_once::<S, 1, 4>(simd, first, x),
                    (_, 2..) => first += self.rows_at_once::<S, 2, 1>(simd, first, x),
                    (2, _) => first += self.rows_at_once::<S, 1, 2>(simd, first, x),
                    _ => first += self.rows_at_once::<S, 1, 1>(simd, first, x),
                }
            }
        }
    }
}

impl<E: Element, const T: usize> Few<'_, E, T> {
    /// How many weight rows go at a time: they share loads of the activations, but memory gives one stream at a higher rate than
    /// several. One-byte elements are bound by instructions as much as by memory.
    #[inline(always)]
    fn rows_that_pay<S: Simd>(&self) -> usize {
        let is_near = self.weights.columns <= NEAR_COLUMNS;
        let has_registers = S::REGISTERS >= 32;
        match T {
            1 if is_near && E::BYTES > 1 => 1,
            1 if !is_near && has_registers => 4,
            1 | 2 => 2,
            _ if has_registers => 2,
            _ => 1,
        }
    }

    /// Weight rows `first .. first + R`, G segments at a time; gives R.
    #[inline(always)]
    fn rows_at_once<S: Simd, const R: usize, const G: usize>(
        &mut self,
        simd: S,
        first: usize,
        x: [&[f32]; T],
    ) -> usize {
        let rows: [&[u8]; R] = std::array::from_fn(|r| self.weights.row(first + r));
        // Whole rows further on, so that rows are asked for in their own order; those after the last are another task's.
        let rows_ahead = R * AHEAD_BYTES.div_ceil(R * self.weights.row_bytes.max(1));
        let is_last = first + rows_ahead + R > self.rows.end;
        let ahead = if is_last { 0 } else { rows_ahead * self.weights.row_bytes };
        let sums = products::<S, E, T, R, G>(simd, rows, x, ahead);
        for (r, sums) in sums.into_iter().enumerate() {
            for (t, sum) in sums.into_iter().enumerate() {
                self.out[t * self.rows.len() + first + r - self.rows.start] = sum * self.weights.factor;
            }
        }
        R
    }
}

/// The order of one output element: columns in lanes as element.rs places them; per segment of 128 columns sixteen lanes of fused
/// multiply-adds from zero on, each segment's added to the running lanes; the fixed tree at the end. R rows, T activations and G
/// segments are as many chains, so that no addition waits for the one before. `ahead`: how far from a weight lies the one to ask for.
#[inline(always)]
fn products<S: Simd, E: Element, const T: usize, const R: usize, const G: usize>(
    simd: S,
    rows: [&[u8]; R],
    x: [&[f32]; T],
    ahead: usize,
) -> [[f32; T]; R] {
    let bytes = rows[0].len();
    let columns = bytes / E::BYTES;
    // Once for all loads of whole lines: checks of their own would cost as much as the products.
    assert!(rows.iter().all(|row| row.len() == bytes) && x.iter().all(|x| x.len() >= columns));
    let mut running = [[simd.zero(); T]; R];
    let grouped = columns / (G * SEGMENT) * G * SEGMENT;
    for from in (0..grouped).step_by(G * SEGMENT) {
        let mut sums = [[[simd.zero(); T]; R]; G];
        for line in 0..SEGMENT / LINE {
            for (segment, sums) in sums.iter_mut().enumerate() {
                let at = from + segment * SEGMENT + line * LINE;
                for (row, sums) in rows.iter().zip(sums) {
                    for cache_line in 0..if R > 1 { E::BYTES } else { 0 } {
                        simd.prefetch_far(row.as_ptr().wrapping_add(ahead + at * E::BYTES + 64 * cache_line));
                    }
                    // SAFETY: `at + LINE <= grouped <= columns`, and slices are as long as asserted.
                    unsafe { line_products::<S, E, T>(simd, row, &x, at, sums) };
                }
            }
        }
        for sums in &sums {
            add_to(simd, &mut running, sums);
        }
    }
    for from in (grouped..columns).step_by(SEGMENT) {
        let segment = SEGMENT.min(columns - from);
        let in_lines = segment / LINE * LINE;
        let mut sums = [[simd.zero(); T]; R];
        for (row, sums) in rows.iter().zip(&mut sums) {
            for at in (from..from + in_lines).step_by(LINE) {
                // SAFETY: `at + LINE <= from + segment <= columns`.
                unsafe { line_products::<S, E, T>(simd, row, &x, at, sums) };
            }
            let rest = &row[(from + in_lines) * E::BYTES..(from + segment) * E::BYTES];
            for (index, part) in rest.chunks(LANES * E::BYTES).enumerate() {
                let is_whole = part.len() == LANES * E::BYTES;
                let w = if is_whole { E::load(simd, part) } else { load_short::<S, E>(simd, part) };
                for t in 0..T {
                    sums[t] = simd.fma(w, simd.load(sixteen(&x[t][from + in_lines..], index)), sums[t]);
                }
            }
        }
        add_to(simd, &mut running, &sums);
    }
    // No closures around vectors here or above: one that is not inlined is compiled without the level's instructions.
    let mut totals = [[0.0; T]; R];
    for (totals, running) in totals.iter_mut().zip(&running) {
        for t in 0..T {
            totals[t] = simd.sum(running[t]);
        }
    }
    totals
}

/// The line of columns `at .. at + 64`.
///
/// # Safety
/// `row` and all of `x` have these columns.
#[inline(always)]
unsafe fn line_products<S: Simd, E: Element, const T: usize>(
    simd: S,
    row: &[u8],
    x: &[&[f32]; T],
    at: usize,
    sums: &mut [S::V; T],
) {
    // SAFETY: by the contract.
    let line = unsafe { std::slice::from_raw_parts(row.as_ptr().add(at * E::BYTES), LINE * E::BYTES) };
    for (i, w) in E::load_line(simd, line).into_iter().enumerate() {
        for t in 0..T {
            // SAFETY: by the contract; floats have no invalid values.
            let lanes = unsafe { &*x[t].as_ptr().add(at + i * LANES).cast::<[f32; LANES]>() };
            sums[t] = simd.fma(w, simd.load(lanes), sums[t]);
        }
    }
}

#[inline(always)]
fn add_to<S: Simd, const T: usize, const R: usize>(simd: S, running: &mut [[S::V; T]; R], sums: &[[S::V; T]; R]) {
    for (running, sums) in running.iter_mut().zip(sums) {
        for t in 0..T {
            running[t] = simd.add(running[t], sums[t]);
        }
    }
}
