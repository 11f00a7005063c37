//! INT8 products: bit-equal on every level, alone and among others, and as near to the exact ones as rounding allows.

use mimokit_checkpoint::{Dtype, Linear, SharedBytes};

use super::*;

/// Floats in -1 .. 1 with a few large ones.
fn floats(count: usize, seed: u32) -> Vec<f32> {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(12345);
    (0..count)
        .map(|index| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let x = (state >> 8) as f32 / (1 << 23) as f32 - 1.0;
            if index % 97 == 0 { 8.0 * x } else { x }
        })
        .collect()
}

fn matrix(rows: usize, columns: usize, values: &[f32]) -> Matrix {
    let bytes: Vec<u8> = values.iter().flat_map(|x| x.to_le_bytes()).collect();
    let bytes = SharedBytes::owned(bytes);
    let linear = Linear { name: "w".into(), rows, cols: columns, dtype: Dtype::F32, bytes, scales: None };
    Matrix::new(&linear).expect("a matrix")
}

fn rows(count: usize, width: usize, values: &[f32]) -> Rows {
    let mut rows = Rows::zeroed(count, width);
    for row in 0..count {
        rows.values[row * rows.stride..][..width].copy_from_slice(&values[row * width..(row + 1) * width]);
    }
    rows
}

fn all(level: Level, weights: &Packed, input: &Rows8, tokens: &[u32]) -> Vec<u32> {
    let mut out = vec![f32::NAN; tokens.len() * weights.rows];
    product(level, weights, input, tokens, 0..weights.rows, &mut out);
    out.iter().map(|x| x.to_bits()).collect()
}

const SHAPES: [(usize, usize); 6] = [(48, 576), (33, 1536), (16, 128), (7, 100), (50, 3), (64, 130)];

#[test]
fn every_level_gives_the_bits_of_the_plain_one() {
    for (height, width) in SHAPES {
        let weights = Packed::new(&matrix(height, width, &floats(height * width, 1)));
        for count in [1, 2, 3, 5, 12, 31] {
            let input = Rows8::new(&rows(count, width, &floats(count * width, 2)), width);
            let tokens: Vec<u32> = (0..count as u32).collect();
            let plain = all(Level::Scalar, &weights, &input, &tokens);
            for level in Level::available() {
                let instructions = instructions(level);
                assert!(all(level, &weights, &input, &tokens) == plain, "{instructions}, {height} x {width}, {count}");
            }
        }
    }
}

#[test]
fn a_row_gives_the_same_bits_alone_and_in_any_part_of_the_weight() {
    let (height, width, count) = (50, 576, 20);
    let weights = Packed::new(&matrix(height, width, &floats(height * width, 3)));
    let input = Rows8::new(&rows(count, width, &floats(count * width, 4)), width);
    for level in Level::available() {
        let together = all(level, &weights, &input, &(0..count as u32).collect::<Vec<_>>());
        for token in 0..count {
            assert_eq!(all(level, &weights, &input, &[token as u32]), together[token * height..(token + 1) * height]);
        }
        for part in [0..16, 16..48, 32..50, 48..50] {
            let mut out = vec![0.0; 3 * part.len()];
            product(level, &weights, &input, &[4, 9, 2], part.clone(), &mut out);
            for (sums, token) in out.chunks(part.len()).zip([4, 9, 2]) {
                let bits: Vec<u32> = sums.iter().map(|x| x.to_bits()).collect();
                assert_eq!(bits, together[token * height + part.start..token * height + part.end]);
            }
        }
    }
}

#[test]
fn the_error_is_what_rounding_both_sides_allows() {
    for (height, width) in SHAPES {
        let (w, x) = (floats(height * width, 5), floats(width, 6));
        let weights = Packed::new(&matrix(height, width, &w));
        let input = Rows8::new(&rows(1, width, &x), width);
        let mut out = vec![0.0; height];
        product(Level::detected(), &weights, &input, &[0], 0..height, &mut out);
        for row in 0..height {
            let w = &w[row * width..(row + 1) * width];
            let exact: f64 = w.iter().zip(&x).map(|(w, x)| f64::from(*w) * f64::from(*x)).sum();
            // Half a step of a side times the largest of the other side, for every column of a block.
            let bound: f64 = w
                .chunks(BLOCK)
                .zip(x.chunks(BLOCK))
                .map(|(w, x)| {
                    let most = |block: &[f32]| block.iter().fold(0.0_f64, |most, x| most.max(f64::from(x.abs())));
                    1.01 * w.len() as f64 * most(w) * most(x) / 127.0
                })
                .sum();
            let error = (f64::from(out[row]) - exact).abs();
            assert!(error <= bound, "row {row} of {height} x {width}: {error} > {bound}");
        }
    }
}

#[test]
fn whole_numbers_up_to_127_are_exact() {
    let width = 300;
    let numbers = |seed: u32| -> Vec<f32> {
        let mut numbers: Vec<f32> = floats(width, seed).iter().map(|x| (x * 15.0).round()).collect();
        // A block's largest magnitude is 127, so its scale is one.
        for block in numbers.chunks_mut(BLOCK) {
            block[0] = -127.0;
        }
        numbers
    };
    let (w, x) = (numbers(7), numbers(8));
    let weights = Packed::new(&matrix(1, width, &w));
    let mut out = [0.0];
    product(Level::detected(), &weights, &Rows8::new(&rows(1, width, &x), width), &[0], 0..1, &mut out);
    assert_eq!(out[0], w.iter().zip(&x).map(|(w, x)| w * x).sum::<f32>());
}

#[test]
fn zeros_give_zero_and_a_nan_gives_nan() {
    let (height, width) = (20, 200);
    let weights = Packed::new(&matrix(height, width, &floats(height * width, 9)));
    for (broken, is_expected) in [(0.0, (|x: f32| x == 0.0) as fn(f32) -> bool), (f32::NAN, f32::is_nan)] {
        let mut x = vec![0.0; width];
        x[150] = broken;
        for level in Level::available() {
            let mut out = vec![1.0; height];
            product(level, &weights, &Rows8::new(&rows(1, width, &x), width), &[0], 0..height, &mut out);
            assert!(out.iter().all(|&x| is_expected(x)));
        }
    }
}
