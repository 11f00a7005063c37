//! The runner as a class: every call goes to the engine thread and comes back as a promise.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mimokit_cpu::{CpuOptions, Level};
use mimokit_model::kv::{KvDtype, PoolSizes};
use mimokit_model::{Error as ModelError, ModelOptions};
use napi::bindgen_prelude::*;
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;

use crate::arrays::{OwnedBatch, StepBatch, StepResult, Tensor, tensors};
use crate::device::{AnyModel, DeviceOptions, Wanted};
use crate::engine::Engine;
use crate::errors::Failure;

/// `RunnerOptions` of @mimokit/protocol, checked by native-runner.ts, and the instruction set to force.
#[napi(object, object_to_js = false)]
#[derive(Default)]
pub struct OpenOptions {
    pub kv_bytes: Option<f64>,
    pub blocks: Option<u32>,
    pub windows: Option<u32>,
    pub block_tokens: Option<u32>,
    pub threads: Option<u32>,
    pub kv: Option<String>,
    pub activations: Option<String>,
    pub window_keys: Option<u32>,
    pub pickable_ids: Option<u32>,
    pub level: Option<String>,
    pub device: Option<String>,
}

/// `ModelInfo` of @mimokit/protocol.
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct ModelInfo {
    pub vocab_size: u32,
    pub context_length: u32,
    pub eos_token_ids: Vec<u32>,
    pub layers: u32,
    pub moe_layers: u32,
    pub experts: u32,
    pub top_k: u32,
    pub block_bytes: f64,
    pub window_bytes: f64,
}

/// `KvCapacity` of @mimokit/protocol.
#[napi(object, object_from_js = false)]
#[derive(Clone)]
pub struct KvCapacity {
    pub block_tokens: u32,
    pub blocks: u32,
    pub windows: u32,
}

/// Ends a loading from outside.
#[napi]
#[derive(Default)]
pub struct LoadControl {
    aborted: Arc<AtomicBool>,
}

#[napi]
impl LoadControl {
    #[napi(constructor)]
    pub fn new() -> LoadControl {
        LoadControl::default()
    }

    #[napi]
    pub fn abort(&self) {
        self.aborted.store(true, Ordering::Relaxed);
    }
}

type OnProgress = ThreadsafeFunction<FnArgs<(f64, f64)>, (), FnArgs<(f64, f64)>, Status, false>;

/// A model on this machine's processors, with its own engine thread.
#[napi]
pub struct NativeRunner {
    engine: Arc<Engine>,
    info: ModelInfo,
    capacity: KvCapacity,
    max_draft: u32,
}

#[napi]
impl NativeRunner {
    /// Loads a checkpoint directory on a thread of its own.
    #[napi(
        ts_args_type = "directory: string, options: OpenOptions, control: LoadControl, onProgress?: (loadedBytes: number, totalBytes: number) => void",
        ts_return_type = "Promise<NativeRunner>"
    )]
    pub fn open<'env>(
        env: &'env Env,
        directory: String,
        options: OpenOptions,
        control: &LoadControl,
        on_progress: Option<OnProgress>,
    ) -> Result<Object<'env>> {
        let (device, model) = options.parse().map_err(Failure::into_napi)?;
        let aborted = control.aborted.clone();
        let mut told = 0;
        let progress = move |loaded: u64, total: u64| {
            if aborted.load(Ordering::Relaxed) {
                return Err(ModelError::Aborted);
            }
            // A hundred calls at most, however many tensors there are.
            let percent = loaded * 100 / total.max(1);
            if let Some(on_progress) = on_progress.as_ref().filter(|_| percent > told) {
                told = percent;
                let arguments = (loaded as f64, total as f64).into();
                on_progress.call(arguments, ThreadsafeFunctionCallMode::NonBlocking);
            }
            Ok(())
        };
        let (deferred, promise) = env.create_deferred()?;
        Engine::start(directory, device, model, progress, move |loaded| {
            let runner = loaded.map(|(model, engine)| NativeRunner::new(model, engine));
            deferred.resolve(move |_| runner.map_err(Failure::into_napi));
        })
        .map_err(Failure::into_napi)?;
        Ok(promise)
    }

    fn new(model: &AnyModel, engine: Engine) -> NativeRunner {
        let (info, layout) = (model.info(), model.layout());
        // Every size here is bounded far below 2^32 by the config's checks.
        let size = |size: usize| size as u32;
        NativeRunner {
            engine: Arc::new(engine),
            info: ModelInfo {
                vocab_size: size(info.vocab_size),
                context_length: size(info.context_length),
                eos_token_ids: info.eos_token_ids.clone(),
                layers: size(info.layers),
                moe_layers: size(info.moe_layers),
                experts: size(info.experts),
                top_k: size(info.top_k),
                block_bytes: info.block_bytes as f64,
                window_bytes: info.window_bytes as f64,
            },
            capacity: KvCapacity {
                block_tokens: size(layout.block_tokens),
                blocks: size(layout.blocks),
                windows: size(layout.windows),
            },
            max_draft: size(info.max_draft),
        }
    }

    #[napi(getter)]
    pub fn info(&self) -> ModelInfo {
        self.info.clone()
    }

    #[napi(getter)]
    pub fn capacity(&self) -> KvCapacity {
        self.capacity.clone()
    }

    #[napi(getter)]
    pub fn max_draft(&self) -> u32 {
        self.max_draft
    }

    /// Runs one step after those before it.
    #[napi(ts_return_type = "Promise<StepResult>")]
    pub fn step<'env>(&self, env: &'env Env, batch: StepBatch<'_>) -> Result<Object<'env>> {
        let batch = OwnedBatch::copy(&batch);
        let (deferred, promise) = env.create_deferred()?;
        self.engine.submit(
            move |model| Ok(model.step(&batch.view())?),
            move |result| deferred.resolve(move |_| result.map(StepResult::from).map_err(Failure::into_napi)),
        );
        Ok(promise)
    }

    /// Runs one prompt from scratch, apart from the pools, and returns what the taps name.
    #[napi(ts_return_type = "Promise<Record<string, Tensor>>")]
    pub fn inspect<'env>(&self, env: &'env Env, ids: &[i32], taps: Vec<String>) -> Result<Object<'env>> {
        let ids = ids.to_vec();
        let (deferred, promise) = env.create_deferred::<HashMap<String, Tensor>, _>()?;
        self.engine.submit(
            move |model| {
                let taps: Vec<&str> = taps.iter().map(String::as_str).collect();
                Ok(model.inspect(&ids, &taps)?)
            },
            move |result| deferred.resolve(move |_| result.map(tensors).map_err(Failure::into_napi)),
        );
        Ok(promise)
    }

    /// Hidden states [n, hidden] after layer `layer - 1` through that layer alone, positions 0..n.
    #[napi(ts_return_type = "Promise<Float32Array>")]
    pub fn inspect_layer<'env>(&self, env: &'env Env, layer: u32, hidden: &[f32]) -> Result<Object<'env>> {
        let hidden = hidden.to_vec();
        let (deferred, promise) = env.create_deferred()?;
        self.engine.submit(
            move |model| Ok(model.inspect_layer(layer as usize, &hidden)?),
            move |result| deferred.resolve(move |_| result.map(Float32Array::new).map_err(Failure::into_napi)),
        );
        Ok(promise)
    }

    /// Finishes what runs, frees the model and ends the thread. A second call resolves at once.
    #[napi(ts_return_type = "Promise<void>")]
    pub fn dispose<'env>(&self, env: &'env Env) -> Result<Object<'env>> {
        let (deferred, promise) = env.create_deferred()?;
        let engine = self.engine.clone();
        self.engine.stop(move || {
            deferred.resolve(move |_| {
                // On the event loop, when the thread has nothing left to do but return.
                engine.join();
                Ok(())
            });
        });
        Ok(promise)
    }
}

impl OpenOptions {
    fn parse(&self) -> std::result::Result<(DeviceOptions, ModelOptions), Failure> {
        let unknown = |option: &str, value: &str, known: &str| {
            Failure::new("invalid-argument", format!("{option} is {value}; known: {known}."))
        };
        let wanted = match self.device.as_deref() {
            None | Some("cpu") => Wanted::Cpu,
            Some("cuda") => Wanted::Cuda,
            Some("auto") => Wanted::Auto,
            Some(other) => return Err(unknown("device", other, "cpu, cuda, auto")),
        };
        let kv = match self.kv.as_deref() {
            None => None,
            Some("f32") => Some(KvDtype::F32),
            Some("bf16") => Some(KvDtype::Bf16),
            Some("fp8") => Some(KvDtype::Fp8),
            Some(other) => return Err(unknown("kv", other, "f32, bf16, fp8")),
        };
        let (quantise_activations, int8) = match self.activations.as_deref() {
            None | Some("f32") => (false, false),
            Some("fp8") => (true, false),
            Some("int8") => (false, true),
            Some(other) => return Err(unknown("activations", other, "f32, fp8, int8")),
        };
        let level = match self.level.as_deref() {
            None => None,
            Some(name) => match Level::available().into_iter().find(|level| level.name() == name) {
                Some(level) => Some(level),
                None => {
                    let here: Vec<&str> = Level::available().into_iter().map(Level::name).collect();
                    return Err(unknown("level", name, &format!("{} on this machine", here.join(", "))));
                }
            },
        };
        // INT8 is the CPU's: asked for with any device, it is run there; asked for with CUDA, it is refused.
        let wanted = match wanted {
            Wanted::Cuda if int8 => return Err(unknown("activations", "int8", "f32, fp8 on cuda")),
            Wanted::Auto if int8 => Wanted::Cpu,
            wanted => wanted,
        };
        let size = |size: Option<u32>| size.map(|size| size as usize);
        let device = DeviceOptions {
            wanted,
            cpu: CpuOptions {
                threads: size(self.threads),
                level,
                kv: kv.unwrap_or(KvDtype::F32),
                quantise_activations,
                int8,
            },
            #[cfg(feature = "cuda")]
            cuda: mimokit_cuda::CudaOptions { kv: kv.unwrap_or(KvDtype::Bf16), quantise_activations },
        };
        let mut model = ModelOptions {
            window_keys: size(self.window_keys),
            pickable_ids: size(self.pickable_ids),
            ..ModelOptions::default()
        };
        model.block_tokens = size(self.block_tokens).unwrap_or(model.block_tokens);
        model.pools = match (self.kv_bytes, self.blocks, self.windows) {
            (_, Some(blocks), Some(windows)) => PoolSizes::Exact { blocks: blocks as usize, windows: windows as usize },
            (_, Some(blocks), None) => PoolSizes::Blocks(blocks as usize),
            (_, None, Some(windows)) => PoolSizes::Windows(windows as usize),
            (Some(bytes), None, None) => PoolSizes::Bytes(bytes as u64),
            (None, None, None) => PoolSizes::default(),
        };
        Ok((device, model))
    }
}
