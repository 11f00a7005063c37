// A linear's weight as plain FP32 numbers, and its product with rows, summed in FP64.

use mimokit_checkpoint::{Dtype, Linear};

use crate::fp8::{e4m3_to_f32, round_groups};
use crate::rows::Rows;

/// [rows, cols], dequantised.
#[derive(Debug)]
pub struct Matrix {
    pub rows: usize,
    pub cols: usize,
    values: Vec<f32>,
    is_fp8: bool,
}

impl Matrix {
    pub fn new(linear: &Linear) -> Matrix {
        let values = match (linear.dtype, &linear.scales) {
            (Dtype::F8E4M3, Some(scales)) => (0..linear.rows * linear.cols)
                .map(|index| {
                    let (row, col) = (index / linear.cols, index % linear.cols);
                    e4m3_to_f32(linear.bytes[index]) * scales.row(row)[col / scales.block_cols]
                })
                .collect(),
            (Dtype::Bf16, None) => linear.bytes.as_chunks::<2>().0.iter().map(|bytes| bf16_to_f32(*bytes)).collect(),
            (Dtype::F32, None) => {
                linear.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
            }
            (dtype, scales) => panic!("{}: no linear has {dtype:?} with scales {}", linear.name, scales.is_some()),
        };
        Matrix { rows: linear.rows, cols: linear.cols, values, is_fp8: linear.dtype == Dtype::F8E4M3 }
    }

    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.cols..(row + 1) * self.cols]
    }

    /// x W^T for one row; `quantise` rounds the input first if the weight is FP8.
    pub fn apply(&self, x: &[f32], quantise: bool) -> Vec<f32> {
        let rounded;
        let input = if quantise && self.is_fp8 {
            rounded = round_groups(x, 128);
            &rounded
        } else {
            x
        };
        (0..self.rows).map(|row| dot(self.row(row), input) as f32).collect()
    }

    pub fn apply_rows(&self, x: &Rows, quantise: bool) -> Rows {
        x.map(self.rows, |row| self.apply(row, quantise))
    }
}

pub fn bf16_to_f32(bytes: [u8; 2]) -> f32 {
    f32::from_bits(u32::from(u16::from_le_bytes(bytes)) << 16)
}

/// Rounds to the nearest BF16, ties to even.
pub fn round_to_bf16(value: f32) -> f32 {
    if value.is_nan() {
        return value;
    }
    let bits = value.to_bits();
    f32::from_bits(bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & 0xffff_0000)
}

/// Sum of products in FP64, in eight interleaved partial sums (so that tests need not wait for one long chain of additions).
pub fn dot(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len(), "equal lengths");
    let (a_chunks, a_rest) = a.as_chunks::<8>();
    let (b_chunks, b_rest) = b.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..8 {
            sums[lane] += f64::from(a[lane]) * f64::from(b[lane]);
        }
    }
    let rest: f64 = a_rest.iter().zip(b_rest).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum();
    sums.iter().sum::<f64>() + rest
}

/// x / sqrt(mean(x^2) + eps) * weight.
pub fn rms_norm(x: &[f32], weight: &[f32], eps: f32) -> Vec<f32> {
    let mean = x.iter().map(|value| f64::from(*value).powi(2)).sum::<f64>() / x.len() as f64;
    let factor = 1.0 / (mean + f64::from(eps)).sqrt();
    x.iter().zip(weight).map(|(value, weight)| (f64::from(*value) * factor * f64::from(*weight)) as f32).collect()
}
