//! Activation rows times the scales of E4M3 weights. Weight rows of one block row share their scales, so the scales go into the
//! activations once for all of them, and products need no factor of their own.

use super::RowsOf;
use super::element::sixteen;
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

/// One row of `Scaled::rows`, into `to`, which is as long.
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
    for (block, to) in to.chunks_mut(weights.block).enumerate() {
        let start = block * weights.block;
        let group = x_scales.get((from + start) / BLOCK).copied().unwrap_or(1.0);
        let factor = simd.splat(weights.scale(row, from + start) * group);
        for (chunk, to) in to.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            simd.store(simd.mul(simd.load(sixteen(&x[start..], chunk)), factor), to);
        }
    }
}
