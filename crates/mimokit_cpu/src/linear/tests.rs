//! Laws of the matrix product: every level, batch size and split gives the same bits; and the numbers are right.

use std::sync::Arc;

use mimokit_checkpoint::{BlockScales, Dtype, Linear, SharedBytes};
use proptest::prelude::*;

use super::{Input, Matrix, Rows, product};
use crate::fp8;
use crate::simd::Level;

/// Numbers that look like weights, from a counter: the same on every run.
fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / 8_388_608.0 - 1.0
    }
}

fn matrix(dtype: Dtype, rows: usize, cols: usize, block_cols: usize, seed: u64) -> Matrix {
    let mut next = noise(seed);
    let mut bytes = Vec::new();
    for _ in 0..rows * cols {
        let x = next();
        match dtype {
            Dtype::F32 => bytes.extend(x.to_le_bytes()),
            Dtype::Bf16 => bytes.extend(((x.to_bits() >> 16) as u16).to_le_bytes()),
            // Every binade, subnormals included.
            _ => bytes.push(fp8::encode(x * x * x * x * 448.0 * x.signum())),
        }
    }
    let scales = (dtype == Dtype::F8E4M3).then(|| {
        let col_blocks = cols.div_ceil(block_cols);
        BlockScales {
            block_cols,
            col_blocks,
            // A grid that restarts: not row / 128.
            row_index: (0..rows).map(|row| (row / 48) as u32).collect(),
            values: (0..rows.div_ceil(48) * col_blocks).map(|_| next().abs() + 0.01).collect::<Arc<[f32]>>(),
        }
    });
    let linear = Linear { name: "test".into(), rows, cols, dtype, bytes: SharedBytes::owned(bytes), scales };
    Matrix::new(&linear).expect("a matrix")
}

fn input(count: usize, width: usize, quantise: bool) -> Input {
    let mut next = noise(7);
    let mut rows = Rows::zeroed(count, width);
    for row in 0..count {
        for column in 0..width {
            rows.values[row * rows.stride + column] = next() * 3.0;
        }
    }
    Input::new(rows, width, quantise)
}

fn products(level: Level, matrix: &Matrix, input: &Input, tokens: &[u32]) -> Vec<u32> {
    let mut out = vec![f32::NAN; tokens.len() * matrix.rows()];
    product(level, matrix, input, tokens, 0..matrix.rows(), &mut out);
    out.into_iter().map(f32::to_bits).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_level_and_any_batch_give_the_bits_of_the_single_row(
        rows in 1_usize..70,
        cols in 1_usize..1200,
        count in 1_usize..60,
        dtype in prop::sample::select(vec![Dtype::F32, Dtype::Bf16, Dtype::F8E4M3]),
        block_cols in prop::sample::select(vec![128, 128, 16, 32, 64, 256]),
        quantise in any::<bool>(),
        seed in any::<u64>(),
    ) {
        let matrix = matrix(dtype, rows, cols, block_cols, seed);
        let input = input(count, cols, quantise);
        let tokens: Vec<u32> = (0..count as u32).collect();
        let single: Vec<u32> =
            tokens.iter().flat_map(|&token| products(Level::Scalar, &matrix, &input, &[token])).collect();
        for level in Level::available() {
            prop_assert_eq!(&products(level, &matrix, &input, &tokens), &single, "{:?}", level);
            for size in [1, 2, 3, 4, 7] {
                let parts: Vec<u32> =
                    tokens.chunks(size).flat_map(|part| products(level, &matrix, &input, part)).collect();
                prop_assert_eq!(&parts, &single, "{:?} in batches of {}", level, size);
            }
        }
    }
}

#[test]
fn sums_agree_with_f64() {
    for dtype in [Dtype::F32, Dtype::Bf16, Dtype::F8E4M3] {
        let matrix = matrix(dtype, 50, 700, 128, 3);
        let input = input(2, 700, false);
        let mut weights = vec![0.0; 700];
        for row in 0..50 {
            matrix.decode_row(row, &mut weights);
            for token in 0..2 {
                let x = input.plain.row(token);
                let exact: f64 = weights.iter().zip(x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
                let size: f64 = weights.iter().zip(x).map(|(w, x)| (f64::from(*w) * f64::from(*x)).abs()).sum();
                let found = f32::from_bits(products(Level::detected(), &matrix, &input, &[token as u32])[row]);
                assert!((f64::from(found) - exact).abs() <= 1e-6 * size, "{dtype:?} row {row}: {found} for {exact}");
            }
        }
    }
}
