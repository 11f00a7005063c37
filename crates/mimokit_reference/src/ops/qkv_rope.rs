// qkv_rope: n = rmsnorm(x); q, k, v = n W + b; rotary on q and k; v *= value scale.
// Rotary turns the first `dim` dims of a head in pairs (i, i + dim/2) by the angle position * theta^(-2i/dim); cosine and sine are
// taken in FP64 and rounded to FP32.

use mimokit_model::backend::Qkv;
use mimokit_model::pass::Rope;
use mimokit_model::weights::AttentionWeights;

use crate::Reference;
use crate::linear::rms_norm;
use crate::rows::Rows;

pub fn qkv_rope(
    positions: &[u32],
    ropes: &[Rope],
    x: &Rows,
    weights: &AttentionWeights<Reference>,
    quantise: bool,
) -> Qkv<Reference> {
    let shape = &weights.shape;
    let normed = x.map(x.width, |row| rms_norm(row, &weights.norm, shape.eps));
    let mut q = weights.q.apply_rows(&normed, quantise);
    let mut k = weights.k.apply_rows(&normed, quantise);
    let mut v = weights.v.apply_rows(&normed, quantise);
    if let Some(biases) = &weights.biases {
        for (rows, bias) in [(&mut q, &biases.q), (&mut k, &biases.k), (&mut v, &biases.v)] {
            for row in 0..rows.count() {
                rows.row_mut(row).iter_mut().zip(bias).for_each(|(value, bias)| *value += bias);
            }
        }
    }
    let rope = ropes[shape.rope];
    for (row, &position) in positions.iter().enumerate() {
        for heads in [q.row_mut(row), k.row_mut(row)] {
            heads.chunks_exact_mut(shape.qk_dim).for_each(|head| rotate(head, rope, position));
        }
    }
    v.values.iter_mut().for_each(|value| *value *= shape.value_scale);
    Qkv { q, k, v }
}

fn rotate(head: &mut [f32], rope: Rope, position: u32) {
    let half = rope.dim / 2;
    for i in 0..half {
        let angle = f64::from(position) * rope.theta.powf(-2.0 * i as f64 / rope.dim as f64);
        let (cos, sin) = (f64::from(angle.cos() as f32), f64::from(angle.sin() as f32));
        let (a, b) = (f64::from(head[i]), f64::from(head[i + half]));
        head[i] = (a * cos - b * sin) as f32;
        head[i + half] = (b * cos + a * sin) as f32;
    }
}
