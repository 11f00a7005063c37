//! gemm: prefill of experts, many rows each, beside multiply-adds in registers (C3); and that its bits are those of single rows.

use std::time::Instant;

use mimokit_checkpoint::{Dtype, Linear, SharedBytes};
use mimokit_cpu::{Act, CpuBackend};
use mimokit_model::backend::{Backend, ExpertSource};
use mimokit_model::kv::KvDtype;
use mimokit_model::weights::MoeWeights;

use crate::limits::multiply_adds;
use crate::report::Row;
use crate::{backend, real, thread_counts, threads_in_words};

/// An MoE layer of four experts, each of which gets the same number of rows: the first columns of a row say which.
/// `only`: that number of rows alone.
pub fn run(rounds: usize, only: Option<usize>) {
    const EXPERTS: usize = 4;
    let checkpoint = real::open("global-moe");
    for threads in thread_counts() {
        let backend = backend(threads, KvDtype::F32);
        let experts = (0..EXPERTS).map(|expert| {
            let tensors = checkpoint.expert(0, expert, 2048).expect("an expert");
            ExpertSource { gate: tensors.gate, up: tensors.up, down: tensors.down }
        });
        let gate: Vec<u8> = (0..EXPERTS * real::HIDDEN)
            .flat_map(|i| (if i / real::HIDDEN == i % real::HIDDEN { 1.0_f32 } else { 0.0 }).to_le_bytes())
            .collect();
        let gate = Linear {
            name: "gate".into(),
            rows: EXPERTS,
            cols: real::HIDDEN,
            dtype: Dtype::F32,
            bytes: SharedBytes::owned(gate),
            scales: None,
        };
        let weights = MoeWeights {
            norm: vec![1.0; real::HIDDEN],
            eps: 1e-5,
            gate: backend.upload_matrix(&gate).expect("a gate"),
            selection_bias: vec![0.0; EXPERTS],
            experts: backend.upload_experts(experts.collect()).expect("experts"),
            expert_count: EXPERTS,
            top_k: 1,
            normalise: false,
            scale: 1.0,
        };
        for each in only.map_or(vec![96, 24, 12, 6], |each| vec![each]) {
            let count = EXPERTS * each;
            let mut values = real::noise(count * real::HIDDEN, each as u64);
            for row in 0..count {
                values[row * real::HIDDEN..][..EXPERTS].fill(-9.0);
                values[row * real::HIDDEN + row % EXPERTS] = 9.0;
            }
            let x = backend.write(&values, real::HIDDEN).expect("rows");
            let routes = backend.router(&x, &weights).expect("routes");
            let target = match each {
                96 => Some(0.88),
                24 => Some(0.80),
                _ => None,
            };
            let shape = format!("{EXPERTS} experts, {each} rows each, {}", threads_in_words(threads));
            let bound = format!("multiply-adds in registers, {}", threads_in_words(threads));
            let mut row = Row::new("moe, grouped E4M3 GEMM", shape, "GFLOP/s").bounded_by(bound);
            if let Some(target) = target {
                row = row.deciding("C3", target);
            }
            let flops = (2 * 3 * count * real::HIDDEN * 2048) as f64;
            let mut y = x.clone();
            for round in 0..rounds + 1 {
                let before = multiply_adds(backend.level(), threads);
                y = x.clone();
                let start = Instant::now();
                backend.moe(&routes, &weights, &mut y).expect("sums");
                let seconds = start.elapsed().as_secs_f64();
                if round > 0 {
                    row.values.push(flops / seconds / 1e9);
                    row.bounds.push(before.max(multiply_adds(backend.level(), threads)) / 1e9);
                }
            }
            row.print();
            let differing = differing_bits(&backend, &weights, &x, &y);
            assert_eq!(differing, 0, "{differing} outputs differ from those of a row alone");
        }
    }
}

/// Outputs of a batch that differ in a bit from those of the row alone (a matrix-vector product); eight rows are looked at.
fn differing_bits(backend: &CpuBackend, weights: &MoeWeights<CpuBackend>, x: &Act, y: &Act) -> usize {
    let (x, y) = (backend.read(x).expect("rows"), backend.read(y).expect("rows"));
    let rows = x.len() / real::HIDDEN;
    (0..8)
        .map(|i| {
            let range = i * (rows - 1) / 7 * real::HIDDEN..(i * (rows - 1) / 7 + 1) * real::HIDDEN;
            let mut alone = backend.write(&x[range.clone()], real::HIDDEN).expect("a row");
            let routes = backend.router(&alone, weights).expect("routes");
            backend.moe(&routes, weights, &mut alone).expect("sums");
            let alone = backend.read(&alone).expect("a row");
            alone.iter().zip(&y[range]).filter(|(a, b)| a.to_bits() != b.to_bits()).count()
        })
        .sum()
}
