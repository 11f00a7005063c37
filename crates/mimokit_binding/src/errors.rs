//! Rust errors as what crosses the boundary: a JSON text with code, message, hint and details, from which native-runner.ts
//! makes a `MimoError`. Codes are those of packages/protocol/src/errors.ts, one to one.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use mimokit_checkpoint::Error as CheckpointError;
use mimokit_model::Error as ModelError;
use serde_json::{Map, Value, json};

/// An error on its way to JavaScript.
#[derive(Debug)]
pub(crate) struct Failure(Box<Parts>);

#[derive(Debug)]
struct Parts {
    code: &'static str,
    message: String,
    hint: Option<&'static str>,
    details: Map<String, Value>,
}

impl Failure {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Failure {
        Failure(Box::new(Parts { code, message: message.into(), hint: hint(code), details: Map::new() }))
    }

    pub(crate) fn disposed() -> Failure {
        Failure::new("runner-disposed", "The runner has been disposed.")
    }

    /// Whether another device may do better: the one that was tried failed.
    pub(crate) fn is_of_device(&self) -> bool {
        self.0.code == "runner-failed"
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Failure {
        self.0.details.insert(name.into(), value.into());
        self
    }

    pub(crate) fn into_napi(self) -> napi::Error {
        let Parts { code, message, hint, details } = *self.0;
        let text = json!({ "code": code, "message": message, "hint": hint, "details": details }).to_string();
        napi::Error::from_reason(text)
    }
}

/// What to do next, for codes where it is always the same.
fn hint(code: &str) -> Option<&'static str> {
    Some(match code {
        "checkpoint-missing-file" => "Check the directory: it needs config.json and the safetensors files it names.",
        "checkpoint-malformed" => "Download the file again; its bytes are not what its header says.",
        "checkpoint-tensor-missing" | "checkpoint-tensor-shape" | "checkpoint-tensor-dtype" => {
            "Compare config.json with the tensors: npx mimokit inspect DIR lists both."
        }
        "kv-too-small" => "Raise kvBytes, or give blocks and windows.",
        "runner-disposed" => "Open the model again.",
        "runner-failed" => "Open the model again; if it happens again, npx mimokit doctor shows what to report.",
        _ => return None,
    })
}

impl From<ModelError> for Failure {
    fn from(error: ModelError) -> Failure {
        let failure = Failure::new(error.code(), error.to_string());
        match error {
            ModelError::Checkpoint(error) => Failure::from(error),
            ModelError::BatchRow { row, .. } => failure.with("row", row),
            ModelError::Token { field, token, index, vocab } => {
                failure.with("field", field).with("token", token).with("index", index).with("vocabSize", vocab)
            }
            _ => failure,
        }
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Failure {
        let failure = Failure::new(error.code(), error.to_string());
        match error {
            CheckpointError::MissingFile { file, .. }
            | CheckpointError::Malformed { file, .. }
            | CheckpointError::ConfigMalformed { file, .. } => failure.with("file", file.display().to_string()),
            CheckpointError::TensorMissing { tensor, .. } | CheckpointError::TensorUnsupported { tensor, .. } => {
                failure.with("tensor", tensor)
            }
            CheckpointError::TensorNan { tensor, row, column } => {
                failure.with("tensor", tensor).with("row", row).with("column", column)
            }
            CheckpointError::TensorShape { tensor, found, expected } => {
                failure.with("tensor", tensor).with("found", found).with("expected", expected)
            }
            CheckpointError::TensorDtype { tensor, found, .. } => failure.with("tensor", tensor).with("found", found),
            CheckpointError::ScaleGrid { tensor, found, .. } => failure.with("tensor", tensor).with("found", found),
            CheckpointError::ConfigInvalid { file, field, found, .. }
            | CheckpointError::ConfigUnsupported { file, field, found, .. } => {
                failure.with("file", file.display().to_string()).with("field", field).with("found", found)
            }
        }
    }
}

/// Runs `job`; a panic becomes `runner-failed`, so that none crosses the boundary.
pub(crate) fn without_panic<T>(job: impl FnOnce() -> Result<T, Failure>) -> Result<T, Failure> {
    catch_unwind(AssertUnwindSafe(job)).unwrap_or_else(|panic| Err(panicked(&*panic)))
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let what = panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("no message");
    Failure::new("runner-failed", format!("The native core panicked: {what}."))
}
