// Deterministic inputs: numbers, vectors, and linears in each stored type.

use std::sync::Arc;

use mimokit_checkpoint::{BlockScales, Dtype, Linear, SharedBytes};

use crate::fp8::f32_to_e4m3;
use crate::linear::round_to_bf16;

/// A small generator (SplitMix64): the same inputs on every machine.
pub struct Inputs(u64);

/// How a linear is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    F32,
    Bf16,
    /// With blocks of rows and columns.
    Fp8([usize; 2]),
}

pub const FP8: Stored = Stored::Fp8([128, 128]);

impl Inputs {
    pub fn new(seed: u64) -> Inputs {
        Inputs(seed)
    }

    pub fn integer(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Roughly normal, standard deviation 1.
    pub fn number(&mut self) -> f32 {
        let sum: f64 = (0..4).map(|_| (self.integer() >> 11) as f64 / (1u64 << 53) as f64 - 0.5).sum();
        (sum * 3f64.sqrt()) as f32
    }

    pub fn numbers(&mut self, count: usize, deviation: f32) -> Vec<f32> {
        (0..count).map(|_| self.number() * deviation).collect()
    }

    /// Norm weights around 1.
    pub fn norm(&mut self, count: usize) -> Vec<f32> {
        (0..count).map(|_| 1.0 + 0.2 * self.number()).collect()
    }

    pub fn ids(&mut self, count: usize, below: usize) -> Vec<u32> {
        (0..count).map(|_| (self.integer() % below as u64) as u32).collect()
    }

    /// A linear whose outputs have about the size of its inputs.
    pub fn linear(&mut self, rows: usize, cols: usize, stored: Stored) -> Linear {
        let values = self.numbers(rows * cols, 1.0 / (cols as f32).sqrt());
        let (dtype, bytes, scales) = match stored {
            Stored::F32 => (Dtype::F32, values.iter().flat_map(|value| value.to_le_bytes()).collect(), None),
            Stored::Bf16 => {
                let halves = values.iter().map(|value| (round_to_bf16(*value).to_bits() >> 16) as u16);
                (Dtype::Bf16, halves.flat_map(u16::to_le_bytes).collect(), None)
            }
            Stored::Fp8(block) => {
                let (bytes, scales) = quantise(&values, rows, cols, block);
                (Dtype::F8E4M3, bytes, Some(scales))
            }
        };
        // One byte in front, so that nothing relies on alignment.
        let padded: Vec<u8> = std::iter::once(0).chain(bytes).collect();
        let bytes = SharedBytes::owned(padded);
        let bytes = bytes.slice(1..bytes.len());
        Linear { name: format!("{dtype:?} {rows}x{cols}"), rows, cols, dtype, bytes, scales }
    }
}

fn quantise(values: &[f32], rows: usize, cols: usize, block: [usize; 2]) -> (Vec<u8>, BlockScales) {
    let col_blocks = cols.div_ceil(block[1]);
    let mut scales = vec![1e-10f32; rows.div_ceil(block[0]) * col_blocks];
    let at = |index: usize| (index / cols / block[0]) * col_blocks + index % cols / block[1];
    for (index, value) in values.iter().enumerate() {
        let scale = &mut scales[at(index)];
        *scale = scale.max(value.abs() / 448.0);
    }
    let bytes = values.iter().enumerate().map(|(index, value)| f32_to_e4m3(value / scales[at(index)])).collect();
    let row_index: Arc<[u32]> = (0..rows).map(|row| (row / block[0]) as u32).collect();
    (bytes, BlockScales { block_cols: block[1], col_blocks, row_index, values: scales.into() })
}
