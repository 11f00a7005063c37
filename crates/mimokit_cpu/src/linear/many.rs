//! Weight rows against many activation rows: a panel of the weight is decoded once into the cache, tiles of registers stream
//! past it. The order of every output element is that of few.rs, so the bits are the same. Bound: fused multiply-adds.

use super::element::{Element, load_short, sixteen};
use crate::buffers::buffer;
use crate::fp8::BLOCK;
use crate::simd::{Kernel, LANES, Simd};

/// Weight rows of a panel, and its columns: 16 KiB decoded.
pub(super) const PANEL_ROWS: usize = 8;
const PANEL_COLUMNS: usize = 4 * BLOCK;
/// Blocks of a panel, when they are as short as a vector.
const PANEL_BLOCKS: usize = PANEL_COLUMNS / LANES;
/// Activation rows that share one decoding of a panel.
const CHUNK: usize = 48;

/// Products of weight rows with any number of activation rows; `out` is [x.len(), rows.len()].
pub(super) struct Many<'a, E> {
    pub(super) weights: super::RowsOf<'a>,
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
        if S::REGISTERS >= 32 { self.panels::<S, 4, 4>(simd) } else { self.panels::<S, 2, 3>(simd) }
    }
}

impl<E: Element> Many<'_, E> {
    /// R weight rows times T activation rows are one tile. R divides `PANEL_ROWS`, T divides `CHUNK`.
    #[inline(always)]
    fn panels<S: Simd, const R: usize, const T: usize>(self, simd: S) {
        let columns = self.weights.columns;
        let count = self.rows.len();
        let mut panel = buffer(PANEL_ROWS * PANEL_COLUMNS);
        let mut running = buffer(PANEL_ROWS * CHUNK * LANES);
        let mut scales = [[1.0; PANEL_BLOCKS]; PANEL_ROWS];
        for first in self.rows.clone().step_by(PANEL_ROWS) {
            let rows = PANEL_ROWS.min(self.rows.end - first);
            for (chunk, x) in self.x.chunks(CHUNK).enumerate() {
                let x_scales = &self.x_scales[chunk * CHUNK..][..x.len()];
                running.fill(0.0);
                for from in (0..columns).step_by(PANEL_COLUMNS) {
                    let to = columns.min(from + PANEL_COLUMNS);
                    let stride = (to - from).next_multiple_of(LANES);
                    for r in 0..rows {
                        let bytes = &self.weights.row(first + r)[from * E::BYTES..to * E::BYTES];
                        decode::<S, E>(simd, bytes, &mut panel[r * stride..(r + 1) * stride]);
                        for (index, column) in (from..to).step_by(self.weights.block).enumerate() {
                            scales[r][index] = self.weights.scale(first + r, column);
                        }
                    }
                    // Rows past the end repeat what the panel holds already; their sums are not used.
                    for tile_x in (0..x.len()).step_by(T) {
                        let tokens: [usize; T] = std::array::from_fn(|t| (tile_x + t).min(x.len() - 1));
                        for tile_row in (0..rows).step_by(R) {
                            let tile = &mut running[(tile_x * PANEL_ROWS + tile_row * T) * LANES..][..R * T * LANES];
                            let w = &panel[tile_row * stride..(tile_row + R) * stride];
                            let inputs: [&[f32]; T] = std::array::from_fn(|t| &x[tokens[t]][from..from + stride]);
                            let input_scales = tokens.map(|token| x_scales[token].get(from / BLOCK..).unwrap_or(&[]));
                            let scales = &scales[tile_row..tile_row + R];
                            let block = self.weights.block;
                            // The usual block as a constant, so that its loop is unrolled.
                            if block == BLOCK {
                                tile_products::<S, R, T>(simd, w, (stride, BLOCK), inputs, scales, input_scales, tile);
                            } else {
                                tile_products::<S, R, T>(simd, w, (stride, block), inputs, scales, input_scales, tile);
                            }
                        }
                    }
                }
                for t in 0..x.len() {
                    for r in 0..rows {
                        let tile = (t / T * T) * PANEL_ROWS + (r / R * R) * T;
                        let lanes = sixteen(&running, tile + (r % R) * T + t % T);
                        let sum = simd.sum(simd.load(lanes)) * self.weights.factor;
                        self.out[(chunk * CHUNK + t) * count + (first - self.rows.start) + r] = sum;
                    }
                }
            }
        }
    }
}

#[inline(always)]
fn decode<S: Simd, E: Element>(simd: S, bytes: &[u8], to: &mut [f32]) {
    for (part, to) in bytes.chunks(LANES * E::BYTES).zip(to.as_chunks_mut::<LANES>().0) {
        let is_whole = part.len() == LANES * E::BYTES;
        let lanes = if is_whole { E::load(simd, part) } else { load_short::<S, E>(simd, part) };
        simd.store(lanes, to);
    }
}

#[inline(always)]
fn tile_products<S: Simd, const R: usize, const T: usize>(
    simd: S,
    panel: &[f32],
    (stride, block): (usize, usize),
    x: [&[f32]; T],
    scales: &[[f32; PANEL_BLOCKS]],
    x_scales: [&[f32]; T],
    running: &mut [f32],
) {
    let w: [&[f32]; R] = std::array::from_fn(|r| &panel[r * stride..(r + 1) * stride]);
    for (index, from) in (0..stride).step_by(block).enumerate() {
        let to = stride.min(from + block);
        let mut sums = [[simd.zero(); T]; R];
        for at in (from..to).step_by(LANES) {
            let mut wide = [simd.zero(); R];
            for r in 0..R {
                // SAFETY: `at + 16 <= stride`, a multiple of sixteen and the length of `w[r]`.
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
        for r in 0..R {
            for t in 0..T {
                let lanes = &mut running[(r * T + t) * LANES..][..LANES];
                let lanes: &mut [f32; LANES] = lanes.try_into().expect("sixteen floats");
                let factor = super::few::scaled(scales[r][index], x_scales[t], from);
                let old = simd.load(lanes);
                simd.store(simd.fma(sums[r][t], simd.splat(factor), old), lanes);
            }
        }
    }
}

/// # Safety
/// `at + 16 <= row.len()`.
#[inline(always)]
unsafe fn lanes_at(row: &[f32], at: usize) -> &[f32; LANES] {
    // SAFETY: in bounds by the contract; floats have no invalid values.
    unsafe { &*row.as_ptr().add(at).cast::<[f32; LANES]>() }
}
