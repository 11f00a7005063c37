// Routes: which experts each token used. Captured while the layers run, for rows that ask, and laid out as `StepResult.routes`.

use crate::backend::Backend;
use crate::error::Result;
use crate::forward::Observer;

/// Expert ids [tokens of asking rows, MoE layers, top_k], ascending within a token and layer; wide for more than 256 experts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Routes {
    Narrow(Vec<u8>),
    Wide(Vec<u16>),
}

/// Collects routes of some rows of a pass.
pub(crate) struct RouteCapture {
    /// Rows of the pass that are wanted, in order.
    rows: Vec<usize>,
    top_k: usize,
    experts: usize,
    /// Per MoE layer, in layer order: [wanted rows, top_k].
    layers: Vec<Vec<u16>>,
}

impl RouteCapture {
    pub fn new(rows: Vec<usize>, top_k: usize, experts: usize) -> RouteCapture {
        RouteCapture { rows, top_k, experts, layers: Vec::new() }
    }

    /// `None` when no row asked.
    pub fn finish(self) -> Option<Routes> {
        if self.rows.is_empty() {
            return None;
        }
        let mut ids = Vec::with_capacity(self.rows.len() * self.layers.len() * self.top_k);
        for row in 0..self.rows.len() {
            for layer in &self.layers {
                ids.extend_from_slice(&layer[row * self.top_k..(row + 1) * self.top_k]);
            }
        }
        Some(if self.experts <= 256 {
            Routes::Narrow(ids.into_iter().map(|id| id as u8).collect())
        } else {
            Routes::Wide(ids)
        })
    }
}

impl<B: Backend> Observer<B> for RouteCapture {
    fn routed(&mut self, backend: &B, _layer: usize, routes: &B::Routes) -> Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let all = backend.read_routes(routes)?;
        let wanted = self.rows.iter().flat_map(|&row| &all.ids[row * self.top_k..(row + 1) * self.top_k]);
        self.layers.push(wanted.copied().collect());
        Ok(())
    }
}
