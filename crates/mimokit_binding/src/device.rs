//! Which device a model runs on. The CPU is always there; CUDA where the addon was built with the feature `cuda`, and where this machine has a
//! GPU that the kernels run on.

use mimokit_checkpoint::Checkpoint;
#[cfg(feature = "cuda")]
use std::sync::Arc;

#[cfg(feature = "cuda")]
use mimokit_cpu::KeptExperts;
use mimokit_cpu::{CpuBackend, CpuOptions};
#[cfg(feature = "cuda")]
use mimokit_cuda::placement::{Host, Keep, Needs, Placement};
#[cfg(feature = "cuda")]
use mimokit_cuda::{CudaBackend, CudaOptions, driver::Gpu};
use mimokit_model::kv::KvLayout;
use mimokit_model::{Model, ModelInfo, ModelOptions, Result as ModelResult, StepBatch, StepResult, Tapped};

use crate::errors::Failure;

/// What was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wanted {
    #[default]
    Cpu,
    Cuda,
    /// CUDA if a model can be loaded there, else the CPU.
    Auto,
}

/// Where and how.
pub(crate) struct DeviceOptions {
    pub(crate) wanted: Wanted,
    pub(crate) cpu: CpuOptions,
    #[cfg(feature = "cuda")]
    pub(crate) cuda: CudaOptions,
}

/// A model on the device it was loaded to.
pub(crate) enum AnyModel {
    Cpu(Box<Model<CpuBackend>>),
    #[cfg(feature = "cuda")]
    Cuda(Box<Model<CudaBackend<Gpu>>>),
}

macro_rules! on_device {
    ($model:expr, $name:ident => $call:expr) => {
        match $model {
            AnyModel::Cpu($name) => $call,
            #[cfg(feature = "cuda")]
            AnyModel::Cuda($name) => $call,
        }
    };
}

impl AnyModel {
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        device: &DeviceOptions,
        options: &ModelOptions,
        progress: &mut dyn FnMut(u64, u64) -> ModelResult<()>,
    ) -> Result<AnyModel, Failure> {
        if device.wanted != Wanted::Cpu {
            match load_cuda(checkpoint, device, options, progress) {
                // What stops the CPU as well is not tried again.
                Err(failure) if device.wanted == Wanted::Auto && failure.is_of_device() => {}
                outcome => return outcome,
            }
        }
        let model = Model::load(checkpoint, CpuBackend::new(&device.cpu)?, options, progress)?;
        Ok(AnyModel::Cpu(Box::new(model)))
    }

    pub(crate) fn info(&self) -> &ModelInfo {
        on_device!(self, model => model.info())
    }

    pub(crate) fn layout(&self) -> &KvLayout {
        on_device!(self, model => model.layout())
    }

    pub(crate) fn step(&mut self, batch: &StepBatch<'_>) -> ModelResult<StepResult> {
        on_device!(self, model => model.step(batch))
    }

    pub(crate) fn inspect(&self, ids: &[i32], taps: &[&str]) -> ModelResult<Vec<Tapped>> {
        on_device!(self, model => model.inspect(ids, taps))
    }

    pub(crate) fn inspect_layer(&self, layer: usize, hidden: &[f32]) -> ModelResult<Vec<f32>> {
        on_device!(self, model => model.inspect_layer(layer, hidden))
    }
}

#[cfg(feature = "cuda")]
fn load_cuda(
    checkpoint: &Checkpoint,
    device: &DeviceOptions,
    options: &ModelOptions,
    progress: &mut dyn FnMut(u64, u64) -> ModelResult<()>,
) -> Result<AnyModel, Failure> {
    let gpu = Gpu::open(0).map_err(|error| Failure::from(mimokit_model::Error::from(error)))?;
    let of_device = |error: mimokit_cuda::Error| Failure::from(mimokit_model::Error::from(error));
    let needs = Needs::of(checkpoint, options, device.cuda.kv)?;
    let (free, _) = gpu.memory().map_err(of_device)?;
    let placement = Placement::plan(&needs, free as u64).map_err(of_device)?;
    let backend = if placement.kept() == 0 {
        CudaBackend::new(gpu, device.cuda)
    } else {
        let cpu = Arc::new(CpuBackend::new(&device.cpu)?);
        let keep: Keep = Box::new(move |experts| {
            let kept = KeptExperts::new(Arc::clone(&cpu), experts)?;
            Ok(Box::new(move |routes, n: &[f32]| kept.mix(routes, n)))
        });
        CudaBackend::with_host(gpu, device.cuda, Host { placement, keep })
    };
    let model = Model::load(checkpoint, backend, options, progress)?;
    Ok(AnyModel::Cuda(Box::new(model)))
}

#[cfg(not(feature = "cuda"))]
fn load_cuda(
    _: &Checkpoint,
    _: &DeviceOptions,
    _: &ModelOptions,
    _: &mut dyn FnMut(u64, u64) -> ModelResult<()>,
) -> Result<AnyModel, Failure> {
    Err(Failure::new(
        "runner-failed",
        "This build of the native core has no CUDA backend; docs/cuda.md says how to build it.",
    ))
}
