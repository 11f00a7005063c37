//! Kernels at MiMo-V2-Flash's real shapes beside what the machine can do, measured in turn in one run:
//!   cargo bench -p mimokit_cpu --bench ops -- gemv | gemm | attention [--rounds N]
//! Weights are those of the real-dims checkpoints. Prints JSON lines (report.rs); `pnpm --filter @mimokit/bench run kernels` and
//! `run attention` make tables of them. Needs a quiet machine.

mod limits;
mod real;
mod report;

use std::time::Instant;

use limits::{Memory, multiply_adds};
use mimokit_checkpoint::{Checkpoint, Dtype, Linear, Place, SharedBytes};
use mimokit_cpu::{Act, CpuBackend, CpuOptions, Kv, Level, Matrix, Pool};
use mimokit_model::backend::{Backend, ExpertSource, Qkv, Queries};
use mimokit_model::kv::{KvDtype, KvLayout, KvShape};
use mimokit_model::pass::{Pass, Span};
use mimokit_model::weights::{AttentionShape, AttentionWeights, MoeWeights};
use report::{Row, arguments};

/// What a probe reads in a round.
const PROBE_BYTES: usize = 64 << 20;

fn main() {
    let (rounds, words) = arguments();
    match words.first().map(String::as_str) {
        Some("gemv") => gemv(rounds),
        Some("gemm") => gemm(rounds),
        Some("attention") => attention(rounds),
        // `cargo test` builds benches and runs them without words: it is enough that they start.
        _ => println!("gemv | gemm | attention [--rounds N]"),
    }
}

fn backend(threads: usize, level: Option<Level>, kv: KvDtype) -> CpuBackend {
    CpuBackend::new(&CpuOptions { threads: Some(threads), level, kv, ..CpuOptions::default() }).expect("a backend")
}

/// One thread, and as many as there are processors.
fn thread_counts() -> Vec<usize> {
    let all = Pool::default_threads();
    if all == 1 { vec![1] } else { vec![all, 1] }
}

fn threads_in_words(threads: usize) -> String {
    format!("{threads} thread{}", if threads == 1 { "" } else { "s" })
}

/// Matrix-vector products over weights that no cache holds: several matrices of a shape, one after the other.
fn gemv(rounds: usize) {
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
    let mut memory = Memory::new(1 << 30);
    for threads in thread_counts() {
        let backend = backend(threads, None, KvDtype::F32);
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
                let start = Instant::now();
                let mut bytes = 0;
                for i in 0..*each {
                    let at = (round * each + i) % matrices.len();
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

/// An MoE layer of four experts, each of which gets the same number of rows: the first columns of a row say which.
fn gemm(rounds: usize) {
    const EXPERTS: usize = 4;
    let checkpoint = real::open("global-moe");
    for threads in thread_counts() {
        let backend = backend(threads, None, KvDtype::F32);
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
        for each in [96, 24, 384, 48, 12, 6] {
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

const GLOBAL: KvShape = KvShape { kv_heads: 4, qk_dim: 192, v_dim: 128 };
const SLIDING: KvShape = KvShape { kv_heads: 8, qk_dim: 192, v_dim: 128 };
const BLOCK_TOKENS: usize = 32;
const HEADS: usize = 64;

fn attention(rounds: usize) {
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
    let backend = backend(threads, None, kv_dtype);
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
    let mut run = |kv: &mut Kv, start: usize, qkv: &Qkv<CpuBackend>, rows: usize, layer: usize, queries: Queries<'_>| {
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
        }
    }
    read.print();
    sums.print();
}

/// The cost of a window at several contexts, as a share of that at the first.
fn window_attention(rounds: usize) {
    const REPEATS: usize = 200;
    let threads = Pool::default_threads();
    let backend = backend(threads, None, KvDtype::F32);
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
