//! Global attention over contexts of several splits, which the shared op cases do not reach: tensor-core fragments, masks, and the merge of splits,
//! on the emulated device against the reference.
#![cfg(emulated)]

use mimokit_checkpoint::{Dtype, Linear, SharedBytes};
use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::emulated::{Emulated, Order};
use mimokit_model::Backend;
use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::kv::{KvDtype, KvLayout, KvShape};
use mimokit_model::pass::{Pass, Rope, Span};
use mimokit_model::weights::{AttentionShape, AttentionWeights};
use mimokit_reference::Reference;
use mimokit_reference::compare::cosine;

const BLOCK_TOKENS: usize = 32;
/// Two sequences: of three splits, and ending just behind the first position of a second one.
const CONTEXTS: [usize; 2] = [1100, 510];

struct Sizes {
    heads: usize,
    kv_heads: usize,
    qk_dim: usize,
    v_dim: usize,
}

fn weights<B: Backend>(backend: &B, sizes: &Sizes, sinks: bool) -> AttentionWeights<B> {
    let matrix = || {
        let linear = Linear {
            name: "none".into(),
            rows: 1,
            cols: 1,
            dtype: Dtype::F32,
            bytes: SharedBytes::owned(vec![0; 4]),
            scales: None,
        };
        backend.upload_matrix(&linear).expect("a matrix")
    };
    let logits: Vec<f32> = (0..sizes.heads).map(|head| head as f32 * 0.5 - 1.0).collect();
    AttentionWeights {
        shape: AttentionShape {
            heads: sizes.heads,
            kv_heads: sizes.kv_heads,
            qk_dim: sizes.qk_dim,
            v_dim: sizes.v_dim,
            rope: 0,
            value_scale: 1.0,
            window_keys: None,
            eps: 1e-5,
        },
        norm: backend.upload_vector(&[1.0]).expect("a vector"),
        q: matrix(),
        k: matrix(),
        v: matrix(),
        biases: None,
        o: matrix(),
        sinks: sinks.then(|| backend.upload_vector(&logits).expect("a vector")),
    }
}

/// Rows `rows` of each sequence from `starts` on; blocks of the two lie between one another.
fn pass(starts: [usize; 2], rows: [usize; 2]) -> Pass {
    let mut pass = Pass { ids: vec![0; rows[0] + rows[1]], ..Pass::default() };
    for sequence in 0..2 {
        let first_row = pass.positions.len();
        pass.positions.extend((starts[sequence]..starts[sequence] + rows[sequence]).map(|position| position as u32));
        let first = pass.blocks.len();
        pass.blocks.extend((0..CONTEXTS[0] / BLOCK_TOKENS + 2).map(|block| (2 * block + sequence) as u32));
        pass.spans.push(Span {
            rows: first_row..pass.positions.len(),
            start: starts[sequence] as u32,
            window: sequence as u32,
            blocks: first..pass.blocks.len(),
        });
    }
    pass
}

/// Numbers between -1 and 1 that do not repeat soon.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let value = |index: usize| (index as u32 ^ seed).wrapping_mul(0x9e37_79b1) ^ seed.wrapping_mul(0x85eb_ca6b);
    (0..count).map(|index| (value(index) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

fn pools<B: Backend>(backend: &B, sizes: &Sizes) -> B::Kv {
    let shape = KvShape { kv_heads: sizes.kv_heads, qk_dim: sizes.qk_dim, v_dim: sizes.v_dim };
    let layout = KvLayout {
        block_tokens: BLOCK_TOKENS,
        blocks: 2 * (CONTEXTS[0] / BLOCK_TOKENS + 2),
        windows: 2,
        global: vec![shape],
        rings: Vec::new(),
        ring: 1,
        kept_hidden: 0,
        hidden: 1,
    };
    backend.kv_new(&layout).expect("pools")
}

/// Attention of six and two tokens behind the contexts, and of every second of them alone.
fn attend<B: Backend>(backend: &B, sizes: &Sizes, sinks: bool) -> Vec<f32> {
    let weights = weights(backend, sizes, sinks);
    let mut kv = pools(backend, sizes);
    let mut results = Vec::new();
    let every_second: &[u32] = &[1, 3, 5, 7];
    for (pass, queries) in [
        (pass([0, 0], CONTEXTS), Queries::Rows(&[])),
        (pass(CONTEXTS, [6, 2]), Queries::All),
        (pass(CONTEXTS, [6, 2]), Queries::Rows(every_second)),
    ] {
        let rows = pass.rows();
        let step = backend.begin(&pass, &[Rope { dim: 2, theta: 10.0 }]).expect("a step");
        let act = |heads: usize, dim: usize, seed| {
            let scaled: Vec<f32> = numbers(rows * heads * dim, seed).into_iter().map(|x| 2.0 * x).collect();
            backend.write(&scaled, heads * dim).expect("rows")
        };
        let qkv = Qkv {
            q: act(sizes.heads, sizes.qk_dim, 1),
            k: act(sizes.kv_heads, sizes.qk_dim, 2),
            v: act(sizes.kv_heads, sizes.v_dim, 3),
        };
        let out = backend.attn_global(&step, &qkv, &weights, &mut kv, 0, queries).expect("attention");
        results.extend(backend.read(&out).expect("numbers"));
    }
    results
}

fn check(sizes: &Sizes, kv: KvDtype, sinks: bool) {
    let expected = attend(&Reference { kv, fp8_activations: false }, sizes, sinks);
    let options = CudaOptions { kv, quantise_activations: false };
    let by_order = [Order::Forwards, Order::Shuffled(5)]
        .map(|order| attend(&CudaBackend::new(Emulated { order, is_hopper: true }, options), sizes, sinks));
    assert_eq!(by_order[0], by_order[1], "no order of threads changes a bit");
    let actual = &by_order[0];
    let width = sizes.heads * sizes.v_dim;
    assert_eq!(actual.len(), expected.len());
    for (row, (actual, expected)) in actual.chunks(width).zip(expected.chunks(width)).enumerate() {
        let largest = actual.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let angle = cosine(actual, expected);
        // Q and P are BF16: eight bits.
        assert!(angle > 0.999 && largest < 0.1, "{kv:?} row {row}: cosine {angle}, largest difference {largest}");
    }
    // Rows asked for alone have the bits they have beside others.
    for (index, row) in [1, 3, 5, 7].into_iter().enumerate() {
        let alone = (8 + index) * width;
        assert_eq!(actual[alone..alone + width], actual[row * width..(row + 1) * width], "row {row}");
    }
}

/// A chunk of many rows behind a context, and its last rows in a step of their own: one runs in attn_rows, the other in attn_split.
fn check_chunks(sizes: &Sizes, kv: KvDtype, sinks: bool) {
    let options = CudaOptions { kv, quantise_activations: false };
    let device = CudaBackend::new(Emulated { order: Order::Shuffled(2), is_hopper: false }, options);
    let reference = Reference { kv, fp8_activations: false };
    let (together, alone) = chunks(&device, sizes, sinks);
    let width = sizes.heads * sizes.v_dim;
    assert_eq!(together[together.len() - 3 * width..], alone, "{kv:?}: the same rows in chunks of 43 and of 3");
    let (expected, _) = chunks(&reference, sizes, sinks);
    for (row, (actual, expected)) in together.chunks(width).zip(expected.chunks(width)).enumerate() {
        let angle = cosine(actual, expected);
        assert!(angle > 0.999, "{kv:?} row {row}: cosine {angle}");
    }
}

/// Rows 525 to 567 of a sequence in one pass, and rows 565 to 567 of another with the same numbers.
fn chunks<B: Backend>(backend: &B, sizes: &Sizes, sinks: bool) -> (Vec<f32>, Vec<f32>) {
    const CONTEXT: usize = 525;
    let weights = weights(backend, sizes, sinks);
    let mut pools = pools(backend, sizes);
    let mut run = |starts: [usize; 2], rows: [usize; 2], queries: Queries<'_>| {
        let pass = pass(starts, rows);
        let step = backend.begin(&pass, &[Rope { dim: 2, theta: 10.0 }]).expect("a step");
        let act = |heads: usize, dim: usize, seed: u32| {
            // Numbers of a row are those of its position, in both sequences.
            let of = |position: &u32| numbers(heads * dim, seed + 16 * position);
            let values: Vec<f32> = pass.positions.iter().flat_map(of).map(|x| 2.0 * x).collect();
            backend.write(&values, heads * dim).expect("rows")
        };
        let qkv = Qkv {
            q: act(sizes.heads, sizes.qk_dim, 1),
            k: act(sizes.kv_heads, sizes.qk_dim, 2),
            v: act(sizes.kv_heads, sizes.v_dim, 3),
        };
        let out = backend.attn_global(&step, &qkv, &weights, &mut pools, 0, queries).expect("attention");
        backend.read(&out).expect("numbers")
    };
    run([0, 0], [CONTEXT, CONTEXT + 40], Queries::Rows(&[]));
    let out = run([CONTEXT, CONTEXT + 40], [43, 3], Queries::All);
    let cut = 43 * sizes.heads * sizes.v_dim;
    (out[..cut].to_vec(), out[cut..].to_vec())
}

#[test]
fn many_rows_have_the_bits_of_few() {
    let sizes = Sizes { heads: 8, kv_heads: 2, qk_dim: 48, v_dim: 32 };
    check_chunks(&sizes, KvDtype::Bf16, true);
    check_chunks(&sizes, KvDtype::Fp8, false);
    let sizes = Sizes { heads: 16, kv_heads: 1, qk_dim: 192, v_dim: 128 };
    check_chunks(&sizes, KvDtype::Bf16, false);
}

#[test]
fn small_heads_over_several_splits() {
    let sizes = Sizes { heads: 8, kv_heads: 2, qk_dim: 48, v_dim: 32 };
    check(&sizes, KvDtype::Bf16, false);
    check(&sizes, KvDtype::Fp8, true);
}

#[test]
fn the_real_heads_over_several_splits() {
    let sizes = Sizes { heads: 16, kv_heads: 1, qk_dim: 192, v_dim: 128 };
    check(&sizes, KvDtype::Bf16, true);
    check(&sizes, KvDtype::Fp8, false);
}
