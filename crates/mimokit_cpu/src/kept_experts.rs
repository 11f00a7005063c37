//! Experts that stay in this machine's memory while another device runs the rest of a model: its routes and normalised rows come in, the mixed sums go
//! back.

use std::sync::Arc;

use mimokit_model::backend::{Backend, ExpertSource, HostRoutes};
use mimokit_model::{Error, Result};

use crate::backend::{Act, CpuBackend, Experts, Routes};
use crate::linear::Input;
use crate::ops::moe::moe;

/// The experts of one MoE layer.
pub struct KeptExperts {
    backend: Arc<CpuBackend>,
    experts: Experts,
}

impl KeptExperts {
    /// Keeps experts as the backend stores them: mapped, or rounded to INT8 when it was built so.
    ///
    /// # Errors
    /// Those of `upload_experts`.
    pub fn new(backend: Arc<CpuBackend>, experts: Vec<ExpertSource>) -> Result<KeptExperts> {
        let experts = backend.upload_experts(experts)?;
        Ok(KeptExperts { backend, experts })
    }

    /// Sums over each row's chosen experts e, ascending, of w_e * down_e(silu(gate_e n) * up_e n). `n` [rows, hidden] are the router's normalised
    /// rows -> [rows, hidden].
    ///
    /// # Errors
    /// `Argument` when routes and rows are of different counts, and for weights that are no numbers.
    pub fn mix(&self, routes: HostRoutes, n: &[f32]) -> Result<Vec<f32>> {
        let rows = routes.ids.len() / routes.top_k.max(1);
        let width = n.len().checked_div(rows).unwrap_or(0);
        if rows * routes.top_k != routes.ids.len() || rows * width != n.len() {
            return Err(Error::Argument(format!("{} values for {} choices.", n.len(), routes.ids.len())));
        }
        self.backend.require_experts(&self.experts, &routes.ids)?;
        let input = Act { rows, width, values: n.to_vec() };
        let routes = Routes { chosen: routes, input: Input::of(&input, self.backend.quantise) };
        let mut mixed = Act::zeroed(rows, width);
        moe(&self.backend, &routes, &self.experts, &mut mixed);
        Ok(mixed.values)
    }
}
