//! gemv: bytes of weights per second of matrix-vector products straight from the mapped checkpoint, beside a streaming read (C1).

use std::time::Instant;

use mimokit_checkpoint::{Checkpoint, Dtype, Linear, Place};
use mimokit_cpu::{Act, Matrix};
use mimokit_model::backend::Backend;
use mimokit_model::kv::KvDtype;

use crate::limits::Memory;
use crate::report::Row;
use crate::{PROBE_BYTES, backend, real, thread_counts, threads_in_words};

/// Matrix-vector products over weights that no cache holds: several matrices of a shape, one after the other.
pub fn run(rounds: usize) {
    let [global, sliding, dense] = ["global-moe", "sliding-moe", "dense-mtp"].map(real::open);
    let layer = Place::Layer(0);
    let experts = |part: fn(&Checkpoint, usize) -> Linear| (0..64).map(|e| part(&global, e)).collect::<Vec<_>>();
    let attentions = [(&global, layer), (&sliding, layer), (&dense, layer), (&dense, Place::Mtp(0))]
        .map(|(checkpoint, place)| checkpoint.attention(place).expect("tensors"));
    let feed_forwards = [layer, Place::Mtp(0)].map(|place| dense.dense_ffn(place).expect("a feed-forward"));
    let q: Vec<Linear> = attentions.iter().map(|tensors| tensors.q.clone()).collect();
    let o: Vec<Linear> = attentions.iter().map(|tensors| tensors.o.clone()).collect();
    let up: Vec<Linear> = feed_forwards.iter().flat_map(|ffn| [ffn.gate.clone(), ffn.up.clone()]).collect();
    let down: Vec<Linear> = feed_forwards.iter().map(|ffn| ffn.down.clone()).collect();
    // Name, matrices, and how many of them are one measurement.
    let sets = [
        ("q_proj", q, 1),
        ("expert gate", experts(|checkpoint, e| checkpoint.expert(0, e, 2048).expect("an expert").gate), 8),
        ("expert down", experts(|checkpoint, e| checkpoint.expert(0, e, 2048).expect("an expert").down), 8),
        ("dense gate, up", up, 1),
        ("dense down", down, 1),
        ("o_proj", o, 1),
        ("lm_head", vec![global.head().expect("a head").expect("a head of its own")], 1),
    ];
    for bytes in sets.iter().flat_map(|(_, linears, _)| linears).map(|linear| &linear.bytes) {
        // From the disk, before the clock runs.
        std::hint::black_box(bytes.iter().step_by(4096).fold(0, |sum, byte| sum ^ byte));
    }
    let mut memory = Memory::new(1 << 30);
    for threads in thread_counts() {
        let backend = backend(threads, KvDtype::F32);
        let limit = format!("streaming read, {}", threads_in_words(threads));
        let mut rows = Vec::new();
        let mut work: Vec<(Vec<Matrix>, Act, usize)> = Vec::new();
        for (name, linears, each) in &sets {
            let Linear { rows: height, cols, dtype, .. } = linears[0];
            let shape = format!("{name} [{height}, {cols}], {}", threads_in_words(threads));
            let row = Row::new(format!("gemv {}", dtype.name()), shape, "GB/s").bounded_by(&limit);
            let is_goal = dtype == Dtype::F8E4M3 && threads > 1;
            rows.push(if is_goal { row.deciding("C1", 0.88) } else { row });
            let matrices = linears.iter().map(|linear| backend.upload_matrix(linear).expect("a weight")).collect();
            work.push((matrices, real::rows(&backend, 1, cols, 1), *each));
        }
        for round in 0..rounds + 1 {
            for (row, ((matrices, x, each), (_, linears, _))) in rows.iter_mut().zip(work.iter().zip(&sets)) {
                let limit = memory.read(PROBE_BYTES, threads);
                // Wakes the engine's threads, as the op before would have.
                std::hint::black_box(backend.multiply(&matrices[0], x));
                let start = Instant::now();
                let mut bytes = 0;
                for i in 0..*each {
                    let at = (round * each + i + 1) % matrices.len();
                    bytes += linears[at].bytes.len();
                    std::hint::black_box(backend.multiply(&matrices[at], x));
                }
                let rate = bytes as f64 / start.elapsed().as_secs_f64();
                if round > 0 {
                    row.values.push(rate / 1e9);
                    row.bounds.push(limit / 1e9);
                }
            }
        }
        rows.iter().for_each(Row::print);
    }
}
