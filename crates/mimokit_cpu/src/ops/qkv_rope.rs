//! qkv_rope: q, k, v = rmsnorm(x) W (+ bias), rotary on the leading dims of q and k, v times the value scale.
//! Bound: the bytes of the three weights.

use mimokit_model::backend::Qkv;
use mimokit_model::weights::AttentionWeights;

use super::o_proj::add;
use crate::backend::RopeTable;
use crate::linear::linear;
use crate::norm::normalised;
use crate::{Act, CpuBackend, Step};

pub(crate) fn qkv_rope(
    backend: &CpuBackend,
    step: &Step,
    x: &Act,
    weights: &AttentionWeights<CpuBackend>,
) -> Qkv<CpuBackend> {
    let shape = &weights.shape;
    let input = normalised(backend, x, None, &weights.norm, shape.eps);
    let mut q = linear(backend, &weights.q, &input);
    let mut k = linear(backend, &weights.k, &input);
    let mut v = linear(backend, &weights.v, &input);
    if let Some(biases) = &weights.biases {
        for (act, bias) in [(&mut q, &biases.q), (&mut k, &biases.k), (&mut v, &biases.v)] {
            (0..act.rows).for_each(|row| add(act.row_mut(row), bias));
        }
    }
    let rope = &step.ropes[shape.rope];
    rotate(rope, &mut q, shape.qk_dim);
    rotate(rope, &mut k, shape.qk_dim);
    v.values.iter_mut().for_each(|x| *x *= shape.value_scale);
    Qkv { q, k, v }
}

/// Pairs (i, i + dim/2) of every head turn by position * theta^(-2i / dim).
fn rotate(rope: &RopeTable, act: &mut Act, head_dim: usize) {
    let half = rope.dim / 2;
    for row in 0..act.rows {
        let cos = &rope.cos[row * half..(row + 1) * half];
        let sin = &rope.sin[row * half..(row + 1) * half];
        for head in act.row_mut(row).chunks_exact_mut(head_dim) {
            let (low, high) = head[..rope.dim].split_at_mut(half);
            for (((low, high), cos), sin) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                let (a, b) = (*low, *high);
                *low = a * cos - b * sin;
                *high = b * cos + a * sin;
            }
        }
    }
}
