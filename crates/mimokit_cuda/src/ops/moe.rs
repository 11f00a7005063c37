//! moe: x += the weighted sum of each row's chosen experts, ascending.

use mimokit_model::Backend;

use super::experts::{Chosen, Table};
use crate::act::{Act, Routes};
use crate::arguments::{ExpertMix, ExpertsFewArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::matrix::DeviceExperts;
use crate::placement::Mix;

pub(crate) fn moe<D: Device>(
    backend: &CudaBackend<D>,
    routes: &Routes<D>,
    experts: &DeviceExperts<D>,
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

/// The same with experts that stay on the host: its sums come back and are added.
pub(crate) fn moe_on_host<D: Device>(
    backend: &CudaBackend<D>,
    routes: &Routes<D>,
    mix: &Mix,
    x: &Act<D>,
) -> mimokit_model::Result<()> {
    let mixed = mix(backend.read_routes(routes)?, &backend.read(&routes.input.plain)?)?;
    let mixed = backend.write(&mixed, x.width)?;
    let arguments = ExpertsFewArgs {
        down: mixed.address(),
        x: x.address(),
        pairs: x.rows as u32,
        hidden: x.width as u32,
        top_k: 1,
        ..ExpertsFewArgs::default()
    };
    // SAFETY: one result a row; both are [rows, hidden].
    unsafe { backend.launch(ExpertMix(arguments), [x.rows, x.width.div_ceil(256), 1], 0)? };
    Ok(())
}
