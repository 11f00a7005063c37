//! `CpuBackend`: options, the types of values that live "on the device", and the trait, each op handed on to its file.

use mimokit_checkpoint::Linear;
use mimokit_model::backend::{Backend, ExpertSource, HostRoutes, KeepHidden, Qkv, Queries};
use mimokit_model::kv::{KvCopy, KvDtype, KvLayout};
use mimokit_model::pass::{HiddenRow, Pass, Rope};
use mimokit_model::pick::{PickAsk, Picked};
use mimokit_model::weights::{AttentionWeights, FfnWeights, JoinWeights, MoeWeights};
use mimokit_model::{Error, Result};

use crate::kv::Kv;
use crate::linear::{Input, Matrix, linear};
use crate::ops;
use crate::pool::Pool;
use crate::simd::Level;

/// How the CPU engine runs; the default is exact and uses all of the machine this process may use.
#[derive(Clone, Debug)]
pub struct CpuOptions {
    /// Threads, the engine's own counted; `None`: as affinity and cgroup allow.
    pub threads: Option<usize>,
    /// An instruction set to force; `None`: the best there is. Results are the same.
    pub level: Option<Level>,
    pub kv: KvDtype,
    /// Quantise the inputs of FP8 linears per 128 channels, as the checkpoint's own scheme does.
    pub quantise_activations: bool,
    /// Round the weights of layers to INT8 at load and their inputs as they come, see `int8`: faster prefill, more memory, not the
    /// checkpoint's own values. Embedding, head and router stay exact. Goes before `quantise_activations`.
    pub int8: bool,
}

impl Default for CpuOptions {
    fn default() -> CpuOptions {
        CpuOptions { threads: None, level: None, kv: KvDtype::F32, quantise_activations: false, int8: false }
    }
}

/// The model's ops on this machine's processors. Scratch memory belongs to the threads of its pool.
pub struct CpuBackend {
    pub(crate) level: Level,
    pub(crate) pool: Pool,
    pub(crate) kv: KvDtype,
    pub(crate) quantise: bool,
    int8: bool,
}

impl CpuBackend {
    /// Starts the threads.
    ///
    /// # Errors
    /// `Argument` for a level this processor does not have or an absurd thread count; `Device` when a thread is refused.
    pub fn new(options: &CpuOptions) -> Result<CpuBackend> {
        let level = options.level.unwrap_or_else(Level::detected);
        if !level.is_available() {
            return Err(Error::Argument(format!("This processor does not have {}.", level.name())));
        }
        let threads = options.threads.unwrap_or_else(Pool::default_threads);
        if !(1..=1024).contains(&threads) {
            return Err(Error::Argument(format!("threads is {threads}; it must lie in 1..=1024.")));
        }
        let pool =
            Pool::new(threads).map_err(|error| Error::Device(format!("cannot start {threads} threads: {error}")))?;
        Ok(CpuBackend { level, pool, kv: options.kv, quantise: options.quantise_activations, int8: options.int8 })
    }

    pub fn level(&self) -> Level {
        self.level
    }

    pub fn threads(&self) -> usize {
        self.pool.threads()
    }

    /// A table of embeddings needs none of this: rows are decoded there by a table that knows NaN.
    fn require_numbers(&self, weights: &[&Matrix]) -> Result<()> {
        weights.iter().try_for_each(|weight| weight.require_numbers(&self.pool))
    }

    pub(crate) fn require_experts(&self, experts: &Experts, ids: &[u16]) -> Result<()> {
        ids.iter().try_for_each(|&expert| {
            let Expert { gate, up, down } = &experts.each[usize::from(expert)];
            self.require_numbers(&[gate, up, down])
        })
    }

    /// One linear alone: W x for every row of `x`, whose width is the weight's columns.
    pub fn multiply(&self, matrix: &Matrix, x: &Act) -> Act {
        linear(self, matrix, &Input::of(x, self.quantise))
    }
}

/// Activations [rows, width], row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Act {
    pub(crate) rows: usize,
    pub(crate) width: usize,
    pub(crate) values: Vec<f32>,
}

impl Act {
    pub(crate) fn zeroed(rows: usize, width: usize) -> Act {
        Act { rows, width, values: vec![0.0; rows * width] }
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.width..(row + 1) * self.width]
    }

    pub(crate) fn row_mut(&mut self, row: usize) -> &mut [f32] {
        &mut self.values[row * self.width..(row + 1) * self.width]
    }
}

/// Chosen experts, and the normalised rows that chose them, for `moe`.
pub struct Routes {
    pub(crate) chosen: HostRoutes,
    pub(crate) input: Input,
}

/// The experts of one layer.
pub struct Experts {
    pub(crate) each: Vec<Expert>,
}

pub(crate) struct Expert {
    pub(crate) gate: Matrix,
    pub(crate) up: Matrix,
    pub(crate) down: Matrix,
}

/// A pass with the cosines and sines of its positions.
pub struct Step {
    pub(crate) pass: Pass,
    /// Per rope: [rows, dim / 2] cosines and sines.
    pub(crate) ropes: Vec<RopeTable>,
}

pub(crate) struct RopeTable {
    pub(crate) dim: usize,
    pub(crate) cos: Vec<f32>,
    pub(crate) sin: Vec<f32>,
}

impl RopeTable {
    fn new(rope: Rope, positions: &[u32]) -> RopeTable {
        let half = rope.dim / 2;
        let mut table = RopeTable { dim: rope.dim, cos: Vec::new(), sin: Vec::new() };
        let frequencies: Vec<f64> = (0..half).map(|j| rope.theta.powf(-2.0 * j as f64 / rope.dim as f64)).collect();
        for &position in positions {
            for frequency in &frequencies {
                let (sin, cos) = (f64::from(position) * frequency).sin_cos();
                table.cos.push(cos as f32);
                table.sin.push(sin as f32);
            }
        }
        table
    }
}

impl Backend for CpuBackend {
    type Matrix = Matrix;
    type Vector = Vec<f32>;
    type Experts = Experts;
    type Act = Act;
    type Routes = Routes;
    type Kv = Kv;
    type Step = Step;

    fn upload_matrix(&self, linear: &Linear) -> Result<Matrix> {
        let matrix = Matrix::new(linear)?;
        Ok(if self.int8 { matrix.in_int8() } else { matrix })
    }

    fn upload_exact(&self, linear: &Linear) -> Result<Matrix> {
        Matrix::new(linear)
    }

    fn upload_vector(&self, values: &[f32]) -> Result<Vec<f32>> {
        Ok(values.to_vec())
    }

    fn upload_experts(&self, experts: Vec<ExpertSource>) -> Result<Experts> {
        let upload = |expert: &ExpertSource| {
            Ok(Expert {
                gate: self.upload_matrix(&expert.gate)?,
                up: self.upload_matrix(&expert.up)?,
                down: self.upload_matrix(&expert.down)?,
            })
        };
        Ok(Experts { each: experts.iter().map(upload).collect::<Result<_>>()? })
    }

    fn kv_dtype(&self) -> KvDtype {
        self.kv
    }

    fn kv_new(&self, layout: &KvLayout) -> Result<Kv> {
        Kv::new(layout, self.kv)
    }

    fn kv_copy(&self, kv: &mut Kv, copies: &[KvCopy]) -> Result<()> {
        ops::kv_copy::kv_copy(kv, copies);
        Ok(())
    }

    fn keep_hidden(&self, kv: &mut Kv, hidden: &Act, keep: &[KeepHidden]) -> Result<()> {
        for keep in keep {
            kv.hidden_row_mut(keep.window, keep.slot).copy_from_slice(hidden.row(keep.row as usize));
        }
        Ok(())
    }

    fn begin(&self, pass: &Pass, ropes: &[Rope]) -> Result<Step> {
        let ropes = ropes.iter().map(|&rope| RopeTable::new(rope, &pass.positions)).collect();
        Ok(Step { pass: pass.clone(), ropes })
    }

    fn take_rows(&self, x: &Act, rows: &[u32]) -> Result<Act> {
        let values = rows.iter().flat_map(|&row| x.row(row as usize)).copied().collect();
        Ok(Act { rows: rows.len(), width: x.width, values })
    }

    fn read(&self, x: &Act) -> Result<Vec<f32>> {
        Ok(x.values.clone())
    }

    fn write(&self, values: &[f32], width: usize) -> Result<Act> {
        Ok(Act { rows: values.len().checked_div(width).unwrap_or(0), width, values: values.to_vec() })
    }

    fn read_routes(&self, routes: &Routes) -> Result<HostRoutes> {
        Ok(routes.chosen.clone())
    }

    fn embed(&self, step: &Step, table: &Matrix) -> Result<Act> {
        Ok(ops::embed::embed(&step.pass.ids, table))
    }

    fn qkv_rope(&self, step: &Step, x: &Act, weights: &AttentionWeights<Self>) -> Result<Qkv<Self>> {
        self.require_numbers(&[&weights.q, &weights.k, &weights.v])?;
        Ok(ops::qkv_rope::qkv_rope(self, step, x, weights))
    }

    fn attn_global(
        &self,
        step: &Step,
        qkv: &Qkv<Self>,
        weights: &AttentionWeights<Self>,
        kv: &mut Kv,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Act> {
        Ok(ops::attn_global::attn_global(self, step, qkv, weights, kv, layer, queries))
    }

    fn attn_window(
        &self,
        step: &Step,
        qkv: &Qkv<Self>,
        weights: &AttentionWeights<Self>,
        kv: &mut Kv,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Act> {
        Ok(ops::attn_window::attn_window(self, step, qkv, weights, kv, layer, queries))
    }

    fn o_proj(&self, attended: &Act, weights: &AttentionWeights<Self>, x: &mut Act) -> Result<()> {
        self.require_numbers(&[&weights.o])?;
        ops::o_proj::o_proj(self, attended, &weights.o, x);
        Ok(())
    }

    fn dense_ffn(&self, weights: &FfnWeights<Self>, x: &mut Act) -> Result<()> {
        self.require_numbers(&[&weights.gate, &weights.up, &weights.down])?;
        ops::dense_ffn::dense_ffn(self, weights, x);
        Ok(())
    }

    fn router(&self, x: &Act, weights: &MoeWeights<Self>) -> Result<Routes> {
        Ok(ops::router::router(self, x, weights))
    }

    fn moe(&self, routes: &Routes, weights: &MoeWeights<Self>, x: &mut Act) -> Result<()> {
        self.require_experts(&weights.experts, &routes.chosen.ids)?;
        ops::moe::moe(self, routes, &weights.experts, x);
        Ok(())
    }

    fn mtp_join(
        &self,
        step: &Step,
        table: &Matrix,
        fresh: &Act,
        kv: &Kv,
        hidden: &[HiddenRow],
        weights: &JoinWeights<Self>,
    ) -> Result<Act> {
        self.require_numbers(&[&weights.join])?;
        Ok(ops::mtp_join::mtp_join(self, &step.pass.ids, table, fresh, kv, hidden, weights))
    }

    fn lm_head(&self, x: &Act, rows: &[u32], norm: &Vec<f32>, eps: f32, head: &Matrix) -> Result<Act> {
        self.require_numbers(&[head])?;
        Ok(ops::lm_head::lm_head(self, x, rows, norm, eps, head))
    }

    fn pick(&self, logits: &Act, asks: &[PickAsk<'_>]) -> Result<Vec<Picked>> {
        Ok(ops::pick::pick(logits, asks))
    }
}
