//! What can go wrong between the backend and a device. `mimokit_model` sees them as `Error::Device` with the same words.

/// Why a device cannot be used, or stopped being usable.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    #[error("libcuda was not found: this machine has no NVIDIA driver")]
    NoDriver,
    #[error("the NVIDIA driver sees no GPU{0}")]
    NoGpu(String),
    #[error("there is no GPU {wanted}; the driver sees {count}")]
    NoSuchGpu { wanted: usize, count: usize },
    #[error("this build holds no CUDA kernels: nvcc was not there when it was built")]
    NoImages,
    #[error("{name} has compute capability {capability}; the kernels need 8.0 or newer")]
    UnsupportedGpu { name: String, capability: String },
    #[error(
        "the driver cannot load the kernels of this build ({problem}); images from CUDA 13.0 need driver 580 or newer"
    )]
    ImageRefused { problem: String },
    #[error("the GPU has no memory for {wanted} bytes; {free} of {total} are free")]
    OutOfMemory { wanted: usize, free: usize, total: usize },
    /// Nothing on this device can be trusted any more; the process may go on without it.
    #[error("the GPU was lost in {during}: {problem}")]
    Lost { during: String, problem: String },
    #[error("{call} failed: {problem}")]
    Driver { call: String, problem: String },
    /// A shape or type that the kernels do not take.
    #[error("{0}")]
    Unsupported(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl From<Error> for mimokit_model::Error {
    fn from(error: Error) -> mimokit_model::Error {
        mimokit_model::Error::Device(error.to_string())
    }
}
