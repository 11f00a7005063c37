//! router: scores of all experts in FP32, the best by score and bias, mixed by score.

use mimokit_model::weights::MoeWeights;

use crate::act::{Act, Routes};
use crate::arguments::{Router, RouterArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::{Error, Result};

pub(crate) fn router<D: Device>(
    backend: &CudaBackend<D>,
    x: &Act<D>,
    weights: &MoeWeights<CudaBackend<D>>,
) -> Result<Routes<D>> {
    let (experts, top_k) = (weights.expert_count, weights.top_k);
    let shared = (experts + top_k) * 4;
    if shared > backend.device.shared_bytes() {
        return Err(Error::Unsupported(format!("{experts} experts are more than a block's shared memory holds")));
    }
    let input = backend.normalised(x, None, &weights.norm, weights.eps)?;
    let logits = backend.linear(&weights.gate, &input)?;
    let ids = backend.device.allocate(x.rows * top_k * 4)?;
    let mix = backend.device.allocate(x.rows * top_k * 4)?;
    let arguments = RouterArgs {
        logits: logits.address(),
        bias: weights.selection_bias.address(),
        ids: ids.address(),
        weights: mix.address(),
        experts: experts as u32,
        top_k: top_k as u32,
        normalise: u32::from(weights.normalise),
        scale: weights.scale,
    };
    // SAFETY: logits are [rows, experts], the bias [experts], ids and weights [rows, top_k]; top_k <= experts by the config's checks.
    unsafe { backend.launch(Router(arguments), [x.rows, 1, 1], shared)? };
    Ok(Routes { rows: x.rows, top_k, ids, weights: mix, input })
}
