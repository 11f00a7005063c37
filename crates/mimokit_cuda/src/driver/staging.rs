//! Host bytes to the device: small ones as they are, large ones through two pinned buffers in turn, so that reading a mapped file and the
//! bus work side by side.

use std::ffi::c_void;

use cudarc::driver::result;
use cudarc::driver::sys;

use super::failure;
use crate::error::Result;

/// Of one pinned buffer.
const BUFFER_BYTES: usize = 16 << 20;
/// Uploads below this go the plain way.
const SMALL_BYTES: usize = 1 << 20;

#[derive(Default)]
pub(super) struct Staging {
    buffers: Vec<Buffer>,
    next: usize,
}

struct Buffer {
    memory: *mut c_void,
    /// Recorded when the copy out of the buffer is done.
    copied: sys::CUevent,
}

// SAFETY: the memory and the event belong to the buffer alone.
unsafe impl Send for Buffer {}

impl Staging {
    /// Puts a copy on the stream; `from` may be changed afterwards. The context is current.
    pub(super) fn upload(&mut self, stream: sys::CUstream, to: sys::CUdeviceptr, from: &[u8]) -> Result<()> {
        if from.len() < SMALL_BYTES {
            if from.is_empty() {
                return Ok(());
            }
            // SAFETY: the driver has taken pageable bytes over when the call is back; `to` was checked by the caller.
            return unsafe { result::memcpy_htod_async(to, from, stream) }
                .map_err(|error| failure("cuMemcpyHtoDAsync", error));
        }
        for (index, part) in from.chunks(BUFFER_BYTES).enumerate() {
            let buffer = self.free_buffer()?;
            // SAFETY: the buffer holds BUFFER_BYTES and no copy reads it any more; the event is recorded behind the copy.
            unsafe {
                let staged = std::slice::from_raw_parts_mut(buffer.memory.cast::<u8>(), part.len());
                staged.copy_from_slice(part);
                result::memcpy_htod_async(to + (index * BUFFER_BYTES) as u64, staged, stream)
                    .and_then(|()| result::event::record(buffer.copied, stream))
            }
            .map_err(|error| failure("cuMemcpyHtoDAsync", error))?;
        }
        Ok(())
    }

    /// The buffer whose turn it is, when its last copy is done.
    fn free_buffer(&mut self) -> Result<&Buffer> {
        if self.buffers.len() < 2 {
            // SAFETY: plain allocations of the driver, freed in `drop`.
            let memory =
                unsafe { result::malloc_host(BUFFER_BYTES, 0) }.map_err(|error| failure("cuMemHostAlloc", error))?;
            let copied = result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)
                .map_err(|error| failure("cuEventCreate", error))?;
            self.buffers.push(Buffer { memory, copied });
        }
        let index = self.next % self.buffers.len();
        self.next += 1;
        let buffer = &self.buffers[index];
        // SAFETY: made above; an event that was never recorded is done.
        unsafe { result::event::synchronize(buffer.copied) }.map_err(|error| failure("cuEventSynchronize", error))?;
        Ok(buffer)
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        // SAFETY: the device waits for its stream before its context goes; what fails has nobody left to tell.
        unsafe {
            let _ = result::event::synchronize(self.copied);
            let _ = result::event::destroy(self.copied);
            let _ = result::free_host(self.memory);
        }
    }
}
