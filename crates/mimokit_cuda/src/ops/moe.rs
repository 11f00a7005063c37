//! moe: x += the weighted sum of each row's chosen experts, ascending.

use super::experts::{Chosen, Table};
use crate::act::{Act, Routes};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::matrix::Experts;

pub(crate) fn moe<D: Device>(
    backend: &CudaBackend<D>,
    routes: &Routes<D>,
    experts: &Experts<D>,
    x: &Act<D>,
) -> Result<()> {
    let chosen = Chosen { ids: routes.ids.address(), weights: routes.weights.address(), top_k: routes.top_k };
    let table = Table {
        matrices: experts.table.address(),
        views: experts.views,
        maps: experts.maps,
        takes_packed: backend.options.quantise_activations && experts.has_packed_rows,
        experts: experts.count,
        width: experts.width,
        is_fp8: experts.is_fp8,
        has_wide_rows: experts.has_wide_rows,
    };
    backend.run_experts(&table, &chosen, &routes.input, x)
}
