//! attention: one decoded token at 32k of global context beside a streaming read and multiply-adds in registers, the larger of
//! which is its bound; a window at several contexts (C5).

use std::time::Instant;

use mimokit_checkpoint::{Dtype, Linear, SharedBytes};
use mimokit_cpu::{CpuBackend, Kv};
use mimokit_model::backend::{Backend, Qkv, Queries};
use mimokit_model::kv::{KvDtype, KvLayout, KvShape};
use mimokit_model::pass::{Pass, Span};
use mimokit_model::weights::{AttentionShape, AttentionWeights};

use crate::limits::{Memory, multiply_adds};
use crate::report::Row;
use crate::{PROBE_BYTES, backend, real, thread_counts, threads_in_words};

const GLOBAL: KvShape = KvShape { kv_heads: 4, qk_dim: 192, v_dim: 128 };
const SLIDING: KvShape = KvShape { kv_heads: 8, qk_dim: 192, v_dim: 128 };
const BLOCK_TOKENS: usize = 32;
const HEADS: usize = 64;

pub fn run(rounds: usize) {
    for threads in thread_counts() {
        for kv in [KvDtype::Bf16, KvDtype::Fp8, KvDtype::F32] {
            global_attention(rounds, threads, kv);
        }
    }
    window_attention(rounds);
}

/// Weights of which attention reads only the shape and the sinks.
fn shape_only(backend: &CpuBackend, shape: KvShape, window_keys: Option<usize>) -> AttentionWeights<CpuBackend> {
    let bytes = SharedBytes::owned(vec![0; 4]);
    let dtype = Dtype::F32;
    let nothing = Linear { name: "none".into(), rows: 1, cols: 1, dtype, bytes, scales: None };
    let matrix = || backend.upload_matrix(&nothing).expect("a weight");
    AttentionWeights {
        shape: AttentionShape {
            heads: HEADS,
            kv_heads: shape.kv_heads,
            qk_dim: shape.qk_dim,
            v_dim: shape.v_dim,
            rope: 0,
            value_scale: 1.0,
            window_keys,
            eps: 1e-5,
        },
        norm: Vec::new(),
        q: matrix(),
        k: matrix(),
        v: matrix(),
        biases: None,
        o: matrix(),
        sinks: window_keys.map(|_| vec![0.5; HEADS]),
    }
}

fn qkv(backend: &CpuBackend, shape: KvShape, rows: usize, seed: u64) -> Qkv<CpuBackend> {
    Qkv {
        q: real::rows(backend, rows, HEADS * shape.qk_dim, seed),
        k: real::rows(backend, rows, shape.kv_heads * shape.qk_dim, seed + 1),
        v: real::rows(backend, rows, shape.kv_heads * shape.v_dim, seed + 2),
    }
}

/// One sequence's positions `start .. start + rows`.
fn pass(start: usize, rows: usize, blocks: usize) -> Pass {
    Pass {
        ids: vec![0; rows],
        positions: (start as u32..(start + rows) as u32).collect(),
        spans: vec![Span { rows: 0..rows, start: start as u32, window: 0, blocks: 0..blocks }],
        blocks: (0..blocks as u32).collect(),
    }
}

fn global_attention(rounds: usize, threads: usize, kv_dtype: KvDtype) {
    const CONTEXT: usize = 32 * 1024;
    // Layers that are read in turn, so that no cache holds them.
    const LAYERS: usize = 4;
    let backend = backend(threads, kv_dtype);
    let layout = KvLayout {
        block_tokens: BLOCK_TOKENS,
        blocks: CONTEXT / BLOCK_TOKENS,
        windows: 1,
        global: vec![GLOBAL; LAYERS],
        rings: Vec::new(),
        ring: 1,
        kept_hidden: 0,
        hidden: 0,
    };
    let mut kv = backend.kv_new(&layout).expect("memory");
    let weights = shape_only(&backend, GLOBAL, None);
    let run = |kv: &mut Kv, start: usize, qkv: &Qkv<CpuBackend>, rows: usize, layer: usize, queries: Queries<'_>| {
        let step = backend.begin(&pass(start, rows, layout.blocks), &[]).expect("a step");
        let begun = Instant::now();
        let out = backend.attn_global(&step, qkv, &weights, kv, layer, queries).expect("attention");
        std::hint::black_box(out);
        begun.elapsed().as_secs_f64()
    };
    const CHUNK: usize = 1024;
    let fresh = qkv(&backend, GLOBAL, CHUNK, 3);
    for start in (0..CONTEXT).step_by(CHUNK) {
        for layer in 0..LAYERS {
            run(&mut kv, start, &fresh, CHUNK, layer, Queries::Rows(&[]));
        }
    }
    let name = match kv_dtype {
        KvDtype::F32 => "FP32",
        KvDtype::Bf16 => "BF16",
        KvDtype::Fp8 => "FP8",
    };
    let bytes = (CONTEXT * GLOBAL.bytes(kv_dtype)) as f64;
    let flops = (2 * CONTEXT * HEADS * (GLOBAL.qk_dim + GLOBAL.v_dim)) as f64;
    let shape = format!("1 row, context {CONTEXT}, {name} KV, {}", threads_in_words(threads));
    let in_words = threads_in_words(threads);
    let mut read = Row::new("attn_global, bytes", &shape, "GB/s").bounded_by(format!("streaming read, {in_words}"));
    let mut sums = Row::new("attn_global, multiply-adds", &shape, "GFLOP/s")
        .bounded_by(format!("multiply-adds in registers, {in_words}"));
    if threads > 1 && kv_dtype != KvDtype::F32 {
        read = read.deciding("C5", 0.85);
    }
    let mut best = Row::new("attn_global, what binds", &shape, "GFLOP/s").bounded_by(format!(
        "the lower of multiply-adds in registers and streaming read times FLOP a byte, {in_words}"
    ));
    let mut memory = Memory::new(1 << 30);
    let one = qkv(&backend, GLOBAL, 1, 9);
    for round in 0..rounds + 1 {
        let bandwidth = memory.read(PROBE_BYTES, threads);
        let peak = multiply_adds(backend.level(), threads);
        let seconds = run(&mut kv, CONTEXT - 1, &one, 1, round % LAYERS, Queries::All);
        if round > 0 {
            read.values.push(bytes / seconds / 1e9);
            read.bounds.push(bandwidth / 1e9);
            sums.values.push(flops / seconds / 1e9);
            sums.bounds.push(peak / 1e9);
            best.values.push(flops / seconds / 1e9);
            best.bounds.push(peak.min(bandwidth * flops / bytes) / 1e9);
        }
    }
    read.print();
    sums.print();
    best.print();
}

/// The cost of a window at several contexts, as a share of that at the first.
fn window_attention(rounds: usize) {
    const REPEATS: usize = 100;
    // One thread: what a window costs, not what waking a second thread for it does.
    let threads = 1;
    let backend = backend(threads, KvDtype::F32);
    let layout = KvLayout {
        block_tokens: BLOCK_TOKENS,
        blocks: 1,
        windows: 1,
        global: Vec::new(),
        rings: vec![SLIDING],
        ring: 130,
        kept_hidden: 0,
        hidden: 0,
    };
    let mut kv = backend.kv_new(&layout).expect("memory");
    let weights = shape_only(&backend, SLIDING, Some(128));
    let contexts = [1024, 4096, 16_384, 65_536, 131_072];
    let one = qkv(&backend, SLIDING, 1, 9);
    for position in 0..256 {
        let step = backend.begin(&pass(position, 1, 0), &[]).expect("a step");
        backend.attn_window(&step, &one, &weights, &mut kv, 0, Queries::All).expect("attention");
    }
    let mut times = vec![Vec::new(); contexts.len()];
    for _ in 0..rounds + 1 {
        for (context, times) in contexts.iter().zip(&mut times) {
            let start = Instant::now();
            for i in 0..REPEATS {
                let step = backend.begin(&pass(context - REPEATS + i, 1, 0), &[]).expect("a step");
                backend.attn_window(&step, &one, &weights, &mut kv, 0, Queries::All).expect("attention");
            }
            times.push(start.elapsed().as_secs_f64() * 1e6 / REPEATS as f64);
        }
    }
    for (context, of_context) in contexts.iter().zip(&times) {
        let shape = format!("1 row, context {context}, FP32 KV, {}", threads_in_words(threads));
        let mut row = Row::new("attn_window", shape, "µs").bounded_by("the same at context 1024").deciding("C5", 1.03);
        row.values = of_context[1..].to_vec();
        row.bounds = times[0][1..].to_vec();
        row.print();
    }
}
