// Softmax attention of one query row over given keys: what attn_global and attn_window share.

use mimokit_model::weights::AttentionShape;

use crate::linear::dot;

/// One position's keys and values, all heads, `[kv_heads][dim]`.
pub trait Keys {
    fn len(&self) -> usize;
    fn key(&self, index: usize, head: usize) -> &[f32];
    fn value(&self, index: usize, head: usize) -> &[f32];
}

/// p_t = exp(s_t - m) / (exp(sink - m) + sum_u exp(s_u - m)), s_t = q . k_t / sqrt(qk_dim); result sum_t p_t v_t, all heads.
/// Source: MiMo-V2-Flash report eq. 1-4; the sink is not scaled and has no value.
pub fn attend(q: &[f32], shape: &AttentionShape, sinks: Option<&[f32]>, keys: &impl Keys) -> Vec<f32> {
    let group = shape.heads / shape.kv_heads;
    let scale = 1.0 / (shape.qk_dim as f64).sqrt();
    let mut out = Vec::with_capacity(shape.heads * shape.v_dim);
    for head in 0..shape.heads {
        let kv_head = head / group;
        let q = &q[head * shape.qk_dim..(head + 1) * shape.qk_dim];
        let scores: Vec<f64> = (0..keys.len()).map(|index| dot(q, keys.key(index, kv_head)) * scale).collect();
        let sink = sinks.map_or(f64::NEG_INFINITY, |sinks| f64::from(sinks[head]));
        let max = scores.iter().copied().fold(sink, f64::max);
        let weights: Vec<f64> = scores.iter().map(|score| (score - max).exp()).collect();
        let denominator = weights.iter().sum::<f64>() + (sink - max).exp();
        let mut sum = vec![0f64; shape.v_dim];
        for (index, weight) in weights.iter().enumerate() {
            for (total, value) in sum.iter_mut().zip(keys.value(index, kv_head)) {
                *total += weight * f64::from(*value);
            }
        }
        out.extend(sum.iter().map(|total| (total / denominator) as f32));
    }
    out
}
