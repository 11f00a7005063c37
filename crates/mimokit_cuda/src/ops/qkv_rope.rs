//! qkv_rope: norm, three projections with their biases, rotary on q and k, value scale on v.

use mimokit_model::backend::Qkv;
use mimokit_model::weights::AttentionWeights;

use crate::act::Act;
use crate::arguments::{Rope, RopeArgs};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::ops::linear::Product;
use crate::step::Step;

pub(crate) fn qkv_rope<D: Device>(
    backend: &CudaBackend<D>,
    step: &Step<D>,
    x: &Act<D>,
    weights: &AttentionWeights<CudaBackend<D>>,
) -> Result<Qkv<CudaBackend<D>>> {
    let shape = &weights.shape;
    let input = backend.normalised(x, None, &weights.norm, shape.eps)?;
    let biases = weights.biases.as_ref();
    let product = |weight, bias| Product { weight, bias };
    let [q, k, v] = backend.linears(
        [
            product(&weights.q, biases.map(|biases| &biases.q)),
            product(&weights.k, biases.map(|biases| &biases.k)),
            product(&weights.v, biases.map(|biases| &biases.v)),
        ],
        &input,
    )?;
    let table = step.ropes[shape.rope];
    let arguments = RopeArgs {
        q: q.address(),
        k: k.address(),
        v: v.address(),
        cosines: table.cosines,
        sines: table.sines,
        heads: shape.heads as u32,
        kv_heads: shape.kv_heads as u32,
        qk_dim: shape.qk_dim as u32,
        v_dim: shape.v_dim as u32,
        rotary: table.dim as u32,
        value_scale: shape.value_scale,
    };
    // SAFETY: q, k and v have the shape's widths by the loader's checks, the tables the pass's rows.
    unsafe { backend.launch(Rope(arguments), [x.rows, 1, 1], 0)? };
    Ok(Qkv { q, k, v })
}
