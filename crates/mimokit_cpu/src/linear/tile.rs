//! The innermost part of a matrix product of many rows: a tile of weight rows by activation rows, summed in registers.

use super::SEGMENT;
use crate::simd::{LANES, Simd};

/// Weight rows of a tile.
pub(super) const TILE_ROWS: usize = 4;
/// Activation rows of a tile, at most. Four by three: twelve sums are enough to hide the latency of a multiply-add, and with three
/// inputs and a weight they fill sixteen registers; where there are 32, the running lanes of the tile stay in registers as well.
pub(super) const TILE_INPUTS: usize = 3;

/// Lanes in steps of a segment.
const STEPS: usize = SEGMENT / LANES;

/// Adds the products of `TILE_ROWS` rows of `w` with `T` rows of `x`, all of `stride` floats, to the running lanes
/// [TILE_ROWS, T, 16]; with `is_first` they begin at zero, whatever `running` holds. The order is that of few.rs: per segment a
/// chain of multiply-adds from zero on, then one addition to the running lanes.
#[inline(always)]
pub(super) fn tile<S: Simd, const T: usize>(
    simd: S,
    w: &[f32],
    x: &[f32],
    stride: usize,
    running: &mut [f32],
    is_first: bool,
) {
    assert!(stride.is_multiple_of(LANES) && w.len() >= TILE_ROWS * stride && x.len() >= T * stride);
    assert!(running.len() >= TILE_ROWS * T * LANES);
    for part in (0..LANES).step_by(S::WIDTH) {
        let running = running[part..].as_mut_ptr();
        let mut totals = [[simd.reg_zero(); T]; TILE_ROWS];
        if !is_first {
            for (i, total) in totals.as_flattened_mut().iter_mut().enumerate() {
                // SAFETY: the lanes of pair i lie in `running`, as asserted.
                *total = unsafe { simd.reg_load(running.add(i * LANES)) };
            }
        }
        let (w, x) = (w[part..].as_ptr(), x[part..].as_ptr());
        let whole = stride / SEGMENT;
        for segment in 0..whole {
            // SAFETY: a segment of every row, as asserted.
            unsafe {
                add_segment::<S, T>(
                    simd,
                    w.add(segment * SEGMENT),
                    x.add(segment * SEGMENT),
                    stride,
                    STEPS,
                    &mut totals,
                )
            };
        }
        let rest = stride % SEGMENT / LANES;
        if rest > 0 {
            // SAFETY: `rest` steps are left of every row.
            unsafe {
                add_segment::<S, T>(simd, w.add(whole * SEGMENT), x.add(whole * SEGMENT), stride, rest, &mut totals)
            };
        }
        for (i, total) in totals.as_flattened().iter().enumerate() {
            // SAFETY: as for the loads.
            unsafe { simd.reg_store(*total, running.add(i * LANES)) };
        }
    }
}

/// # Safety
/// At `w` begin `TILE_ROWS` rows and at `x` `T` rows, `stride` floats apart, of `steps` times sixteen floats.
#[inline(always)]
unsafe fn add_segment<S: Simd, const T: usize>(
    simd: S,
    w: *const f32,
    x: *const f32,
    stride: usize,
    steps: usize,
    totals: &mut [[S::R; T]; TILE_ROWS],
) {
    let mut sums = [[simd.reg_zero(); T]; TILE_ROWS];
    for step in 0..steps {
        let mut inputs = [simd.reg_zero(); T];
        for (t, input) in inputs.iter_mut().enumerate() {
            // SAFETY: by the contract.
            *input = unsafe { simd.reg_load(x.add(t * stride + step * LANES)) };
        }
        for (r, sums) in sums.iter_mut().enumerate() {
            // SAFETY: by the contract.
            let weight = unsafe { simd.reg_load(w.add(r * stride + step * LANES)) };
            for t in 0..T {
                sums[t] = simd.reg_fma(weight, inputs[t], sums[t]);
            }
        }
    }
    for r in 0..TILE_ROWS {
        for t in 0..T {
            totals[r][t] = simd.reg_add(totals[r][t], sums[r][t]);
        }
    }
}
