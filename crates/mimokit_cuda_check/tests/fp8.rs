//! FP8 products on the tensor cores, Hopper's and Ampere's, on the emulated device against the reference: tiles of 16, 64 and 128 rows, partial tiles of
//! weights, rows and columns, groups of experts; and the same bits for a row whatever runs beside it.
#![cfg(emulated)]

use std::sync::Arc;

use mimokit_checkpoint::{BlockScales, Dtype, Linear, SharedBytes};
use mimokit_cuda::{CudaBackend, CudaOptions};
use mimokit_cuda_check::emulated::{Emulated, Order};
use mimokit_model::Backend;
use mimokit_model::backend::ExpertSource;
use mimokit_model::kv::KvDtype;
use mimokit_model::weights::{FfnWeights, MoeWeights};
use mimokit_reference::Reference;
use mimokit_reference::compare::cosine;

/// Numbers between -1 and 1 that do not repeat soon.
fn numbers(count: usize, seed: u32) -> Vec<f32> {
    let value = |index: usize| (index as u32 ^ seed).wrapping_mul(0x9e37_79b1) ^ seed.wrapping_mul(0x85eb_ca6b);
    (0..count).map(|index| (value(index) >> 8) as f32 / (1 << 23) as f32 - 1.0).collect()
}

/// A weight whose every block has a scale of its own, and every scale row of `rows_of_scale` rows.
fn linear(rows: usize, cols: usize, seed: u32) -> Linear {
    // Exponents below 1, both signs, subnormals too.
    let bytes = numbers(rows * cols, seed).iter().map(|value| (value.to_bits() >> 9) as u8 & 0xbf).collect();
    let col_blocks = cols.div_ceil(128);
    let row_index: Arc<[u32]> = (0..rows).map(|row| (row / 48) as u32).collect();
    let scale = |value: f32| 0.02 + 0.01 * value;
    let values: Vec<f32> = numbers(rows.div_ceil(48) * col_blocks, seed + 1).into_iter().map(scale).collect();
    let scales = BlockScales { block_cols: 128, col_blocks, row_index, values: values.into() };
    let bytes = SharedBytes::owned(bytes);
    Linear { name: "a weight".into(), rows, cols, dtype: Dtype::F8E4M3, bytes, scales: Some(scales) }
}

#[derive(Clone, Copy, Debug)]
struct Sizes {
    hidden: usize,
    width: usize,
    experts: usize,
    top_k: usize,
}

fn moe<B: Backend>(backend: &B, sizes: Sizes, x: &[f32]) -> Vec<f32> {
    let Sizes { hidden, width, experts, top_k } = sizes;
    let gate: Vec<u8> = numbers(experts * hidden, 5).iter().flat_map(|value| value.to_le_bytes()).collect();
    let gate = SharedBytes::owned(gate);
    let gate =
        Linear { name: "gate".into(), rows: experts, cols: hidden, dtype: Dtype::F32, bytes: gate, scales: None };
    let source = |expert: usize| ExpertSource {
        gate: linear(width, hidden, 10 * expert as u32 + 100),
        up: linear(width, hidden, 10 * expert as u32 + 103),
        down: linear(hidden, width, 10 * expert as u32 + 106),
    };
    let weights: MoeWeights<B> = MoeWeights {
        norm: backend.upload_vector(&vec![1.0; hidden]).expect("a norm"),
        eps: 1e-5,
        gate: backend.upload_matrix(&gate).expect("a gate"),
        selection_bias: backend.upload_vector(&vec![0.0; experts]).expect("a bias"),
        experts: backend.upload_experts((0..experts).map(source).collect()).expect("experts"),
        expert_count: experts,
        top_k,
        normalise: true,
        scale: 1.5,
    };
    let mut x = backend.write(x, hidden).expect("rows");
    let routes = backend.router(&x, &weights).expect("routes");
    backend.moe(&routes, &weights, &mut x).expect("a MoE");
    backend.read(&x).expect("numbers")
}

fn dense<B: Backend>(backend: &B, hidden: usize, width: usize, x: &[f32]) -> Vec<f32> {
    let weights: FfnWeights<B> = FfnWeights {
        norm: backend.upload_vector(&vec![1.0; hidden]).expect("a norm"),
        eps: 1e-5,
        gate: backend.upload_matrix(&linear(width, hidden, 1)).expect("gate"),
        up: backend.upload_matrix(&linear(width, hidden, 2)).expect("up"),
        down: backend.upload_matrix(&linear(hidden, width, 3)).expect("down"),
    };
    let mut x = backend.write(x, hidden).expect("rows");
    backend.dense_ffn(&weights, &mut x).expect("a feed-forward");
    backend.read(&x).expect("numbers")
}

fn devices() -> Vec<CudaBackend<Emulated>> {
    let options = CudaOptions { kv: KvDtype::F32, quantise_activations: true };
    let device = |order, is_hopper| CudaBackend::new(Emulated { order, is_hopper }, options);
    vec![
        device(Order::Forwards, true),
        device(Order::Backwards, true),
        device(Order::Shuffled(11), true),
        device(Order::Forwards, false),
        device(Order::Shuffled(4), false),
    ]
}

/// The op on every device: near the reference, the same bits on each of one kind, and for the first row alone.
fn check(name: &str, rows: usize, hidden: usize, on: &On<'_>) {
    let x: Vec<f32> = numbers(rows * hidden, 7).into_iter().map(|value| 3.0 * value).collect();
    let expected = (on.reference)(&Reference { kv: KvDtype::F32, fp8_activations: true }, &x);
    let added = |after: &[f32]| after.iter().zip(&x).map(|(a, b)| a - b).collect::<Vec<f32>>();
    let results: Vec<Vec<f32>> = devices().iter().map(|device| (on.device)(device, &x)).collect();
    for (index, actual) in results.iter().enumerate() {
        let angle = cosine(&added(actual), &added(&expected));
        // An inner value on the edge between two E4M3 may fall to the other side.
        assert!(angle > 0.9999, "{name}, {rows} rows, device {index}: cosine {angle}");
    }
    assert_eq!(results[0], results[1], "{name}, {rows} rows: late copies");
    assert_eq!(results[0], results[2], "{name}, {rows} rows: shuffled threads");
    assert_eq!(results[3], results[4], "{name}, {rows} rows: shuffled threads, plain tier");
    for index in [0, 3] {
        for row in [0, rows - 1] {
            let alone = (on.device)(&devices()[index], &x[row * hidden..(row + 1) * hidden]);
            assert_eq!(results[index][row * hidden..(row + 1) * hidden], alone, "{name}, row {row} of {rows} alone");
        }
    }
}

/// What a backend makes of rows.
type Op<'o, B> = dyn Fn(&B, &[f32]) -> Vec<f32> + 'o;

/// The op on either backend.
struct On<'o> {
    reference: &'o Op<'o, Reference>,
    device: &'o Op<'o, CudaBackend<Emulated>>,
}

fn check_moe(rows: usize, sizes: Sizes) {
    let on = On { reference: &|backend, x| moe(backend, sizes, x), device: &|backend, x| moe(backend, sizes, x) };
    check(&format!("moe {sizes:?}"), rows, sizes.hidden, &on);
}

fn check_dense(rows: usize, hidden: usize, width: usize) {
    let on = On {
        reference: &|backend, x| dense(backend, hidden, width, x),
        device: &|backend, x| dense(backend, hidden, width, x),
    };
    check(&format!("dense {hidden} {width}"), rows, hidden, &on);
}

#[test]
fn experts_of_few_rows() {
    check_moe(1, Sizes { hidden: 256, width: 128, experts: 8, top_k: 2 });
    check_moe(9, Sizes { hidden: 272, width: 144, experts: 5, top_k: 3 });
}

#[test]
fn experts_of_many_rows() {
    // About 20 rows an expert, then 130: tiles of 64 and of 128 rows, the last of a group in part.
    check_moe(40, Sizes { hidden: 128, width: 80, experts: 4, top_k: 2 });
    check_moe(195, Sizes { hidden: 128, width: 64, experts: 3, top_k: 2 });
}

#[test]
fn dense_feed_forwards_over_several_bands_of_weights() {
    check_dense(2, 2192, 160);
    check_dense(150, 144, 208);
}
