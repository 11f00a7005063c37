//! Speed of matrix products per level and batch: bytes of weights and multiply-adds per second on one thread.
//! `cargo bench -p mimokit_cpu --bench ops`. Prints one line a shape; meant for a quiet machine.

use std::sync::Arc;
use std::time::Instant;

use mimokit_checkpoint::{BlockScales, Dtype, Linear, SharedBytes};
use mimokit_cpu::{CpuBackend, CpuOptions, Level};
use mimokit_model::backend::Backend;

const ROWS: usize = 8192;
const COLUMNS: usize = 4096;

fn weight(dtype: Dtype) -> Linear {
    let bytes =
        (0..ROWS * COLUMNS * dtype.bytes()).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8 & 0xbf);
    let col_blocks = COLUMNS / 128;
    let scales = (dtype == Dtype::F8E4M3).then(|| BlockScales {
        block_cols: 128,
        col_blocks,
        row_index: (0..ROWS as u32).map(|row| row / 128).collect(),
        values: vec![1e-3; ROWS / 128 * col_blocks].into(),
    });
    let bytes = SharedBytes::owned(bytes.collect());
    Linear { name: "bench".into(), rows: ROWS, cols: COLUMNS, dtype, bytes, scales }
}

fn main() {
    // `cargo test` runs benches too: then one small round is enough.
    let rounds = if std::env::args().any(|arg| arg == "--bench") { 7 } else { 1 };
    for dtype in [Dtype::F8E4M3, Dtype::Bf16] {
        let weight = weight(dtype);
        for level in Level::available().into_iter().filter(|level| *level != Level::Scalar) {
            for rows in [1, 2, 4, 8, 24, 96] {
                let options = CpuOptions { threads: Some(1), level: Some(level), ..CpuOptions::default() };
                let backend = CpuBackend::new(&options).expect("a backend");
                let head = backend.upload_matrix(&weight).expect("a weight");
                let norm = backend.upload_vector(&vec![1.0; COLUMNS]).expect("a norm");
                let x = backend.write(&vec![0.5; rows * COLUMNS], COLUMNS).expect("rows");
                let all: Arc<[u32]> = (0..rows as u32).collect();
                let mut best = f64::INFINITY;
                for _ in 0..rounds {
                    let start = Instant::now();
                    let out = backend.lm_head(&x, &all, &norm, 1e-5, &head).expect("logits");
                    best = best.min(start.elapsed().as_secs_f64());
                    std::hint::black_box(&out);
                }
                let bytes = (ROWS * COLUMNS * dtype.bytes()) as f64;
                let flops = (2 * rows * ROWS * COLUMNS) as f64;
                println!(
                    "lm_head {:8} {:7} rows {rows:3}  {:7.2} ms  {:6.1} GB/s  {:6.1} GFLOP/s",
                    dtype.name(),
                    level.name(),
                    best * 1e3,
                    bytes / best / 1e9,
                    flops / best / 1e9
                );
            }
        }
    }
}
