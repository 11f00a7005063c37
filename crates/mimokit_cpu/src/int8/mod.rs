//! INT8 products, an option: weights are rounded per row and block of 128 columns at load, inputs per row and group of 128, both to
//! -127 ..= 127 times a scale. Faster than the exact products of `linear`, and not the checkpoint's own values.
//!
//! The integer sum of a block is exact, so it has no order; blocks are added in order with one fused multiply-add each. So here too
//! batches, chunks, threads and instruction sets do not change a bit.

mod scalar;

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod vnni;

use std::ops::Range;

use crate::fp8::BLOCK;
use crate::linear::{Matrix, Rows};
use crate::simd::Level;

/// Weight rows that lie interleaved; tasks begin at multiples of it.
pub(crate) const GROUP: usize = 16;
/// Columns that lie together: what one instruction adds up.
const QUAD: usize = 4;
const BLOCK_QUADS: usize = BLOCK / QUAD;
/// The largest magnitude; -128 is not used, so that a number and its negative round alike.
const MOST: f32 = 127.0;
/// What is added to an input, so that it is an unsigned byte.
const OFFSET: i32 = 128;

/// A weight in INT8: [groups of rows][quads of columns][16 rows][4 columns], zeros past its end.
#[derive(Debug)]
pub(crate) struct Packed {
    rows: usize,
    quads: usize,
    blocks: usize,
    values: Vec<i8>,
    /// [groups][blocks][16 rows]
    scales: Vec<f32>,
    /// [groups][blocks][16 rows]: -128 times the sum of the block, which takes the inputs' offset out again.
    corrections: Vec<i32>,
}

impl Packed {
    pub(crate) fn new(matrix: &Matrix) -> Packed {
        let (rows, columns) = (matrix.rows(), matrix.columns());
        let (groups, quads, blocks) = (rows.div_ceil(GROUP), columns.div_ceil(QUAD), columns.div_ceil(BLOCK));
        let mut packed = Packed {
            rows,
            quads,
            blocks,
            values: vec![0; groups * quads * GROUP * QUAD],
            scales: vec![0.0; groups * blocks * GROUP],
            corrections: vec![0; groups * blocks * GROUP],
        };
        let mut floats = vec![0.0; columns];
        for row in 0..rows {
            matrix.decode_row(row, &mut floats);
            let (group, lane) = (row / GROUP, row % GROUP);
            for (block, floats) in floats.chunks(BLOCK).enumerate() {
                let (scale, inverse) = scale_of(floats);
                let mut sum = 0;
                for (column, &x) in floats.iter().enumerate() {
                    let value = round(x, inverse);
                    let quad = group * quads + block * BLOCK_QUADS + column / QUAD;
                    packed.values[(quad * GROUP + lane) * QUAD + column % QUAD] = value as i8;
                    sum += value;
                }
                let at = (group * blocks + block) * GROUP + lane;
                packed.scales[at] = scale;
                packed.corrections[at] = -OFFSET * sum;
            }
        }
        packed
    }

    /// The quads of `block` in `group`: [quads][16 rows][4 columns].
    #[inline(always)]
    fn block(&self, group: usize, block: usize) -> &[i8] {
        let quads = quads_of(self.quads, block);
        let start = group * self.quads + quads.start;
        &self.values[start * GROUP * QUAD..(start + quads.len()) * GROUP * QUAD]
    }

    #[inline(always)]
    fn scales(&self, group: usize, block: usize) -> &[f32; GROUP] {
        &self.scales.as_chunks::<GROUP>().0[group * self.blocks + block]
    }

    #[inline(always)]
    fn corrections(&self, group: usize, block: usize) -> &[i32; GROUP] {
        &self.corrections.as_chunks::<GROUP>().0[group * self.blocks + block]
    }
}

/// Which quads of `quads` block `block` has: 32, or in the last block fewer.
#[inline(always)]
fn quads_of(quads: usize, block: usize) -> Range<usize> {
    block * BLOCK_QUADS..quads.min((block + 1) * BLOCK_QUADS)
}

/// Activation rows in INT8, offset by 128; what is past a row's end meets weights that are zero.
pub(crate) struct Rows8 {
    stride: usize,
    groups: usize,
    values: Vec<u8>,
    /// [rows, groups of 128]
    scales: Vec<f32>,
}

impl Rows8 {
    pub(crate) fn new(rows: &Rows, width: usize) -> Rows8 {
        let (stride, groups) = (width.next_multiple_of(QUAD), width.div_ceil(BLOCK));
        let mut to = Rows8 {
            stride,
            groups,
            values: vec![OFFSET as u8; rows.count * stride],
            scales: vec![0.0; rows.count * groups],
        };
        for row in 0..rows.count {
            let values = &mut to.values[row * stride..][..width];
            let scales = &mut to.scales[row * groups..][..groups];
            for ((values, floats), to_scale) in
                values.chunks_mut(BLOCK).zip(rows.row(row)[..width].chunks(BLOCK)).zip(scales)
            {
                let (scale, inverse) = scale_of(floats);
                *to_scale = scale;
                for (value, &x) in values.iter_mut().zip(floats) {
                    *value = (round(x, inverse) + OFFSET) as u8;
                }
            }
        }
        to
    }

    fn row(&self, row: usize) -> &[u8] {
        &self.values[row * self.stride..][..self.stride]
    }

    fn row_scales(&self, row: usize) -> &[f32] {
        &self.scales[row * self.groups..][..self.groups]
    }
}

/// What a block's integers are to be multiplied by, and its inverse. A block of zeros has scale 0; one with a NaN or an infinity
/// has a NaN, so that broken weights or inputs end as an error, as they do without INT8.
fn scale_of(block: &[f32]) -> (f32, f32) {
    let mut most = 0.0_f32;
    let mut zero_or_nan = 0.0_f32;
    for &x in block {
        most = most.max(x.abs());
        zero_or_nan += x * 0.0;
    }
    let scale = most / MOST + zero_or_nan;
    (scale, if most > 0.0 { MOST / most } else { 0.0 })
}

/// The nearest integer to x * inverse, ties to even; within -127 ..= 127 for finite x.
#[inline(always)]
fn round(x: f32, inverse: f32) -> i32 {
    /// 1.5 * 2^23: adding it leaves the nearest integer in the low bits, on every machine and without a call.
    const MAGIC: f32 = 12_582_912.0;
    let bits = (x * inverse + MAGIC).to_bits().wrapping_sub(MAGIC.to_bits()) as i32;
    bits.clamp(-127, 127)
}

/// Inputs and groups of rows of one product.
struct Job<'a> {
    weights: &'a Packed,
    x: &'a [&'a [u8]],
    x_scales: &'a [&'a [f32]],
    groups: Range<usize>,
}

/// Where sums go: [tokens, rows], of which those past the last row are dropped.
struct Sums<'a> {
    out: &'a mut [f32],
    rows: Range<usize>,
}

impl Sums<'_> {
    #[inline(always)]
    fn put(&mut self, token: usize, group: usize, sums: &[f32; GROUP]) {
        let first = group * GROUP - self.rows.start;
        let count = GROUP.min(self.rows.len() - first);
        self.out[token * self.rows.len() + first..][..count].copy_from_slice(&sums[..count]);
    }
}

/// `out[i, r - rows.start]` = row r of the weight times input row `tokens[i]`. On this thread; `rows` begins at a multiple of GROUP and
/// ends at one or at the last row.
pub(crate) fn product(
    level: Level,
    weights: &Packed,
    input: &Rows8,
    tokens: &[u32],
    rows: Range<usize>,
    out: &mut [f32],
) {
    assert!(rows.start.is_multiple_of(GROUP) && (rows.end.is_multiple_of(GROUP) || rows.end == weights.rows));
    let x: Vec<&[u8]> = tokens.iter().map(|&token| input.row(token as usize)).collect();
    let x_scales: Vec<&[f32]> = tokens.iter().map(|&token| input.row_scales(token as usize)).collect();
    assert!(input.stride == weights.quads * QUAD && input.groups == weights.blocks);
    let groups = rows.start / GROUP..rows.end.div_ceil(GROUP);
    let job = Job { weights, x: &x, x_scales: &x_scales, groups };
    let sums = Sums { out, rows };
    match level {
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the features were seen; `Level` reaches here through CpuOptions, which refuses levels that are not available.
        level if level >= Level::Avx512 && is_x86_feature_detected!("avx512vnni") => unsafe { vnni::run(&job, sums) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as above.
        level if level >= Level::Avx2 => unsafe { avx2::run(&job, sums) },
        _ => scalar::run(&job, sums),
    }
}

/// The instructions that `product` uses at `level`.
#[cfg(test)]
pub(crate) fn instructions(level: Level) -> &'static str {
    match level {
        #[cfg(target_arch = "x86_64")]
        level if level >= Level::Avx512 && is_x86_feature_detected!("avx512vnni") => "avx512vnni",
        #[cfg(target_arch = "x86_64")]
        level if level >= Level::Avx2 => "avx2",
        _ => "scalar",
    }
}

#[cfg(test)]
mod tests;
