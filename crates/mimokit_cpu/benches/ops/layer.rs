//! layer: one decoded token through a whole layer of the 309B model, weights mapped and in no cache (C2). Every round has another
//! token, hence other experts.

use std::time::Instant;

use mimokit_checkpoint::{Dtype, Linear, Place, SharedBytes};
use mimokit_cpu::{Act, CpuBackend, Kv, Step};
use mimokit_model::backend::{Backend, Queries};
use mimokit_model::kv::{KvDtype, KvLayout, KvShape};
use mimokit_model::pass::{HiddenRow, Pass, Span};
use mimokit_model::weights::{AttentionWeights, FfnWeights, JoinWeights, MoeWeights};

use crate::limits::Memory;
use crate::report::Row;
use crate::{PROBE_BYTES, backend, real, thread_counts, threads_in_words};

const CONTEXT: usize = 1024;
const BLOCK_TOKENS: usize = 32;

#[expect(clippy::large_enum_variant, reason = "two of them in a run")]
enum FeedForward {
    Moe(MoeWeights<CpuBackend>),
    Dense(FfnWeights<CpuBackend>),
}

struct Layer {
    name: &'static str,
    goal: bool,
    join: Option<JoinWeights<CpuBackend>>,
    attention: AttentionWeights<CpuBackend>,
    feed_forward: FeedForward,
    /// Weight bytes that a token reads.
    bytes: usize,
    kv: Kv,
}

pub fn run(rounds: usize) {
    let mut memory = Memory::new(1 << 30);
    for threads in thread_counts() {
        let backend = backend(threads, KvDtype::F32);
        for which in ["sliding-moe", "global-moe", "dense", "mtp"] {
            let mut layer = load(&backend, which);
            let in_words = threads_in_words(threads);
            let shape = format!("{:.1} MB a token, context {CONTEXT}, {in_words}", layer.bytes as f64 / 1e6);
            let mut row = Row::new(layer.name, shape, "GB/s").bounded_by(format!("streaming read, {in_words}"));
            if layer.goal && threads > 1 {
                row = row.deciding("C2", 0.82);
            }
            for round in 0..rounds + 1 {
                let bandwidth = memory.read(PROBE_BYTES, threads);
                let x = real::rows(&backend, 1, real::HIDDEN, round as u64);
                let start = Instant::now();
                std::hint::black_box(token(&backend, &mut layer, x));
                let rate = layer.bytes as f64 / start.elapsed().as_secs_f64();
                if round > 0 {
                    row.values.push(rate / 1e9);
                    row.bounds.push(bandwidth / 1e9);
                }
            }
            row.print();
        }
    }
}

fn load(backend: &CpuBackend, which: &'static str) -> Layer {
    let (directory, place, name) = match which {
        "sliding-moe" => ("sliding-moe", Place::Layer(0), "layer, sliding, MoE"),
        "global-moe" => ("global-moe", Place::Layer(0), "layer, global, MoE"),
        "dense" => ("dense-mtp", Place::Layer(0), "layer 0, global, dense"),
        _ => ("dense-mtp", Place::Mtp(0), "MTP head"),
    };
    let checkpoint = real::open(directory);
    let tensors = checkpoint.attention(place).expect("tensors");
    let mut bytes = [&tensors.q, &tensors.k, &tensors.v, &tensors.o].iter().map(|linear| linear.bytes.len()).sum();
    let count = |linear: Linear| linear.bytes.len();
    let feed_forward = if directory == "dense-mtp" {
        let ffn = checkpoint.dense_ffn(place).expect("a feed-forward");
        bytes += count(ffn.gate) + count(ffn.up) + count(ffn.down);
        FeedForward::Dense(real::dense(backend, &checkpoint, place))
    } else {
        let config = checkpoint.config().moe.clone().expect("experts");
        let expert = checkpoint.expert(0, 0, config.width).expect("an expert");
        bytes += config.top_k * (count(expert.gate) + count(expert.up) + count(expert.down));
        bytes += count(checkpoint.router(0, config.experts).expect("a router").gate);
        FeedForward::Moe(real::moe(backend, &checkpoint))
    };
    let join = matches!(place, Place::Mtp(_)).then(|| real::join(backend, &checkpoint));
    if join.is_some() {
        bytes += count(checkpoint.mtp(0).expect("a head").join);
    }
    let attention = real::attention(backend, &checkpoint, place);
    let shape =
        KvShape { kv_heads: attention.shape.kv_heads, qk_dim: attention.shape.qk_dim, v_dim: attention.shape.v_dim };
    let is_global = attention.shape.window_keys.is_none();
    let layout = KvLayout {
        block_tokens: BLOCK_TOKENS,
        blocks: CONTEXT / BLOCK_TOKENS,
        windows: 1,
        global: if is_global { vec![shape] } else { Vec::new() },
        rings: if is_global { Vec::new() } else { vec![shape] },
        ring: 130,
        kept_hidden: 0,
        hidden: 0,
    };
    let mut kv = backend.kv_new(&layout).expect("memory");
    // Fills the keys and values, and brings the weights into memory, all experts included.
    let x = real::rows(backend, CONTEXT, real::HIDDEN, 1 << 32);
    let step = backend.begin(&pass(0, CONTEXT), &real::ropes()).expect("a step");
    let qkv = backend.qkv_rope(&step, &x, &attention).expect("q, k, v");
    let none = Queries::Rows(&[]);
    if is_global {
        backend.attn_global(&step, &qkv, &attention, &mut kv, 0, none).expect("keys");
    } else {
        backend.attn_window(&step, &qkv, &attention, &mut kv, 0, none).expect("keys");
    }
    let sum: u64 =
        checkpoint.tensors().flat_map(|tensor| tensor.bytes.iter().step_by(4096)).map(|&byte| u64::from(byte)).sum();
    std::hint::black_box(sum);
    // A weight is looked through for NaN when it is first used: once in its life, not once a token. These rows choose all experts.
    if let FeedForward::Moe(weights) = &feed_forward {
        let mut rows = real::rows(backend, 256, real::HIDDEN, 1 << 33);
        let routes = backend.router(&rows, weights).expect("routes");
        backend.moe(&routes, weights, &mut rows).expect("experts");
    }
    Layer { name, goal: which == "sliding-moe", join, attention, feed_forward, bytes, kv }
}

fn pass(start: usize, rows: usize) -> Pass {
    let blocks = CONTEXT / BLOCK_TOKENS;
    Pass {
        ids: vec![0; rows],
        positions: (start as u32..(start + rows) as u32).collect(),
        spans: vec![Span { rows: 0..rows, start: start as u32, window: 0, blocks: 0..blocks }],
        blocks: (0..blocks as u32).collect(),
    }
}

/// The layer's ops in the order of the forward pass.
fn token(backend: &CpuBackend, layer: &mut Layer, x: Act) -> Act {
    let step = backend.begin(&pass(CONTEXT - 1, 1), &real::ropes()).expect("a step");
    let mut x = match &layer.join {
        // The embedding is not part of a head: the row itself stands for it.
        Some(join) => joined(backend, layer, join, &step, x),
        None => x,
    };
    let qkv = backend.qkv_rope(&step, &x, &layer.attention).expect("q, k, v");
    let attended = if layer.attention.shape.window_keys.is_some() {
        backend.attn_window(&step, &qkv, &layer.attention, &mut layer.kv, 0, Queries::All)
    } else {
        backend.attn_global(&step, &qkv, &layer.attention, &mut layer.kv, 0, Queries::All)
    };
    backend.o_proj(&attended.expect("attention"), &layer.attention, &mut x).expect("o");
    match &layer.feed_forward {
        FeedForward::Moe(weights) => {
            let routes = backend.router(&x, weights).expect("routes");
            backend.moe(&routes, weights, &mut x).expect("experts");
        }
        FeedForward::Dense(weights) => backend.dense_ffn(weights, &mut x).expect("a feed-forward"),
    }
    x
}

fn joined(backend: &CpuBackend, layer: &Layer, join: &JoinWeights<CpuBackend>, step: &Step, x: Act) -> Act {
    // An embedding of one row, all of id 0.
    let bytes = SharedBytes::owned(vec![0x3c; 4 * real::HIDDEN]);
    let dtype = Dtype::F32;
    let table = Linear { name: "embedding".into(), rows: 1, cols: real::HIDDEN, dtype, bytes, scales: None };
    let table = backend.upload_matrix(&table).expect("a table");
    backend.mtp_join(step, &table, &x, &layer.kv, &[HiddenRow::Fresh(0)], join).expect("a join")
}
