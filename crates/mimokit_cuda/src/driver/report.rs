//! What CUDA offers on this machine, for `mimokit doctor`: driver, GPUs, images, and why a GPU is not used.

use cudarc::driver::{result, sys};

use super::{capability, start, words};
use crate::error::Error;
use crate::images::{IMAGES, target_for, total_bytes};

/// Never an error: what cannot be found out is left out.
#[derive(Clone, Debug, Default)]
pub struct CudaReport {
    /// The newest CUDA version the driver knows, 13000 for 13.0.
    pub driver: Option<i32>,
    pub gpus: Vec<GpuReport>,
    /// Kernel files embedded in this build, their bytes together, and their targets.
    pub image_files: usize,
    pub image_bytes: usize,
    pub targets: Vec<&'static str>,
    /// Why no GPU can be used; `None` when one can.
    pub unused: Option<String>,
}

#[derive(Clone, Debug)]
pub struct GpuReport {
    pub name: String,
    pub capability: (i32, i32),
    pub memory_bytes: usize,
    /// The images it loads, if this build has any for it.
    pub target: Option<&'static str>,
}

pub fn report() -> CudaReport {
    let mut targets: Vec<&'static str> = IMAGES.iter().map(|image| image.target).collect();
    targets.sort_unstable();
    targets.dedup();
    let mut report =
        CudaReport { image_files: IMAGES.len(), image_bytes: total_bytes(), targets, ..CudaReport::default() };
    match start() {
        Err(error) => report.unused = Some(error.to_string()),
        Ok(count) => {
            let mut version = 0;
            // SAFETY: a number to write to.
            if unsafe { sys::cuDriverGetVersion(&raw mut version) }.result().is_ok() {
                report.driver = Some(version);
            }
            for ordinal in 0..count {
                match gpu(ordinal as i32) {
                    Ok(gpu) => report.gpus.push(gpu),
                    Err(error) => report.unused = Some(error.to_string()),
                }
            }
            report.unused = unused(&report).or(report.unused.take().filter(|_| report.gpus.is_empty()));
        }
    }
    report
}

fn unused(report: &CudaReport) -> Option<String> {
    let first = report.gpus.first()?;
    let capability = format!("{}.{}", first.capability.0, first.capability.1);
    if report.gpus.iter().all(|gpu| gpu.target.is_none()) {
        return Some(Error::UnsupportedGpu { name: first.name.clone(), capability }.to_string());
    }
    IMAGES.is_empty().then(|| Error::NoImages.to_string())
}

fn gpu(ordinal: i32) -> Result<GpuReport, Error> {
    let failed = |error| Error::Driver { call: format!("GPU {ordinal}"), problem: words(error) };
    let device = result::device::get(ordinal).map_err(failed)?;
    let capability = capability(device)?;
    Ok(GpuReport {
        name: result::device::get_name(device).map_err(failed)?,
        capability,
        // SAFETY: the device exists.
        memory_bytes: unsafe { result::device::total_mem(device) }.map_err(failed)?,
        target: target_for(capability),
    })
}
