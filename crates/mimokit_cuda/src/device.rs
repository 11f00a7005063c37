//! The seam below the backend: memory, copies and launches of one device, in order. Two devices exist: a GPU through its driver
//! (driver/), and the emulated one of mimokit_cuda_check, which runs the same kernels on the host.
//!
//! Everything happens in the order of the calls, as on one CUDA stream; only `download` waits.

use crate::arguments::{Address, Arguments, TensorMap};
use crate::error::Result;

/// A device that runs kernels.
pub trait Device: Send + Sync + Sized + 'static {
    /// Device memory; dropping gives it back after the work that uses it.
    type Memory: Memory;

    /// `bytes` of memory, aligned to 256 bytes (emulated: 16), contents unspecified. Zero bytes are allowed.
    ///
    /// # Errors
    /// `OutOfMemory`, `Lost`.
    fn allocate(&self, bytes: usize) -> Result<Self::Memory>;

    /// Copies `from` to the memory, `offset` bytes in. The host's bytes may be changed once the call is back.
    fn upload(&self, to: &Self::Memory, offset: usize, from: &[u8]) -> Result<()>;

    /// Waits for everything before it, then copies.
    fn download(&self, from: &Self::Memory, offset: usize, to: &mut [u8]) -> Result<()>;

    /// Copies inside of the device; the parts do not overlap.
    fn copy(&self, from: (&Self::Memory, usize), to: (&Self::Memory, usize), bytes: usize) -> Result<()>;

    /// Runs the kernel of these arguments. An empty grid runs nothing.
    ///
    /// # Safety
    /// Every address in `arguments` must be that of memory of this device, alive until the launch has run, large enough for what the
    /// kernel's head says, and lists in it must name rows that exist.
    unsafe fn launch<A: Arguments>(&self, arguments: &A, grid: [usize; 3], shared_bytes: usize) -> Result<()>;

    /// Shared memory a block may use, for choosing tiles.
    fn shared_bytes(&self) -> usize;

    /// Blocks that surely run side by side, for kernels whose blocks take many tiles.
    fn multiprocessors(&self) -> usize;

    /// Whether it copies boxes of tensors to shared memory and multiplies by warpgroups (kernels/hopper).
    fn has_tensor_maps(&self) -> bool;

    /// The map of a tensor for such copies, 128-byte swizzle, zeros outside of the tensor.
    ///
    /// # Errors
    /// `Driver` when it has none, or the tensor's address, sizes or strides are none a map can have.
    fn tensor_map(&self, tensor: &Tensor) -> Result<TensorMap>;
}

/// A tensor of three dimensions, the innermost first and dense, for `Device::tensor_map`.
#[derive(Clone, Copy, Debug)]
pub struct Tensor {
    /// A multiple of 16.
    pub base: Address,
    /// 1 or 2.
    pub element_bytes: usize,
    pub sizes: [u64; 3],
    /// Bytes from one of the second and third dimension to the next, multiples of 16.
    pub strides: [u64; 2],
    /// Elements of a box; its innermost dimension is 128 bytes.
    pub tile: [u32; 3],
}

/// Bytes on a device.
pub trait Memory: Send + Sync {
    fn address(&self) -> Address;
    fn bytes(&self) -> usize;
}
