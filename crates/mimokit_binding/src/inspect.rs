//! What this machine offers the native core, for `mimokit doctor`.

use mimokit_cpu::{Level, Pool};
use napi_derive::napi;

/// Instruction sets, threads and memory as this process sees them.
#[napi(object, object_from_js = false)]
pub struct MachineReport {
    /// The instruction set that is used unless another is forced.
    pub level: String,
    /// All that can be forced; results are the same.
    pub levels: Vec<String>,
    /// Threads a runner uses by default: affinity and cgroup quota counted.
    pub threads: u32,
    pub target: String,
    /// Left out by a build without CUDA.
    pub cuda: Option<CudaReport>,
}

/// What CUDA offers on this machine. Never an error.
#[napi(object, object_from_js = false)]
pub struct CudaReport {
    /// The newest CUDA version that the driver knows, 13000 for 13.0; left out without a driver.
    pub driver: Option<i32>,
    pub gpus: Vec<GpuReport>,
    /// Bytes of the kernels in this build, and what they are compiled for.
    pub image_bytes: f64,
    pub targets: Vec<String>,
    /// Why no GPU is used; left out when one can be.
    pub unused: Option<String>,
}

/// One GPU as the driver sees it.
#[napi(object, object_from_js = false)]
pub struct GpuReport {
    pub name: String,
    /// "9.0"
    pub capability: String,
    pub memory_bytes: f64,
    /// The kernels it would run.
    pub target: Option<String>,
}

#[napi]
pub fn machine_report() -> MachineReport {
    MachineReport {
        level: Level::detected().name().into(),
        levels: Level::available().into_iter().map(|level| level.name().into()).collect(),
        threads: Pool::default_threads() as u32,
        target: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
        cuda: cuda(),
    }
}

#[cfg(feature = "cuda")]
fn cuda() -> Option<CudaReport> {
    let report = mimokit_cuda::driver::report();
    Some(CudaReport {
        driver: report.driver,
        gpus: report
            .gpus
            .into_iter()
            .map(|gpu| GpuReport {
                name: gpu.name,
                capability: format!("{}.{}", gpu.capability.0, gpu.capability.1),
                memory_bytes: gpu.memory_bytes as f64,
                target: gpu.target.map(str::to_string),
            })
            .collect(),
        image_bytes: report.image_bytes as f64,
        targets: report.targets.into_iter().map(str::to_string).collect(),
        unused: report.unused,
    })
}

#[cfg(not(feature = "cuda"))]
fn cuda() -> Option<CudaReport> {
    None
}
