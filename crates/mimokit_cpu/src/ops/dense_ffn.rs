//! dense_ffn: x += (silu(n W_gate) * (n W_up)) W_down, n = rmsnorm(x). Bound: the bytes of the three weights.

use mimokit_model::weights::FfnWeights;

use super::o_proj::add;
use crate::buffers::buffer;
use crate::linear::{Input, Matrix, Rows, linear_into, product, sixteen, task_rows};
use crate::norm::normalised;
use crate::pool::Parts;
use crate::simd::{Kernel, LANES, Level, Simd, dispatch, silu};
use crate::{Act, CpuBackend};

pub(crate) fn dense_ffn(backend: &CpuBackend, weights: &FfnWeights<CpuBackend>, x: &mut Act) {
    let input = normalised(backend, x, None, &weights.norm, weights.eps);
    let tokens: Vec<u32> = (0..x.rows as u32).collect();
    let width = weights.gate.rows();
    let mut hidden = Rows::zeroed(x.rows, width);
    input.prepare(&weights.gate);
    input.prepare(&weights.up);
    let step = task_rows(&weights.gate, tokens.len(), backend.pool.threads());
    let stride = hidden.stride;
    let parts = Parts::new(&mut hidden.values);
    let cost = 2 * width * input.plain.stride * tokens.len();
    backend.pool.run(width.div_ceil(step), cost, &|task| {
        let rows = task * step..width.min((task + 1) * step);
        let mut sums = buffer(tokens.len() * rows.len());
        gated(backend.level, (&weights.gate, &weights.up), &input, &tokens, rows.clone(), &mut sums);
        for (t, sums) in sums.chunks_exact(rows.len()).enumerate() {
            // SAFETY: tasks have disjoint columns of every row.
            unsafe { parts.part(t * stride + rows.start, rows.len()) }.copy_from_slice(sums);
        }
    });
    linear_into(backend, &weights.down, &Input::new(hidden, width, backend.quantise), x, add);
}

/// silu(gate x) * (up x) for rows `rows` of both weights and input rows `tokens`; `out` is [tokens.len(), rows.len()].
pub(crate) fn gated(
    level: Level,
    (gate, up): (&Matrix, &Matrix),
    input: &Input,
    tokens: &[u32],
    rows: std::ops::Range<usize>,
    out: &mut [f32],
) {
    let mut ups = buffer(out.len());
    product(level, gate, input, tokens, rows.clone(), out);
    product(level, up, input, tokens, rows, &mut ups);
    dispatch(level, SiluTimes { gate: out, up: &ups });
}

/// gate = silu(gate) * up.
struct SiluTimes<'a> {
    gate: &'a mut [f32],
    up: &'a [f32],
}

impl Kernel for SiluTimes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (whole, rest) = self.gate.as_chunks_mut::<LANES>();
        for (chunk, gate) in whole.iter_mut().enumerate() {
            let product = simd.mul(silu(simd, simd.load(gate)), simd.load(sixteen(self.up, chunk)));
            simd.store(product, gate);
        }
        if !rest.is_empty() {
            let mut gate = [0.0; LANES];
            let mut up = [0.0; LANES];
            gate[..rest.len()].copy_from_slice(rest);
            up[..rest.len()].copy_from_slice(&self.up[self.up.len() - rest.len()..]);
            let product = simd.mul(silu(simd, simd.load(&gate)), simd.load(&up));
            simd.store(product, &mut gate);
            rest.copy_from_slice(&gate[..rest.len()]);
        }
    }
}
