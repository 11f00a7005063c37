// What can be wrong with a checkpoint directory. Codes are those of packages/protocol/src/errors.ts.

use std::path::PathBuf;

/// An error of a checkpoint, naming file, tensor or field, with a stable code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{}: {problem}.", file.display())]
    MissingFile { file: PathBuf, problem: String },
    #[error("{}: {problem}.", file.display())]
    Malformed { file: PathBuf, problem: String },
    #[error("Tensor {tensor} is missing in {}.", directory.display())]
    TensorMissing { tensor: String, directory: PathBuf },
    #[error("Tensor {tensor} has shape {found:?}, expected {expected:?}.")]
    TensorShape { tensor: String, found: Vec<usize>, expected: Vec<usize> },
    #[error("Tensor {tensor} has dtype {found}; supported here: {supported}.")]
    TensorDtype { tensor: String, found: String, supported: &'static str },
    #[error("Tensor {tensor}: the scale grid is {found:?}, expected {plain:?} (row blocks){}.", per_head.map(|shape| format!(" or {shape:?} (per KV head)")).unwrap_or_default())]
    ScaleGrid { tensor: String, found: Vec<usize>, plain: [usize; 2], per_head: Option<[usize; 2]> },
    /// A config file that is no JSON object.
    #[error("{}: {problem}.", file.display())]
    ConfigMalformed { file: PathBuf, problem: String },
    #[error("{}: {field} is {found}; {problem}.", file.display())]
    ConfigInvalid { file: PathBuf, field: String, found: String, problem: String },
    #[error("{}: {field} is {found}, which is not supported; supported: {supported}.", file.display())]
    ConfigUnsupported { file: PathBuf, field: String, found: String, supported: String },
    /// A value that no weight can have.
    #[error(
        "Tensor {tensor} holds NaN in row {row}, column {column}: the file is damaged, or was quantised from a broken model."
    )]
    TensorNan { tensor: String, row: usize, column: usize },
    #[error("Tensor {tensor} is not supported: {problem}.")]
    TensorUnsupported { tensor: String, problem: String },
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The code in `MimoError`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::MissingFile { .. } => "checkpoint-missing-file",
            Error::Malformed { .. } | Error::TensorNan { .. } => "checkpoint-malformed",
            Error::TensorMissing { .. } => "checkpoint-tensor-missing",
            Error::TensorShape { .. } | Error::ScaleGrid { .. } => "checkpoint-tensor-shape",
            Error::TensorDtype { .. } => "checkpoint-tensor-dtype",
            Error::ConfigMalformed { .. } | Error::ConfigInvalid { .. } => "config-invalid",
            Error::ConfigUnsupported { .. } | Error::TensorUnsupported { .. } => "config-unsupported",
        }
    }
}
