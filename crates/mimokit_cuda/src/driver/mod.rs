//! A GPU through its driver: libcuda is looked for at run time, the embedded images are loaded, everything runs on one stream.

mod profile;
mod report;
mod staging;
mod tensor_map;

use std::collections::HashMap;
use std::ffi::{CString, c_void};
use std::sync::{Arc, Mutex, PoisonError};

use cudarc::driver::result::{self, DriverError};
use cudarc::driver::sys::{self, CUdevice_attribute, CUfunction_attribute, CUresult};

use crate::arguments::{Address, Arguments, KERNELS, TensorMap};
use crate::device::{Device, Memory, Tensor};
use crate::error::{Error, Result};
use crate::images::{IMAGES, target_for};

pub use report::{CudaReport, GpuReport, report};
use staging::Staging;

/// Shared memory a block may use without asking.
const PLAIN_SHARED_BYTES: usize = 48 << 10;

/// One GPU. Calls may come from any thread, one at a time.
pub struct Gpu {
    /// Before the context, which its buffers need when they go.
    staging: Mutex<Staging>,
    inner: Arc<Inner>,
    functions: HashMap<&'static str, sys::CUfunction>,
    /// The images it loaded.
    target: &'static str,
    shared_bytes: usize,
    multiprocessors: usize,
    /// While somebody profiles.
    launches: Mutex<Option<Vec<profile::Timed>>>,
}

impl Drop for Gpu {
    fn drop(&mut self) {
        // For the buffers, which may go on another thread than they were made on.
        let _ = self.inner.enter();
    }
}

// SAFETY: handles of the driver may be used from any thread that has made the context current, which every call does.
unsafe impl Send for Gpu {}
// SAFETY: likewise; the stream orders what several threads ask for.
unsafe impl Sync for Gpu {}

/// What memory outlives.
struct Inner {
    device: sys::CUdevice,
    context: sys::CUcontext,
    stream: sys::CUstream,
}

// SAFETY: as of `Gpu`.
unsafe impl Send for Inner {}
// SAFETY: as of `Gpu`.
unsafe impl Sync for Inner {}

impl Inner {
    fn enter(&self) -> Result<()> {
        // SAFETY: the context lives as long as `self`.
        unsafe { result::ctx::set_current(self.context) }.map_err(|error| failure("cuCtxSetCurrent", error))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        // SAFETY: nothing else uses the stream or the context any more. What fails here has nobody left to tell.
        unsafe {
            let _ = result::ctx::set_current(self.context);
            let _ = result::stream::synchronize(self.stream);
            let _ = result::stream::destroy(self.stream);
            let _ = result::primary_ctx::release(self.device);
        }
    }
}

/// Device memory from the driver's stream-ordered pool.
pub struct GpuMemory {
    address: sys::CUdeviceptr,
    bytes: usize,
    inner: Arc<Inner>,
}

impl Memory for GpuMemory {
    fn address(&self) -> Address {
        self.address
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for GpuMemory {
    fn drop(&mut self) {
        if self.bytes > 0 && self.inner.enter().is_ok() {
            // SAFETY: allocated on this stream; work that uses it was put there before. After a lost device this fails, and nothing is left to do.
            let _ = unsafe { result::free_async(self.address, self.inner.stream) };
        }
    }
}

/// The driver is there and started.
fn start() -> Result<usize> {
    // SAFETY: only looks for the library. Every other call needs it.
    if !unsafe { sys::is_culib_present() } {
        return Err(Error::NoDriver);
    }
    result::init().map_err(|error| Error::NoGpu(format!(" ({})", words(error))))?;
    match result::device::get_count().map_err(|error| failure("cuDeviceGetCount", error))? {
        count if count > 0 => Ok(count as usize),
        _ => Err(Error::NoGpu(String::new())),
    }
}

impl Gpu {
    /// Opens GPU `ordinal`, as the driver counts them, and loads the kernels.
    ///
    /// # Errors
    /// `NoDriver`, `NoGpu`, `NoSuchGpu`, `UnsupportedGpu`, `NoImages`, `ImageRefused`, or what the driver says.
    pub fn open(ordinal: usize) -> Result<Gpu> {
        let count = start()?;
        if ordinal >= count {
            return Err(Error::NoSuchGpu { wanted: ordinal, count });
        }
        let device = result::device::get(ordinal as i32).map_err(|error| failure("cuDeviceGet", error))?;
        let capability = capability(device)?;
        let Some(target) = target_for(capability) else {
            let name = result::device::get_name(device).map_err(|error| failure("cuDeviceGetName", error))?;
            return Err(Error::UnsupportedGpu { name, capability: format!("{}.{}", capability.0, capability.1) });
        };
        if IMAGES.is_empty() {
            return Err(Error::NoImages);
        }
        // SAFETY: the device exists.
        let context = unsafe { result::primary_ctx::retain(device) }
            .map_err(|error| failure("cuDevicePrimaryCtxRetain", error))?;
        // SAFETY: retained above.
        unsafe { result::ctx::set_current(context) }.map_err(|error| failure("cuCtxSetCurrent", error))?;
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)
            .map_err(|error| failure("cuStreamCreate", error))?;
        let inner = Arc::new(Inner { device, context, stream });
        keep_freed_memory(device)?;
        let functions = load(target)?;
        let attribute = |attribute| {
            // SAFETY: the device exists.
            unsafe { result::device::get_attribute(device, attribute) }
                .map_err(|error| failure("cuDeviceGetAttribute", error))
        };
        let shared = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN)?;
        let multiprocessors = attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT)?;
        Ok(Gpu {
            inner,
            functions,
            target,
            staging: Mutex::new(Staging::default()),
            // A KiB is left for what kernels name statically.
            shared_bytes: (shared as usize).saturating_sub(1 << 10),
            multiprocessors: multiprocessors as usize,
            launches: Mutex::new(None),
        })
    }

    /// Bytes free and in all.
    pub fn memory(&self) -> Result<(usize, usize)> {
        self.inner.enter()?;
        result::mem_get_info().map_err(|error| failure("cuMemGetInfo", error))
    }

    /// Waits for all work, and finds what failed in it.
    ///
    /// # Errors
    /// `Lost` when a kernel failed.
    pub fn synchronize(&self) -> Result<()> {
        self.inner.enter()?;
        // SAFETY: the stream lives.
        unsafe { result::stream::synchronize(self.inner.stream) }.map_err(|error| failure("cuStreamSynchronize", error))
    }

    /// Runs `work` and gives the device's own time for it in seconds, without launch overhead before and after.
    pub fn time(&self, work: impl FnOnce() -> Result<()>) -> Result<f64> {
        self.inner.enter()?;
        let event = || {
            result::event::create(sys::CUevent_flags::CU_EVENT_DEFAULT).map_err(|error| failure("cuEventCreate", error))
        };
        let (before, after) = (event()?, event()?);
        let record = |event| {
            // SAFETY: both were made above.
            unsafe { result::event::record(event, self.inner.stream) }.map_err(|error| failure("cuEventRecord", error))
        };
        let measured = record(before).and_then(|()| work()).and_then(|()| record(after)).and_then(|()| {
            // SAFETY: recorded above.
            unsafe { result::event::synchronize(after).and_then(|()| result::event::elapsed(before, after)) }
                .map_err(|error| failure("cuEventElapsedTime", error))
        });
        // SAFETY: nothing uses them any more.
        let _ = unsafe { result::event::destroy(before).and_then(|()| result::event::destroy(after)) };
        Ok(f64::from(measured?) / 1e3)
    }
}

impl Device for Gpu {
    type Memory = GpuMemory;

    fn allocate(&self, bytes: usize) -> Result<GpuMemory> {
        self.inner.enter()?;
        let memory = |address| GpuMemory { address, bytes, inner: self.inner.clone() };
        if bytes == 0 {
            return Ok(memory(0));
        }
        // SAFETY: used on this stream only.
        match unsafe { result::malloc_async(self.inner.stream, bytes) } {
            Ok(address) => Ok(memory(address)),
            Err(DriverError(CUresult::CUDA_ERROR_OUT_OF_MEMORY)) => {
                let (free, total) = result::mem_get_info().unwrap_or((0, 0));
                Err(Error::OutOfMemory { wanted: bytes, free, total })
            }
            Err(error) => Err(failure("cuMemAllocAsync", error)),
        }
    }

    fn upload(&self, to: &GpuMemory, offset: usize, from: &[u8]) -> Result<()> {
        inside(to, offset, from.len())?;
        self.inner.enter()?;
        let mut staging = self.staging.lock().unwrap_or_else(PoisonError::into_inner);
        staging.upload(self.inner.stream, to.address + offset as u64, from)
    }

    fn download(&self, from: &GpuMemory, offset: usize, to: &mut [u8]) -> Result<()> {
        inside(from, offset, to.len())?;
        if to.is_empty() {
            return Ok(());
        }
        self.inner.enter()?;
        // SAFETY: inside, checked; the wait below ends the use of `to`.
        unsafe { result::memcpy_dtoh_async(to, from.address + offset as u64, self.inner.stream) }
            .map_err(|error| failure("cuMemcpyDtoHAsync", error))?;
        self.synchronize()
    }

    fn copy(&self, from: (&GpuMemory, usize), to: (&GpuMemory, usize), bytes: usize) -> Result<()> {
        inside(from.0, from.1, bytes)?;
        inside(to.0, to.1, bytes)?;
        if bytes == 0 {
            return Ok(());
        }
        self.inner.enter()?;
        let (source, target) = (from.0.address + from.1 as u64, to.0.address + to.1 as u64);
        // SAFETY: inside, checked; they do not overlap, by the trait's contract.
        unsafe { result::memcpy_dtod_async(target, source, bytes, self.inner.stream) }
            .map_err(|error| failure("cuMemcpyDtoDAsync", error))
    }

    unsafe fn launch<A: Arguments>(&self, arguments: &A, grid: [usize; 3], shared_bytes: usize) -> Result<()> {
        let kernel = A::KERNEL;
        if grid.contains(&0) {
            return Ok(());
        }
        let failed = |problem: String| Error::Driver { call: kernel.name.into(), problem };
        if grid[0] > i32::MAX as usize || grid[1].max(grid[2]) > 65535 {
            return Err(failed(format!("the grid {grid:?} is too large")));
        }
        let Some(&function) = self.functions.get(kernel.name) else {
            return Err(failed(format!("this GPU has no image of {}.cu", kernel.file)));
        };
        self.inner.enter()?;
        let mut copy = *arguments;
        let mut parameters = [(&raw mut copy).cast::<c_void>()];
        let [x, y, z] = grid.map(|size| size as u32);
        // SAFETY: the addresses are the caller's contract; the struct is the kernel's one parameter, which the driver copies now.
        unsafe {
            if shared_bytes > PLAIN_SHARED_BYTES {
                let most = CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                result::function::set_function_attribute(function, most, shared_bytes as i32)
                    .map_err(|error| failure(kernel.name, error))?;
            }
            self.timed(kernel.name, || {
                result::launch_kernel(
                    function,
                    (x, y, z),
                    (kernel.threads, 1, 1),
                    shared_bytes as u32,
                    self.inner.stream,
                    &mut parameters,
                )
                .map_err(|error| failure(kernel.name, error))
            })
        }
    }

    fn shared_bytes(&self) -> usize {
        self.shared_bytes
    }

    fn multiprocessors(&self) -> usize {
        self.multiprocessors
    }

    fn has_tensor_maps(&self) -> bool {
        self.target == "sm_90a"
    }

    fn tensor_map(&self, tensor: &Tensor) -> Result<TensorMap> {
        self.inner.enter()?;
        tensor_map::encode(tensor)
    }
}

/// Freed memory stays with the pool, so that a step allocates without asking the system.
fn keep_freed_memory(device: sys::CUdevice) -> Result<()> {
    let mut threshold = u64::MAX;
    let release = sys::CUmemPool_attribute::CU_MEMPOOL_ATTR_RELEASE_THRESHOLD;
    // SAFETY: the device exists; the attribute is a 64-bit number.
    unsafe {
        result::device::get_default_mem_pool(device)
            .and_then(|pool| sys::cuMemPoolSetAttribute(pool, release, (&raw mut threshold).cast()).result())
    }
    .map_err(|error| failure("cuMemPoolSetAttribute", error))
}

/// Every kernel of the target by name. Modules live as long as the process: unloading them would end a device others still use.
fn load(target: &str) -> Result<HashMap<&'static str, sys::CUfunction>> {
    let mut functions = HashMap::new();
    for image in IMAGES.iter().filter(|image| image.target == target) {
        // SAFETY: an image that nvcc made for this target, with its closing zero if it is text.
        let module = unsafe { result::module::load_data(image.bytes.as_ptr().cast()) }.map_err(|error| {
            Error::ImageRefused { problem: format!("{}.cu for {target}: {}", image.file, words(error)) }
        })?;
        for kernel in KERNELS.iter().filter(|kernel| kernel.file == image.file) {
            let name = CString::new(kernel.name).expect("names have no zero");
            // SAFETY: loaded above and never unloaded.
            let function = unsafe { result::module::get_function(module, name) }
                .map_err(|error| Error::ImageRefused { problem: format!("{}: {}", kernel.name, words(error)) })?;
            functions.insert(kernel.name, function);
        }
    }
    Ok(functions)
}

fn capability(device: sys::CUdevice) -> Result<(i32, i32)> {
    let attribute = |attribute| {
        // SAFETY: the device exists.
        unsafe { result::device::get_attribute(device, attribute) }
            .map_err(|error| failure("cuDeviceGetAttribute", error))
    };
    Ok((
        attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?,
        attribute(CUdevice_attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?,
    ))
}

fn inside(memory: &GpuMemory, offset: usize, bytes: usize) -> Result<()> {
    if offset.checked_add(bytes).is_some_and(|end| end <= memory.bytes) {
        return Ok(());
    }
    let problem = format!("{bytes} bytes at {offset} of memory of {}", memory.bytes);
    Err(Error::Driver { call: "copy".into(), problem })
}

fn words(error: DriverError) -> String {
    match (error.error_name(), error.error_string()) {
        (Ok(name), Ok(text)) => format!("{}: {}", name.to_string_lossy(), text.to_string_lossy()),
        _ => format!("{:?}", error.0),
    }
}

/// Errors that leave no context to work with are `Lost`.
fn failure(call: &str, error: DriverError) -> Error {
    use CUresult as R;
    let problem = words(error);
    match error.0 {
        R::CUDA_ERROR_ILLEGAL_ADDRESS
        | R::CUDA_ERROR_LAUNCH_FAILED
        | R::CUDA_ERROR_LAUNCH_TIMEOUT
        | R::CUDA_ERROR_ECC_UNCORRECTABLE
        | R::CUDA_ERROR_NVLINK_UNCORRECTABLE
        | R::CUDA_ERROR_HARDWARE_STACK_ERROR
        | R::CUDA_ERROR_ILLEGAL_INSTRUCTION
        | R::CUDA_ERROR_MISALIGNED_ADDRESS
        | R::CUDA_ERROR_INVALID_ADDRESS_SPACE
        | R::CUDA_ERROR_INVALID_PC
        | R::CUDA_ERROR_ASSERT
        | R::CUDA_ERROR_CONTEXT_IS_DESTROYED
        | R::CUDA_ERROR_DEINITIALIZED => Error::Lost { during: call.into(), problem },
        _ => Error::Driver { call: call.into(), problem },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_without_a_driver_is_told_so_and_nothing_panics() {
        // With a driver the tests of mimokit_cuda_check run instead.
        match Gpu::open(0) {
            Err(Error::NoDriver) => assert!(report().unused.is_some_and(|reason| reason.contains("libcuda"))),
            Err(error) => assert_eq!(report().unused, Some(error.to_string())),
            Ok(_) => assert!(report().unused.is_none()),
        }
    }
}
