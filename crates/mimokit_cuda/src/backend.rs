//! `CudaBackend`: `trait Backend` over a device. Plumbing is here; each op is handed to its file in ops/.

use std::sync::atomic::{AtomicUsize, Ordering};

use mimokit_checkpoint::Linear;
use mimokit_model::backend::{Backend, ExpertSource, HostRoutes, KeepHidden, Qkv, Queries};
use mimokit_model::kv::{KvCopy, KvDtype, KvLayout};
use mimokit_model::pass::{HiddenRow, Pass, Rope};
use mimokit_model::pick::{PickAsk, Picked};
use mimokit_model::weights::{AttentionWeights, FfnWeights, JoinWeights, MoeWeights};
use mimokit_model::{Error as ModelError, Result};

use crate::act::{Act, Routes, Vector};
use crate::arguments::{Address, Arguments, MoveRows, MoveRowsArgs};
use crate::device::{Device, Memory};
use crate::error;
use crate::kv::Kv;
use crate::matrix::{DeviceExperts, Experts, Matrix};
use crate::ops;
use crate::placement::Host;
use crate::step::Step;

/// How the backend runs.
#[derive(Clone, Copy, Debug)]
pub struct CudaOptions {
    pub kv: KvDtype,
    /// Quantise the inputs of FP8 linears per 128 channels, as the checkpoint's own scheme does.
    pub quantise_activations: bool,
}

impl Default for CudaOptions {
    fn default() -> CudaOptions {
        CudaOptions { kv: KvDtype::Bf16, quantise_activations: false }
    }
}

/// The model's ops on a device.
pub struct CudaBackend<D: Device> {
    pub(crate) device: D,
    pub(crate) options: CudaOptions,
    host: Option<Host>,
    /// MoE layers uploaded so far: a model brings its experts in layer order.
    moe_layers: AtomicUsize,
}

impl<D: Device> CudaBackend<D> {
    pub fn new(device: D, options: CudaOptions) -> CudaBackend<D> {
        CudaBackend { device, options, host: None, moe_layers: AtomicUsize::new(0) }
    }

    /// A backend for one model, some of whose experts stay on the host.
    pub fn with_host(device: D, options: CudaOptions, host: Host) -> CudaBackend<D> {
        CudaBackend { host: Some(host), ..CudaBackend::new(device, options) }
    }

    pub fn device(&self) -> &D {
        &self.device
    }

    pub fn options(&self) -> CudaOptions {
        self.options
    }

    pub(crate) fn act(&self, rows: usize, width: usize) -> error::Result<Act<D>> {
        Ok(Act { rows, width, memory: self.device.allocate(rows * width * 4)? })
    }

    /// A list of words on the device; the memory must outlive the launches that read it, which dropping after them gives.
    pub(crate) fn words(&self, words: &[u32]) -> error::Result<D::Memory> {
        let memory = self.device.allocate(words.len() * 4)?;
        self.device.upload(&memory, 0, bytes_of(words))?;
        Ok(memory)
    }

    /// # Safety
    /// As `Device::launch`.
    pub(crate) unsafe fn launch<A: Arguments>(
        &self,
        arguments: A,
        grid: [usize; 3],
        shared: usize,
    ) -> error::Result<()> {
        // SAFETY: passed on to the caller.
        unsafe { self.device.launch(&arguments, grid, shared) }
    }

    /// out[targets[i]] = x[rows[i]], rows of `width`.
    fn move_rows(&self, x: &Act<D>, rows: &[u32], targets: Option<&[u32]>, out: Address) -> error::Result<()> {
        let list = self.words(rows)?;
        let targets = targets.map(|targets| self.words(targets)).transpose()?;
        let arguments = MoveRowsArgs {
            x: x.address(),
            rows: list.address(),
            targets: targets.as_ref().map_or(0, Memory::address),
            out,
            width: x.width as u32,
            ..MoveRowsArgs::default()
        };
        // SAFETY: rows are those of x by the trait's contract, targets those of a pool that the layout sized.
        unsafe { self.launch(MoveRows(arguments), [rows.len(), 1, 1], 0) }
    }
}

impl<D: Device> Backend for CudaBackend<D> {
    type Matrix = Matrix<D>;
    type Vector = Vector<D>;
    type Experts = Experts<D>;
    type Act = Act<D>;
    type Routes = Routes<D>;
    type Kv = Kv<D>;
    type Step = Step<D>;

    fn upload_matrix(&self, linear: &Linear) -> Result<Matrix<D>> {
        Ok(Matrix::upload(&self.device, linear)?)
    }

    fn upload_vector(&self, values: &[f32]) -> Result<Vector<D>> {
        let memory = self.device.allocate(size_of_val(values))?;
        self.device.upload(&memory, 0, bytes_of(values))?;
        Ok(Vector(memory))
    }

    fn upload_experts(&self, experts: Vec<ExpertSource>) -> Result<Experts<D>> {
        let layer = self.moe_layers.fetch_add(1, Ordering::Relaxed);
        match &self.host {
            Some(host) if !host.placement.is_on_device(layer) => Ok(Experts::Host((host.keep)(experts)?)),
            _ => Ok(Experts::Device(Box::new(DeviceExperts::upload(&self.device, &experts)?))),
        }
    }

    fn kv_dtype(&self) -> KvDtype {
        self.options.kv
    }

    fn kv_new(&self, layout: &KvLayout) -> Result<Kv<D>> {
        Ok(Kv::new(&self.device, layout, self.options.kv)?)
    }

    fn kv_copy(&self, kv: &mut Kv<D>, copies: &[KvCopy]) -> Result<()> {
        Ok(kv.copy(&self.device, copies)?)
    }

    fn keep_hidden(&self, kv: &mut Kv<D>, hidden: &Act<D>, keep: &[KeepHidden]) -> Result<()> {
        let rows: Vec<u32> = keep.iter().map(|entry| entry.row).collect();
        let targets: Vec<u32> = keep.iter().map(|entry| kv.hidden_row(entry.window, entry.slot)).collect();
        Ok(self.move_rows(hidden, &rows, Some(&targets), kv.hidden.address())?)
    }

    fn begin(&self, pass: &Pass, ropes: &[Rope]) -> Result<Step<D>> {
        Ok(Step::new(&self.device, pass, ropes)?)
    }

    fn take_rows(&self, x: &Act<D>, rows: &[u32]) -> Result<Act<D>> {
        let out = self.act(rows.len(), x.width)?;
        self.move_rows(x, rows, None, out.address())?;
        Ok(out)
    }

    fn read(&self, x: &Act<D>) -> Result<Vec<f32>> {
        Ok(self.floats(&x.memory, x.rows * x.width)?)
    }

    fn write(&self, values: &[f32], width: usize) -> Result<Act<D>> {
        if width == 0 || !values.len().is_multiple_of(width) {
            return Err(ModelError::Argument(format!("{} values are no rows of {width}.", values.len())));
        }
        let out = self.act(values.len() / width, width)?;
        self.device.upload(&out.memory, 0, bytes_of(values))?;
        Ok(out)
    }

    fn read_routes(&self, routes: &Routes<D>) -> Result<HostRoutes> {
        let count = routes.rows * routes.top_k;
        let mut ids = vec![0; count * 4];
        self.device.download(&routes.ids, 0, &mut ids)?;
        let ids = ids.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes) as u16).collect();
        Ok(HostRoutes { top_k: routes.top_k, ids, weights: self.floats(&routes.weights, count)? })
    }

    fn embed(&self, step: &Step<D>, table: &Matrix<D>) -> Result<Act<D>> {
        Ok(ops::embed::embed(self, step, table)?)
    }

    fn qkv_rope(&self, step: &Step<D>, x: &Act<D>, weights: &AttentionWeights<Self>) -> Result<Qkv<Self>> {
        Ok(ops::qkv_rope::qkv_rope(self, step, x, weights)?)
    }

    fn attn_global(
        &self,
        step: &Step<D>,
        qkv: &Qkv<Self>,
        weights: &AttentionWeights<Self>,
        kv: &mut Kv<D>,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Act<D>> {
        Ok(ops::attn_global::attn_global(self, step, qkv, weights, kv, layer, queries)?)
    }

    fn attn_window(
        &self,
        step: &Step<D>,
        qkv: &Qkv<Self>,
        weights: &AttentionWeights<Self>,
        kv: &mut Kv<D>,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Act<D>> {
        Ok(ops::attn_window::attn_window(self, step, qkv, weights, kv, layer, queries)?)
    }

    fn o_proj(&self, attended: &Act<D>, weights: &AttentionWeights<Self>, x: &mut Act<D>) -> Result<()> {
        Ok(ops::o_proj::o_proj(self, attended, &weights.o, x)?)
    }

    fn dense_ffn(&self, weights: &FfnWeights<Self>, x: &mut Act<D>) -> Result<()> {
        Ok(ops::dense_ffn::dense_ffn(self, weights, x)?)
    }

    fn router(&self, x: &Act<D>, weights: &MoeWeights<Self>) -> Result<Routes<D>> {
        Ok(ops::router::router(self, x, weights)?)
    }

    fn moe(&self, routes: &Routes<D>, weights: &MoeWeights<Self>, x: &mut Act<D>) -> Result<()> {
        match &weights.experts {
            Experts::Device(experts) => Ok(ops::moe::moe(self, routes, experts, x)?),
            Experts::Host(mix) => ops::moe::moe_on_host(self, routes, mix, x),
        }
    }

    fn mtp_join(
        &self,
        step: &Step<D>,
        table: &Matrix<D>,
        fresh: &Act<D>,
        kv: &Kv<D>,
        hidden: &[HiddenRow],
        weights: &JoinWeights<Self>,
    ) -> Result<Act<D>> {
        Ok(ops::mtp_join::mtp_join(self, step, table, fresh, kv, hidden, weights)?)
    }

    fn lm_head(&self, x: &Act<D>, rows: &[u32], norm: &Vector<D>, eps: f32, head: &Matrix<D>) -> Result<Act<D>> {
        Ok(ops::lm_head::lm_head(self, x, rows, norm, eps, head)?)
    }

    fn pick(&self, logits: &Act<D>, asks: &[PickAsk<'_>]) -> Result<Vec<Picked>> {
        Ok(ops::pick::pick(self, logits, asks)?)
    }
}

impl<D: Device> CudaBackend<D> {
    pub(crate) fn floats(&self, memory: &D::Memory, count: usize) -> error::Result<Vec<f32>> {
        let mut bytes = vec![0; count * 4];
        self.device.download(memory, 0, &mut bytes)?;
        Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
    }
}

/// Types without padding whose bytes may be read.
pub(crate) trait Plain: Copy {}
impl Plain for u8 {}
impl Plain for u32 {}
impl Plain for f32 {}
impl Plain for crate::arguments::Matrix {}

/// The bytes of a list, as the device (little-endian, like every host with a CUDA driver) reads them.
pub(crate) fn bytes_of<T: Plain>(values: &[T]) -> &[u8] {
    // SAFETY: plain types have no padding, and any byte may be read.
    unsafe { std::slice::from_raw_parts(values.as_ptr().cast(), size_of_val(values)) }
}
