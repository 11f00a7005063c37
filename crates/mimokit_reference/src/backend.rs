// `Backend` for the reference: hands each method to its file in ops/.

use mimokit_checkpoint::Linear;
use mimokit_model::backend::{Backend, ExpertSource, HostRoutes, KeepHidden, Qkv, Queries};
use mimokit_model::kv::{KvCopy, KvDtype, KvLayout};
use mimokit_model::pass::{HiddenRow, Pass, Rope};
use mimokit_model::pick::{PickAsk, Picked};
use mimokit_model::weights::{AttentionWeights, FfnWeights, JoinWeights, MoeWeights};
use mimokit_model::{Error, Result};

use crate::kv::Pools;
use crate::linear::Matrix;
use crate::ops;
use crate::rows::Rows;

/// The slow, plain backend.
#[derive(Clone, Copy, Debug)]
pub struct Reference {
    pub kv: KvDtype,
    /// Inputs of FP8 linears are quantised per 128 columns.
    pub fp8_activations: bool,
}

impl Default for Reference {
    fn default() -> Reference {
        Reference { kv: KvDtype::F32, fp8_activations: false }
    }
}

/// A pass with its rotary tables.
pub struct Step {
    pass: Pass,
    ropes: Vec<Rope>,
}

impl Backend for Reference {
    type Matrix = Matrix;
    type Vector = Vec<f32>;
    /// Gate, up, down.
    type Experts = Vec<[Matrix; 3]>;
    type Act = Rows;
    type Routes = HostRoutes;
    type Kv = Pools;
    type Step = Step;

    fn upload_matrix(&self, linear: &Linear) -> Result<Matrix> {
        Ok(Matrix::new(linear))
    }

    fn upload_vector(&self, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn upload_experts(&self, experts: Vec<ExpertSource>) -> Result<Vec<[Matrix; 3]>> {
        Ok(experts.iter().map(|expert| [&expert.gate, &expert.up, &expert.down].map(Matrix::new)).collect())
    }

    fn kv_dtype(&self) -> KvDtype {
        self.kv
    }

    fn kv_new(&self, layout: &KvLayout) -> Result<Pools> {
        Ok(Pools::new(layout))
    }

    fn kv_copy(&self, kv: &mut Pools, copies: &[KvCopy]) -> Result<()> {
        ops::kv_copy::kv_copy(kv, copies);
        Ok(())
    }

    fn keep_hidden(&self, kv: &mut Pools, hidden: &Rows, keep: &[KeepHidden]) -> Result<()> {
        for entry in keep {
            let start = kv.hidden_start(entry.window, entry.slot);
            kv.hidden[start..start + hidden.width].copy_from_slice(hidden.row(entry.row as usize));
        }
        Ok(())
    }

    fn begin(&self, pass: &Pass, ropes: &[Rope]) -> Result<Step> {
        Ok(Step { pass: pass.clone(), ropes: ropes.to_vec() })
    }

    fn take_rows(&self, x: &Rows, rows: &[u32]) -> Result<Rows> {
        Ok(Rows { width: x.width, values: rows.iter().flat_map(|&row| x.row(row as usize)).copied().collect() })
    }

    fn read(&self, x: &Rows) -> Result<Vec<f32>> {
        Ok(x.values.clone())
    }

    fn write(&self, values: &[f32], width: usize) -> Result<Rows> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(Error::Argument(format!("{} values are no rows of {width}.", values.len())));
        }
        Ok(Rows { width, values: values.to_vec() })
    }

    fn read_routes(&self, routes: &HostRoutes) -> Result<HostRoutes> {
        Ok(routes.clone())
    }

    fn embed(&self, step: &Step, table: &Matrix) -> Result<Rows> {
        Ok(ops::embed::embed(&step.pass.ids, table))
    }

    fn qkv_rope(&self, step: &Step, x: &Rows, weights: &AttentionWeights<Reference>) -> Result<Qkv<Reference>> {
        Ok(ops::qkv_rope::qkv_rope(&step.pass.positions, &step.ropes, x, weights, self.fp8_activations))
    }

    fn attn_global(
        &self,
        step: &Step,
        qkv: &Qkv<Reference>,
        weights: &AttentionWeights<Reference>,
        kv: &mut Pools,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Rows> {
        let queries = query_rows(queries, step);
        Ok(ops::attn_global::attn_global(&step.pass, qkv, weights, kv, layer, &queries, self.kv))
    }

    fn attn_window(
        &self,
        step: &Step,
        qkv: &Qkv<Reference>,
        weights: &AttentionWeights<Reference>,
        kv: &mut Pools,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Rows> {
        let queries = query_rows(queries, step);
        Ok(ops::attn_window::attn_window(&step.pass, qkv, weights, kv, layer, &queries, self.kv))
    }

    fn o_proj(&self, attended: &Rows, weights: &AttentionWeights<Reference>, x: &mut Rows) -> Result<()> {
        ops::o_proj::o_proj(attended, &weights.o, x, self.fp8_activations);
        Ok(())
    }

    fn dense_ffn(&self, weights: &FfnWeights<Reference>, x: &mut Rows) -> Result<()> {
        ops::dense_ffn::dense_ffn(weights, x, self.fp8_activations);
        Ok(())
    }

    fn router(&self, x: &Rows, weights: &MoeWeights<Reference>) -> Result<HostRoutes> {
        Ok(ops::router::router(x, weights))
    }

    fn moe(&self, routes: &HostRoutes, weights: &MoeWeights<Reference>, x: &mut Rows) -> Result<()> {
        ops::moe::moe(routes, weights, x, self.fp8_activations);
        Ok(())
    }

    fn mtp_join(
        &self,
        step: &Step,
        table: &Matrix,
        fresh: &Rows,
        kv: &Pools,
        hidden: &[HiddenRow],
        weights: &JoinWeights<Reference>,
    ) -> Result<Rows> {
        Ok(ops::mtp_join::mtp_join(&step.pass.ids, table, fresh, kv, hidden, weights, self.fp8_activations))
    }

    fn lm_head(&self, x: &Rows, rows: &[u32], norm: &Vec<f32>, eps: f32, head: &Matrix) -> Result<Rows> {
        Ok(ops::lm_head::lm_head(x, rows, norm, eps, head, self.fp8_activations))
    }

    fn pick(&self, logits: &Rows, asks: &[PickAsk<'_>]) -> Result<Vec<Picked>> {
        Ok(ops::pick::pick(logits, asks))
    }
}

fn query_rows(queries: Queries<'_>, step: &Step) -> Vec<u32> {
    match queries {
        Queries::All => (0..step.pass.rows() as u32).collect(),
        Queries::Rows(rows) => rows.to_vec(),
    }
}
