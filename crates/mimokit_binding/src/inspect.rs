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
}

#[napi]
pub fn machine_report() -> MachineReport {
    MachineReport {
        level: Level::detected().name().into(),
        levels: Level::available().into_iter().map(|level| level.name().into()).collect(),
        threads: Pool::default_threads() as u32,
        target: format!("{}-{}", std::env::consts::OS, std::env::consts::ARCH),
    }
}
