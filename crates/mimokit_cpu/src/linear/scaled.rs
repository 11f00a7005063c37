//! Activation rows times the scales of E4M3 weights. Weight rows of one block row share their scales, so the scales go into the
//! activations once for all of them, and products need no factor of their own.

use super::RowsOf;
use super::element::{E4m3, Element, LINE, sixteen};
use crate::buffers::{Buffer, buffer};
use crate::fp8::BLOCK;
use crate::simd::{LANES, Simd};

/// Scratch for scaled rows; one run of weight rows after the other uses it.
pub(super) struct Scaled {
    values: Option<Buffer>,
}

impl Scaled {
    pub(super) fn new() -> Scaled {
        Scaled { values: None }
    }

    /// `x`, columns `from ..` of activation rows, times the scales of weight row `row` and of the activations' groups, where
    /// there are any. `x` have equal lengths, multiples of sixteen; `from` is a multiple of 128.
    #[inline(always)]
    pub(super) fn rows<'a, S: Simd, const T: usize>(
        &'a mut self,
        simd: S,
        weights: &RowsOf<'_>,
        row: usize,
        from: usize,
        x: [&'a [f32]; T],
        x_scales: [&[f32]; T],
    ) -> [&'a [f32]; T] {
        if weights.scales.is_none() {
            return x;
        }
        let width = x[0].len();
        let values = &mut **self.values.get_or_insert_with(|| buffer(T * width));
        for (t, to) in values.chunks_exact_mut(width).enumerate() {
            scale_row(simd, weights, row, from, x[t], x_scales[t], to);
        }
        let values = &*values;
        std::array::from_fn(|t| &values[t * width..][..width])
    }
}

/// One row of `Scaled::rows`, into `to`, which is as long. E4M3 weights alone have scales, so `x` is in the order of their lines.
#[inline(always)]
pub(super) fn scale_row<S: Simd>(
    simd: S,
    weights: &RowsOf<'_>,
    row: usize,
    from: usize,
    x: &[f32],
    x_scales: &[f32],
    to: &mut [f32],
) {
    let scales = weights.scales.map_or(&[][..], |scales| scales.row(row));
    let in_lines = (weights.columns - from).min(x.len()) / LINE * LINE;
    let (lines, rest) = to.split_at_mut(in_lines);
    // A block of fewer columns than a line's is a few lanes of all its vectors.
    let stretch = weights.block.max(LINE);
    for (index, to) in lines.chunks_mut(stretch).enumerate() {
        let start = index * stretch;
        let mut factors = [factor(scales, weights.scale_columns, x_scales, from + start); LANES];
        if weights.block < LINE {
            for (lane, value) in factors.iter_mut().enumerate() {
                let column = from + start + lane * E4m3::NEIGHBOURS;
                *value = factor(scales, weights.scale_columns, x_scales, column);
            }
        }
        scale(simd, simd.load(&factors), &x[start..], to);
    }
    for (index, to) in rest.chunks_mut(LANES).enumerate() {
        let start = in_lines + index * LANES;
        let factor = factor(scales, weights.scale_columns, x_scales, from + start);
        scale(simd, simd.splat(factor), &x[start..], to);
    }
}

/// What a column's weights and activations are to be multiplied by; slices without scales are empty. Not a closure, which would not be
/// inlined above.
#[inline(always)]
fn factor(scales: &[f32], scale_columns: usize, x_scales: &[f32], column: usize) -> f32 {
    let scale = if scales.is_empty() { 1.0 } else { scales[column / scale_columns] };
    let group = if x_scales.is_empty() { 1.0 } else { x_scales[column / BLOCK] };
    scale * group
}

/// `to` = the first of `x` times `factors`, vector after vector.
#[inline(always)]
fn scale<S: Simd>(simd: S, factors: S::V, x: &[f32], to: &mut [f32]) {
    for (chunk, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        simd.store(simd.mul(simd.load(sixteen(x, chunk)), factors), to);
    }
}
