//! Matrix products straight from the checkpoint's bytes: y = W x for E4M3 with block scales, BF16 and F32 weights.
//!
//! One fixed order per output element, whatever the number of rows, the instructions or the threads: see few.rs. So a batch, a
//! chunk, or a verify gives the bits of the single row.

mod element;
mod few;
mod many;
mod nan;
mod rows;
mod scaled;
mod tile;

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::AtomicBool;

use mimokit_checkpoint::{BlockScales, Dtype, Linear};
use mimokit_model::{Error, Result};

pub(crate) use element::{Bf16, E4m3, Element, F32, LINE, sixteen};
pub(crate) use rows::{Input, Rows};

use crate::fp8::BLOCK;
use crate::int8::{self, Packed};
use crate::pool::Parts;
use crate::simd::{E4M3_LIFT, Level, dispatch};
use crate::{Act, CpuBackend};

/// Up to this many activation rows share a decoding in registers.
const FEW: usize = 4;
/// From more rows than this on, panels pay.
const MANY: usize = 6;
/// Columns summed in one go, see few.rs: long enough to cost little, short enough that several can be in flight.
const SEGMENT: usize = BLOCK;
/// Weight bytes worth handing to a thread.
const TASK_BYTES: usize = 1024 * 1024;

/// A weight in the bytes of its checkpoint.
#[derive(Debug)]
pub struct Matrix {
    pub(crate) linear: Linear,
    /// The same rounded, when the engine was asked to multiply in INT8.
    pub(crate) int8: Option<Packed>,
    /// Whether its E4M3 bytes were looked through for NaN: nan.rs.
    has_numbers: AtomicBool,
}

impl Matrix {
    pub(crate) fn new(linear: &Linear) -> Result<Matrix> {
        let unfit = |problem: String| Err(Error::Device(format!("{}: {problem}", linear.name)));
        match (linear.dtype, &linear.scales) {
            (Dtype::F8E4M3, Some(scales)) if !fits(scales.block_cols) => {
                let known = "16, 32, 64 or a multiple of 128";
                return unfit(format!("scale blocks of {} columns; the CPU kernels know {known}", scales.block_cols));
            }
            (Dtype::F8E4M3, Some(_)) | (Dtype::F32 | Dtype::Bf16, None) => {}
            (dtype, _) => return unfit(format!("the CPU kernels do not multiply {}", dtype.name())),
        }
        Ok(Matrix { int8: None, linear: linear.clone(), has_numbers: AtomicBool::new(linear.dtype != Dtype::F8E4M3) })
    }

    pub(crate) fn in_int8(self) -> Matrix {
        Matrix { int8: Some(Packed::new(&self)), ..self }
    }

    pub(crate) fn rows(&self) -> usize {
        self.linear.rows
    }

    pub(crate) fn columns(&self) -> usize {
        self.linear.cols
    }

    fn row_bytes(&self) -> usize {
        self.linear.cols * self.linear.dtype.bytes()
    }

    /// Row `row` as floats, exactly.
    pub(crate) fn decode_row(&self, row: usize, to: &mut [f32]) {
        let bytes = &self.linear.bytes[row * self.row_bytes()..(row + 1) * self.row_bytes()];
        match self.linear.dtype {
            Dtype::F32 => {
                for (x, b) in to.iter_mut().zip(bytes.as_chunks::<4>().0) {
                    *x = f32::from_le_bytes(*b);
                }
            }
            Dtype::Bf16 => {
                for (x, b) in to.iter_mut().zip(bytes.as_chunks::<2>().0) {
                    *x = f32::from_bits(u32::from(u16::from_le_bytes(*b)) << 16);
                }
            }
            _ => {
                let Some(scales) = &self.linear.scales else { return };
                for (column, (x, b)) in to.iter_mut().zip(bytes).enumerate() {
                    *x = crate::fp8::DECODED[usize::from(*b)] * scales.row(row)[column / scales.block_cols];
                }
            }
        }
    }

    fn view(&self) -> RowsOf<'_> {
        RowsOf {
            bytes: &self.linear.bytes,
            row_bytes: self.row_bytes(),
            columns: self.linear.cols,
            scales: self.linear.scales.as_ref(),
            scale_columns: self.linear.scales.as_ref().map_or(BLOCK, |scales| scales.block_cols),
            block: self.linear.scales.as_ref().map_or(BLOCK, |scales| scales.block_cols.min(BLOCK)),
            factor: if self.linear.dtype == Dtype::F8E4M3 { E4M3_LIFT } else { 1.0 },
        }
    }
}

/// What kernels see of a weight.
#[derive(Clone, Copy)]
struct RowsOf<'a> {
    bytes: &'a [u8],
    row_bytes: usize,
    columns: usize,
    scales: Option<&'a BlockScales>,
    /// Columns that share a scale.
    scale_columns: usize,
    /// The same, not more than an activation's group.
    block: usize,
    /// What a finished sum is multiplied by: the second half of the E4M3 lift.
    factor: f32,
}

impl<'a> RowsOf<'a> {
    #[inline(always)]
    fn row(&self, row: usize) -> &'a [u8] {
        &self.bytes[row * self.row_bytes..(row + 1) * self.row_bytes]
    }

    /// The first row after `row`, at most `end`, that has other scales than it.
    #[inline(always)]
    fn end_of_run(&self, row: usize, end: usize) -> usize {
        let Some(scales) = self.scales else { return end };
        let index = &scales.row_index[row..end];
        row + index.iter().position(|&block_row| block_row != index[0]).unwrap_or(index.len())
    }
}

/// Blocks that kernels can sum apart: whole vectors that activation groups are made of, or whole groups.
fn fits(block_cols: usize) -> bool {
    matches!(block_cols, 16 | 32 | 64) || (block_cols > 0 && block_cols.is_multiple_of(BLOCK))
}

/// `out[i, r - rows.start]` = weight row r times input row `tokens[i]`; `out` is [tokens.len(), rows.len()]. On this thread.
pub(crate) fn product(
    level: Level,
    matrix: &Matrix,
    input: &Input,
    tokens: &[u32],
    rows: Range<usize>,
    out: &mut [f32],
) {
    if let Some(weights) = &matrix.int8 {
        return int8::product(level, weights, input.int8(), tokens, rows, out);
    }
    match matrix.linear.dtype {
        Dtype::F8E4M3 => product_of::<E4m3>(level, matrix, input, tokens, rows, out),
        Dtype::Bf16 => product_of::<Bf16>(level, matrix, input, tokens, rows, out),
        _ => product_of::<F32>(level, matrix, input, tokens, rows, out),
    }
}

fn product_of<E: Element>(
    level: Level,
    matrix: &Matrix,
    input: &Input,
    tokens: &[u32],
    rows: Range<usize>,
    out: &mut [f32],
) {
    let x = input.rows_for(matrix.linear.dtype);
    let weights = matrix.view();
    if tokens.len() > MANY {
        let x_scales: Vec<&[f32]> = tokens.iter().map(|&token| x.group_scales(token as usize)).collect();
        let x: Vec<&[f32]> = tokens.iter().map(|&token| x.row(token as usize)).collect();
        let element = PhantomData::<E>;
        dispatch(level, many::Many { weights, x: &x, x_scales: &x_scales, rows, out, element });
        return;
    }
    let count = rows.len();
    for (tokens, out) in tokens.chunks(FEW).zip(out.chunks_mut(FEW * count.max(1))) {
        let rows = rows.clone();
        match tokens.len() {
            1 => few_rows::<E, 1>(level, weights, x, tokens, rows, out),
            2 => few_rows::<E, 2>(level, weights, x, tokens, rows, out),
            3 => few_rows::<E, 3>(level, weights, x, tokens, rows, out),
            _ => few_rows::<E, FEW>(level, weights, x, tokens, rows, out),
        }
    }
}

fn few_rows<E: Element, const T: usize>(
    level: Level,
    weights: RowsOf<'_>,
    x: &Rows,
    tokens: &[u32],
    rows: Range<usize>,
    out: &mut [f32],
) {
    let tokens: [usize; T] = std::array::from_fn(|t| tokens[t] as usize);
    let (x, x_scales) = (tokens.map(|token| x.row(token)), tokens.map(|token| x.group_scales(token)));
    dispatch(level, few::Few { weights, x, x_scales, rows, out, element: PhantomData::<E> });
}

/// How many weight rows make one task: enough bytes to be worth it, whole groups, and work for every thread.
pub(crate) fn task_rows(matrix: &Matrix, tokens: usize, threads: usize) -> usize {
    let rows = if tokens > MANY { many::RUN_ROWS } else { TASK_BYTES.div_ceil(matrix.row_bytes().max(1)) };
    // Several tasks for each thread, so that none waits long for another's last one.
    let share = matrix.rows().div_ceil(4 * threads);
    rows.min(share).max(1).next_multiple_of(int8::GROUP)
}

/// y = W x for all rows of the input, by all threads.
pub(crate) fn linear(backend: &CpuBackend, matrix: &Matrix, input: &Input) -> Act {
    let mut out = Act::zeroed(input.plain.count, matrix.rows());
    linear_into(backend, matrix, input, &mut out, |y, sums| y.copy_from_slice(sums));
    out
}

/// Applies `join(out[t, rows], sums)` to every row of outputs, by all threads.
pub(crate) fn linear_into(
    backend: &CpuBackend,
    matrix: &Matrix,
    input: &Input,
    out: &mut Act,
    join: impl Fn(&mut [f32], &[f32]) + Sync,
) {
    let tokens: Vec<u32> = (0..input.plain.count as u32).collect();
    // Prepared once, before the threads would each wait for it.
    input.prepare(matrix);
    let step = task_rows(matrix, tokens.len(), backend.pool.threads());
    let (height, width) = (matrix.rows(), out.width);
    let parts = Parts::new(&mut out.values);
    let cost = height * input.plain.stride * tokens.len();
    backend.pool.run(height.div_ceil(step), cost, &|task| {
        let rows = task * step..height.min((task + 1) * step);
        let mut sums = crate::buffers::buffer(tokens.len() * rows.len());
        product(backend.level, matrix, input, &tokens, rows.clone(), &mut sums);
        for (t, sums) in sums.chunks_exact(rows.len()).enumerate() {
            // SAFETY: tasks have disjoint rows of the weight, hence disjoint columns of every output row.
            join(unsafe { parts.part(t * width + rows.start, rows.len()) }, sums);
        }
    });
}

#[cfg(test)]
mod tests;
