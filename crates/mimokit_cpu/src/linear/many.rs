//! Weight rows against many activation rows: a panel of the weight is decoded into the first-level cache, tiles of registers stream
//! past it. The order of every output element is that of few.rs, so the bits are the same. Bound: fused multiply-adds.
//!
//! What is kept where: a panel and the tile's activations in the first-level cache; the activations of a panel's columns, scaled,
//! and the running lanes of all tiles in the second.

use super::element::{Element, LINE, load_short, sixteen};
use super::scaled::scale_row;
use super::tile::{TILE_INPUTS, TILE_ROWS, tile};
use super::{RowsOf, SEGMENT};
use crate::buffers::buffer;
use crate::simd::{Kernel, LANES, Simd};

/// Columns of a panel: 8 KiB of decoded weights, which leaves the first-level cache room for activations. The last panel of a row
/// takes up to a segment more, so that a row's end makes no panel of its own.
const PANEL_COLUMNS: usize = 4 * SEGMENT;
const LONGEST_PANEL: usize = PANEL_COLUMNS + SEGMENT;
/// Weight rows that share one scaling of the activations, when their scales are the same.
pub(super) const RUN_ROWS: usize = 128;
/// Activation rows that share one decoding of a panel, at most.
const CHUNK: usize = 96;
/// How many activation rows ahead one is asked for: rows lie far apart, so that the processor does not guess the next one.
const ROWS_AHEAD: usize = 4;

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
        // Chunks of about the same length: a short last one would decode all panels for a few rows.
        let chunk = self.x.len().div_ceil(self.x.len().div_ceil(CHUNK)).next_multiple_of(TILE_INPUTS);
        let mut scratch = Scratch {
            panel: buffer(TILE_ROWS * LONGEST_PANEL),
            inputs: buffer(chunk * LONGEST_PANEL),
            running: buffer(RUN_ROWS * chunk * LANES),
        };
        let count = self.rows.len();
        for (x, (x_scales, out)) in
            self.x.chunks(chunk).zip(self.x_scales.chunks(chunk).zip(self.out.chunks_mut(chunk * count.max(1))))
        {
            let mut first = self.rows.start;
            while first < self.rows.end {
                let end = self.weights.end_of_run(first, self.rows.end.min(first + RUN_ROWS));
                let run = Run::<E> { weights: self.weights, x, x_scales, rows: first..end, element: self.element };
                run.sum_up(simd, &mut scratch);
                run.write(simd, &scratch.running, &mut out[first - self.rows.start..], count);
                first = end;
            }
        }
    }
}

struct Scratch {
    /// [TILE_ROWS, columns]
    panel: crate::buffers::Buffer,
    /// [activation rows, columns]
    inputs: crate::buffers::Buffer,
    /// [weight rows / TILE_ROWS][activation rows / TILE_INPUTS][TILE_ROWS, TILE_INPUTS or fewer, 16]
    running: crate::buffers::Buffer,
}

/// Weight rows with the same scales, and a chunk of activation rows.
struct Run<'a, E> {
    weights: RowsOf<'a>,
    x: &'a [&'a [f32]],
    x_scales: &'a [&'a [f32]],
    rows: std::ops::Range<usize>,
    element: std::marker::PhantomData<E>,
}

impl<E: Element> Run<'_, E> {
    /// The running lanes of all pairs of a weight row and an activation row.
    #[inline(always)]
    fn sum_up<S: Simd>(&self, simd: S, scratch: &mut Scratch) {
        let columns = self.weights.columns;
        let mut from = 0;
        while from < columns {
            let to = if columns - from <= LONGEST_PANEL { columns } else { from + PANEL_COLUMNS };
            let stride = (to - from).next_multiple_of(LANES);
            for (t, inputs) in scratch.inputs.chunks_exact_mut(stride).enumerate().take(self.x.len()) {
                if let Some(later) = self.x.get(t + ROWS_AHEAD) {
                    for line in later[from..from + stride].chunks(LANES) {
                        simd.prefetch(line.as_ptr().cast());
                    }
                }
                let x = &self.x[t][from..from + stride];
                scale_row(simd, &self.weights, self.rows.start, from, x, self.x_scales[t], inputs);
            }
            for panel_row in self.rows.clone().step_by(TILE_ROWS) {
                let panel_rows = panel_row..self.rows.end.min(panel_row + TILE_ROWS);
                for (row, panel) in panel_rows.zip(scratch.panel.chunks_exact_mut(stride)) {
                    decode::<S, E>(simd, &self.weights.row(row)[from * E::BYTES..to * E::BYTES], panel);
                }
                let next = if panel_row + TILE_ROWS < self.rows.end {
                    (panel_row + TILE_ROWS, from)
                } else {
                    (self.rows.start, to)
                };
                self.tiles(simd, scratch, panel_row, stride, from == 0, self.ahead(next));
            }
            from = to;
        }
    }

    /// One panel times all activation rows. Rows past the last one repeat what the panel holds already; their sums are not used.
    #[inline(always)]
    fn tiles<S: Simd>(
        &self,
        simd: S,
        scratch: &mut Scratch,
        panel_row: usize,
        stride: usize,
        is_first: bool,
        mut ahead: Ahead<'_>,
    ) {
        let panel = &scratch.panel[..TILE_ROWS * stride];
        let tiles = self.x.len().div_ceil(TILE_INPUTS);
        let lines_each = ahead.lines().div_ceil(tiles);
        for index in 0..tiles {
            ahead.ask_for(simd, lines_each);
            let t = index * TILE_INPUTS;
            let inputs = &scratch.inputs[t * stride..];
            let running = &mut scratch.running[self.running_at(panel_row - self.rows.start, t)..];
            match self.x.len() - t {
                1 => tile::<S, 1>(simd, panel, inputs, stride, running, is_first),
                2 => tile::<S, 2>(simd, panel, inputs, stride, running, is_first),
                _ => tile::<S, TILE_INPUTS>(simd, panel, inputs, stride, running, is_first),
            }
        }
    }

    /// Where the running lanes of the tile of weight row `r` (counted from the run's first) and activation row `t` begin.
    #[inline(always)]
    fn running_at(&self, r: usize, t: usize) -> usize {
        (r / TILE_ROWS * self.x.len().next_multiple_of(TILE_INPUTS) + t / TILE_INPUTS * TILE_INPUTS) * TILE_ROWS * LANES
    }

    /// Sums the running lanes; `out` begins at the run's first column, its rows are `count` apart.
    #[inline(always)]
    fn write<S: Simd>(&self, simd: S, running: &[f32], out: &mut [f32], count: usize) {
        let factor = simd.splat(self.weights.factor);
        for t in 0..self.x.len() {
            let width = TILE_INPUTS.min(self.x.len() - t / TILE_INPUTS * TILE_INPUTS);
            let out = &mut out[t * count..][..self.rows.len()];
            let at = |r: usize| self.running_at(r, t) + (r % TILE_ROWS * width + t % TILE_INPUTS) * LANES;
            let (whole, rest) = out.as_chunks_mut::<LANES>();
            for (group, out) in whole.iter_mut().enumerate() {
                let mut vectors = [simd.zero(); LANES];
                for (i, vector) in vectors.iter_mut().enumerate() {
                    *vector = simd.load(sixteen(&running[at(group * LANES + i)..], 0));
                }
                simd.store(simd.mul(simd.sums(vectors), factor), out);
            }
            for (i, out) in rest.iter_mut().enumerate() {
                let lanes = simd.load(sixteen(&running[at(whole.len() * LANES + i)..], 0));
                *out = simd.sum(lanes) * self.weights.factor;
            }
        }
    }

    /// The bytes of the panel that begins at a row and a column.
    #[inline(always)]
    fn ahead(&self, (row, column): (usize, usize)) -> Ahead<'_> {
        let columns = self.weights.columns.min(column + PANEL_COLUMNS) - column;
        let rows = self.rows.end.min(row + TILE_ROWS) - row;
        let lines_of_row = (columns * E::BYTES).div_ceil(64);
        let start = row * self.weights.row_bytes + column * E::BYTES;
        Ahead {
            bytes: &self.weights.bytes[start..],
            stride: self.weights.row_bytes,
            rows,
            lines_of_row,
            row: 0,
            line: 0,
        }
    }
}

/// Cache lines of the next panel. They are asked for while tiles are multiplied, a few at a time: memory is slow, and four
/// rows of half a KiB are too short for the processor to foresee.
struct Ahead<'a> {
    bytes: &'a [u8],
    stride: usize,
    rows: usize,
    lines_of_row: usize,
    row: usize,
    line: usize,
}

impl Ahead<'_> {
    #[inline(always)]
    fn lines(&self) -> usize {
        self.rows * self.lines_of_row
    }

    #[inline(always)]
    fn ask_for<S: Simd>(&mut self, simd: S, lines: usize) {
        for _ in 0..lines {
            if self.row == self.rows {
                return;
            }
            simd.prefetch(self.bytes.as_ptr().wrapping_add(self.row * self.stride + self.line * 64));
            self.line += 1;
            if self.line == self.lines_of_row {
                (self.row, self.line) = (self.row + 1, 0);
            }
        }
    }
}

/// Stored elements of part of a row as floats; what is past them in the last sixteen is zero.
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
