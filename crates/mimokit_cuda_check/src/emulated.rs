//! A device on the host: the kernels of mimokit_cuda compiled as plain C++ (emulator/). Launches run at once, on the calling thread.

use std::ffi::{CStr, CString, c_char, c_void};

use mimokit_cuda::arguments::{Address, Arguments, TensorMap};
use mimokit_cuda::device::{Device, Memory, Tensor};
use mimokit_cuda::{Error, Result};

unsafe extern "C" {
    fn mimokit_emulator_allocate(bytes: usize) -> *mut c_void;
    fn mimokit_emulator_free(memory: *mut c_void, bytes: usize);
    fn mimokit_emulator_launch(
        name: *const c_char,
        arguments: *const c_void,
        argument_bytes: usize,
        threads: u32,
        grid: *const u32,
        shared_bytes: usize,
        order: u32,
    ) -> *const c_char;
    fn mimokit_emulator_kernels();
}

/// In which order blocks, warps and lanes run; results must not depend on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    Forwards,
    Backwards,
    Shuffled(u16),
}

/// The device. Any number may exist; they share nothing.
#[derive(Clone, Copy, Debug)]
pub struct Emulated {
    /// Forwards, asynchronous copies and products happen at once, otherwise as late as their barriers allow.
    pub order: Order,
    /// As Hopper, with the kernels below hopper/; else as Ampere.
    pub is_hopper: bool,
}

/// Host memory whose end is guarded.
pub struct EmulatedMemory {
    start: *mut u8,
    bytes: usize,
}

// SAFETY: the memory is owned, and the device's calls do not overlap (`Device` says in the order of the calls).
unsafe impl Send for EmulatedMemory {}
// SAFETY: likewise.
unsafe impl Sync for EmulatedMemory {}

impl Memory for EmulatedMemory {
    fn address(&self) -> Address {
        self.start as Address
    }

    fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for EmulatedMemory {
    fn drop(&mut self) {
        // SAFETY: allocated with the same size.
        unsafe { mimokit_emulator_free(self.start.cast(), self.bytes) }
    }
}

/// `bytes` from `offset` on lie in the memory.
fn inside(memory: &EmulatedMemory, offset: usize, bytes: usize) -> Result<()> {
    if offset.checked_add(bytes).is_some_and(|end| end <= memory.bytes) {
        return Ok(());
    }
    let problem = format!("{bytes} bytes at {offset} of memory of {}", memory.bytes);
    Err(Error::Driver { call: "copy".into(), problem })
}

impl Device for Emulated {
    type Memory = EmulatedMemory;

    fn allocate(&self, bytes: usize) -> Result<EmulatedMemory> {
        // SAFETY: any size may be asked for.
        let start = unsafe { mimokit_emulator_allocate(bytes) };
        if start.is_null() {
            return Err(Error::OutOfMemory { wanted: bytes, free: 0, total: 0 });
        }
        Ok(EmulatedMemory { start: start.cast(), bytes })
    }

    fn upload(&self, to: &EmulatedMemory, offset: usize, from: &[u8]) -> Result<()> {
        inside(to, offset, from.len())?;
        // SAFETY: inside, checked.
        unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), to.start.add(offset), from.len()) };
        Ok(())
    }

    fn download(&self, from: &EmulatedMemory, offset: usize, to: &mut [u8]) -> Result<()> {
        inside(from, offset, to.len())?;
        // SAFETY: inside, checked.
        unsafe { std::ptr::copy_nonoverlapping(from.start.add(offset), to.as_mut_ptr(), to.len()) };
        Ok(())
    }

    fn copy(&self, from: (&EmulatedMemory, usize), to: (&EmulatedMemory, usize), bytes: usize) -> Result<()> {
        inside(from.0, from.1, bytes)?;
        inside(to.0, to.1, bytes)?;
        // SAFETY: inside, checked; the trait's contract says that they do not overlap.
        unsafe { std::ptr::copy_nonoverlapping(from.0.start.add(from.1), to.0.start.add(to.1), bytes) };
        Ok(())
    }

    unsafe fn launch<A: Arguments>(&self, arguments: &A, grid: [usize; 3], shared_bytes: usize) -> Result<()> {
        let kernel = A::KERNEL;
        if grid.contains(&0) {
            return Ok(());
        }
        let failed = |problem: &str| Error::Driver { call: kernel.name.into(), problem: problem.into() };
        // What a GPU's grid may be.
        if grid[0] > i32::MAX as usize || grid[1].max(grid[2]) > 65535 {
            return Err(failed(&format!("the grid {grid:?} is too large")));
        }
        let name = CString::new(kernel.name).map_err(|_| failed("its name has a zero"))?;
        let order = match self.order {
            Order::Forwards => 0,
            Order::Backwards => 1,
            Order::Shuffled(seed) => 2 + u32::from(seed),
        };
        // SAFETY: the addresses are the caller's contract; sizes are checked on the other side.
        let problem = unsafe {
            mimokit_emulator_kernels();
            mimokit_emulator_launch(
                name.as_ptr(),
                std::ptr::from_ref(arguments).cast(),
                size_of::<A>(),
                kernel.threads,
                grid.map(|size| size as u32).as_ptr(),
                shared_bytes,
                order,
            )
        };
        if problem.is_null() {
            return Ok(());
        }
        // SAFETY: a C string that lives until this thread's next launch.
        Err(failed(&unsafe { CStr::from_ptr(problem) }.to_string_lossy()))
    }

    fn shared_bytes(&self) -> usize {
        227 << 10
    }

    /// Few, so that a block takes several tiles.
    fn multiprocessors(&self) -> usize {
        3
    }

    fn has_tensor_maps(&self) -> bool {
        self.is_hopper
    }

    /// As `Box` of emulator/hopper.cpp reads it.
    fn tensor_map(&self, tensor: &Tensor) -> Result<TensorMap> {
        let Tensor { base, element_bytes, sizes, strides, tile } = *tensor;
        let refused =
            |problem: &str| Error::Driver { call: "tensor map".into(), problem: format!("{problem}: {tensor:?}") };
        // What a GPU's driver refuses.
        if !self.is_hopper {
            return Err(refused("this device has none"));
        }
        if !base.is_multiple_of(16) || strides.iter().any(|stride| !stride.is_multiple_of(16) || *stride >= 1 << 40) {
            return Err(refused("an address or a stride that is no multiple of 16"));
        }
        if sizes.iter().any(|&size| size == 0 || size > 1 << 32) || tile.iter().any(|&side| side == 0 || side > 256) {
            return Err(refused("a size out of range"));
        }
        if tile[0] as usize * element_bytes != 128 {
            return Err(refused("rows of a box that are not as long as the swizzle"));
        }
        let mut words = [0; 16];
        words[..10].copy_from_slice(&[
            base,
            sizes[0],
            sizes[1],
            sizes[2],
            strides[0],
            strides[1],
            u64::from(tile[0]),
            u64::from(tile[1]),
            u64::from(tile[2]),
            element_bytes as u64,
        ]);
        Ok(TensorMap(words))
    }
}
