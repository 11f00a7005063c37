// What can go wrong between a batch and its result. Codes are those of packages/protocol/src/errors.ts.

/// An error of the model, with a stable code.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error(transparent)]
    Checkpoint(#[from] mimokit_checkpoint::Error),
    #[error("Row {row}: {problem}.")]
    BatchRow { row: usize, problem: String },
    #[error("The batch is malformed: {0}.")]
    Batch(String),
    #[error("{field}[{index}] is {token}; the vocabulary has {vocab} ids.")]
    Token { field: &'static str, token: i32, index: usize, vocab: usize },
    #[error("Row {row} ends at position {end}; the model holds {context_length} tokens.")]
    ContextOverflow { row: usize, end: usize, context_length: usize },
    #[error("{0}")]
    Argument(String),
    #[error("{problem}")]
    KvTooSmall { problem: String },
    #[error("Loading was aborted.")]
    Aborted,
    /// The device failed: out of memory, lost, a kernel error.
    #[error("The backend failed: {0}")]
    Device(String),
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The code in `MimoError`.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Checkpoint(error) => error.code(),
            Error::BatchRow { .. } | Error::Batch(_) => "batch-invalid",
            Error::Token { .. } => "token-out-of-range",
            Error::ContextOverflow { .. } => "context-overflow",
            Error::Argument(_) => "invalid-argument",
            Error::KvTooSmall { .. } => "kv-too-small",
            Error::Aborted => "aborted",
            Error::Device(_) => "runner-failed",
        }
    }
}
