//! Weight rows against many activation rows: panels of the weight are decoded once into the cache, tiles of registers stream past
//! them. The order of every output element is that of few.rs, so the bits are the same. Bound: fused multiply-adds.

use super::element::{Element, LINE, load_short, sixteen};
use super::scaled::scale_row;
use super::{RowsOf, SEGMENT};
use crate::buffers::buffer;
use crate::simd::{Kernel, LANES, Simd};

/// Weight rows and columns of a panel: 16 KiB decoded.
pub(super) const PANEL_ROWS: usize = 16;
const PANEL_COLUMNS: usize = 2 * SEGMENT;
/// Weight rows that share the activations of a segment, gathered and scaled.
pub(super) const RUN_ROWS: usize = 64;
/// Activation rows that share one decoding of a panel.
const CHUNK: usize = 96;

/// Products of weight rows with any number of activation rows; `out` is [x.len(), rows.len()].
pub(super) struct Many<'a, E> {
    pub(super) weights: RowsOf<'a>,
    pub(super) x: &'a [&'a [f32]],
    pub(super) x_scales: &'a [&'a [f32]],
    pub(super) rows: std::ops::Range<usize>,
    pub(super) out: &'a mut [f32],
    pub(super) element: std::marker::PhantomData<E>,
}

impl<E: Element> Kernel for Many<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        if S::REGISTERS >= 32 { self.tiles::<S, 4, 6>(simd) } else { self.tiles::<S, 2, 3>(simd) }
    }
}

impl<E: Element> Many<'_, E> {
    /// R weight rows times T activation rows are one tile. R divides `PANEL_ROWS`, T divides `CHUNK`.
    #[inline(always)]
    fn tiles<S: Simd, const R: usize, const T: usize>(self, simd: S) {
        let mut panel = buffer(PANEL_ROWS * PANEL_COLUMNS);
        let mut running = buffer(RUN_ROWS * CHUNK * LANES);
        let mut inputs = buffer(CHUNK * PANEL_COLUMNS);
        let count = self.rows.len();
        for (chunk, (x, x_scales)) in self.x.chunks(CHUNK).zip(self.x_scales.chunks(CHUNK)).enumerate() {
            let mut first = self.rows.start;
            while first < self.rows.end {
                let rows = self.weights.end_of_run(first, self.rows.end.min(first + RUN_ROWS)) - first;
                self.run_of_rows::<S, R, T>(simd, (first, rows), x, x_scales, &mut panel, &mut inputs, &mut running);
                for t in 0..x.len() {
                    let out = &mut self.out[(chunk * CHUNK + t) * count + first - self.rows.start..][..rows];
                    for (r, out) in out.iter_mut().enumerate() {
                        let lanes = tile_start::<R, T>(r, t) + (r % R * T + t % T) * LANES;
                        *out = simd.sum(simd.load(sixteen(&running[lanes..], 0))) * self.weights.factor;
                    }
                }
                first += rows;
            }
        }
    }

    /// Running lanes of `rows` weight rows from `first` on, which share their scales, with all of `x`.
    #[inline(always)]
    fn run_of_rows<S: Simd, const R: usize, const T: usize>(
        &self,
        simd: S,
        (first, rows): (usize, usize),
        x: &[&[f32]],
        x_scales: &[&[f32]],
        panel: &mut [f32],
        inputs: &mut [f32],
        running: &mut [f32],
    ) {
        let columns = self.weights.columns;
        running[..RUN_ROWS * x.len().next_multiple_of(T) * LANES].fill(0.0);
        for from in (0..columns).step_by(PANEL_COLUMNS) {
            let to = columns.min(from + PANEL_COLUMNS);
            let stride = (to - from).next_multiple_of(LANES);
            for (t, to) in inputs.chunks_exact_mut(stride).enumerate().take(x.len()) {
                // Rows lie far apart, so that the processor does not guess the next one.
                if let Some(later) = x.get(t + 4) {
                    for line in later[from..from + stride].chunks(LANES) {
                        simd.prefetch(line.as_ptr().cast());
                    }
                }
                scale_row(simd, &self.weights, first, from, &x[t][from..from + stride], x_scales[t], to);
            }
            let input = |t: usize| &inputs[t * stride..][..stride];
            for panel_row in (0..rows).step_by(PANEL_ROWS) {
                let panel_rows = PANEL_ROWS.min(rows - panel_row);
                for r in 0..panel_rows {
                    let bytes = &self.weights.row(first + panel_row + r)[from * E::BYTES..to * E::BYTES];
                    decode::<S, E>(simd, bytes, &mut panel[r * stride..][..stride]);
                }
                // Rows past the end repeat what scratch holds already; their sums are not used.
                for tile_x in (0..x.len()).step_by(T) {
                    let inputs: [&[f32]; T] = std::array::from_fn(|t| input((tile_x + t).min(x.len() - 1)));
                    for tile_row in (0..panel_rows).step_by(R) {
                        let start = tile_start::<R, T>(panel_row + tile_row, tile_x);
                        let tile = &mut running[start..][..R * T * LANES];
                        let w: [&[f32]; R] = std::array::from_fn(|r| &panel[(tile_row + r) * stride..][..stride]);
                        for start in (0..stride).step_by(SEGMENT) {
                            let end = stride.min(start + SEGMENT);
                            // The usual length as a constant, so that its loop is unrolled.
                            if end - start == SEGMENT {
                                tile_products::<S, R, T>(simd, w, inputs, start..start + SEGMENT, tile);
                            } else {
                                tile_products::<S, R, T>(simd, w, inputs, start..end, tile);
                            }
                        }
                    }
                }
            }
        }
    }
}

/// Where the running lanes of the tile of weight row `r` and activation row `t` begin.
#[inline(always)]
fn tile_start<const R: usize, const T: usize>(r: usize, t: usize) -> usize {
    (t / T * (RUN_ROWS / R) + r / R) * R * T * LANES
}

#[inline(always)]
fn decode<S: Simd, E: Element>(simd: S, bytes: &[u8], to: &mut [f32]) {
    let whole = bytes.len() / (LINE * E::BYTES);
    for line in 0..whole {
        let lanes = E::load_line(simd, &bytes[line * LINE * E::BYTES..][..LINE * E::BYTES]);
        for (lanes, to) in lanes.into_iter().zip(to[line * LINE..][..LINE].as_chunks_mut::<LANES>().0) {
            simd.store(lanes, to);
        }
    }
    let (bytes, to) = (&bytes[whole * LINE * E::BYTES..], &mut to[whole * LINE..]);
    for (part, to) in bytes.chunks(LANES * E::BYTES).zip(to.as_chunks_mut::<LANES>().0) {
        let is_whole = part.len() == LANES * E::BYTES;
        let lanes = if is_whole { E::load(simd, part) } else { load_short::<S, E>(simd, part) };
        simd.store(lanes, to);
    }
}

/// Adds the sums of a segment, columns `columns` of `w` and `x`, to the running lanes of a tile.
#[inline(always)]
fn tile_products<S: Simd, const R: usize, const T: usize>(
    simd: S,
    w: [&[f32]; R],
    x: [&[f32]; T],
    columns: std::ops::Range<usize>,
    running: &mut [f32],
) {
    assert!(columns.end.is_multiple_of(LANES) && columns.start.is_multiple_of(LANES));
    assert!(w.iter().chain(&x).all(|row| columns.end <= row.len()));
    let mut sums = [[simd.zero(); T]; R];
    for at in columns.step_by(LANES) {
        let mut wide = [simd.zero(); R];
        for r in 0..R {
            // SAFETY: `at + 16 <= columns.end <= w[r].len()`, as asserted.
            wide[r] = simd.load(unsafe { lanes_at(w[r], at) });
        }
        for t in 0..T {
            // SAFETY: as above, of `x[t]`.
            let input = simd.load(unsafe { lanes_at(x[t], at) });
            for r in 0..R {
                sums[r][t] = simd.fma(wide[r], input, sums[r][t]);
            }
        }
    }
    for (lanes, sums) in running.as_chunks_mut::<LANES>().0.iter_mut().zip(sums.as_flattened()) {
        simd.store(simd.add(simd.load(lanes), *sums), lanes);
    }
}

/// # Safety
/// `at + 16 <= row.len()`.
#[inline(always)]
unsafe fn lanes_at(row: &[f32], at: usize) -> &[f32; LANES] {
    // SAFETY: in bounds by the contract; floats have no invalid values.
    unsafe { &*row.as_ptr().add(at).cast::<[f32; LANES]>() }
}
