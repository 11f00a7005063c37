//! dense_ffn: x += (silu(n W_gate) * (n W_up)) W_down, as one expert that every row runs.

use mimokit_model::weights::FfnWeights;

use super::experts::{Chosen, Table};
use crate::act::Act;
use crate::backend::{CudaBackend, bytes_of};
use crate::device::{Device, Memory};
use crate::error::Result;

pub(crate) fn dense_ffn<D: Device>(
    backend: &CudaBackend<D>,
    weights: &FfnWeights<CudaBackend<D>>,
    x: &Act<D>,
) -> Result<()> {
    let matrices = [&weights.gate, &weights.up, &weights.down];
    let is_fp8 = matrices.map(|matrix| matrix.is_fp8());
    assert_eq!(is_fp8[0], is_fp8[1], "gate and up are stored alike");
    let input = backend.normalised(x, None, &weights.norm, weights.eps)?;
    let takes_packed = matrices.iter().all(|matrix| backend.takes_packed(matrix));
    let views = matrices.map(|matrix| matrix.view);
    let memory = backend.device.allocate(if takes_packed { 0 } else { size_of_val(&views) })?;
    if !takes_packed {
        backend.device.upload(&memory, 0, bytes_of(&views))?;
    }
    let maps = matrices.map(|matrix| matrix.map);
    let table = Table {
        matrices: memory.address(),
        views,
        maps: if let [Some(gate), Some(up), Some(down)] = maps { Some([gate, up, down]) } else { None },
        takes_packed,
        experts: 1,
        width: weights.gate.rows(),
        is_fp8: [is_fp8[0], is_fp8[2]],
        has_wide_rows: matrices.iter().all(|matrix| matrix.has_wide_rows()),
    };
    backend.run_experts(&table, &Chosen { ids: 0, weights: 0, top_k: 1 }, &input, x)
}
