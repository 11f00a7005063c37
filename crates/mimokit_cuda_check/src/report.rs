//! Results as JSON lines on standard output: one a check, one a bench row, one for the whole at the end.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Instant;

use serde_json::{Value, json};

/// Counts what was run.
#[derive(Debug, Default)]
pub struct Report {
    /// Only checks and benches whose name holds this.
    pub only: Option<String>,
    pub passed: usize,
    pub failed: usize,
}

impl Report {
    pub fn wants(&self, name: &str) -> bool {
        self.only.as_deref().is_none_or(|only| name.contains(only))
    }

    /// Runs a check, which panics when it fails.
    pub fn check(&mut self, name: &str, check: impl FnOnce()) {
        if !self.wants(name) {
            return;
        }
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(check));
        let seconds = start.elapsed().as_secs_f64();
        match outcome {
            Ok(()) => {
                self.passed += 1;
                line(&json!({ "check": name, "ok": true, "seconds": seconds }));
            }
            Err(panic) => {
                self.failed += 1;
                line(&json!({ "check": name, "ok": false, "seconds": seconds, "problem": words(&*panic) }));
            }
        }
    }

    /// The last line.
    pub fn finish(&self) {
        line(&json!({ "passed": self.passed, "failed": self.failed }));
    }
}

pub fn line(value: &Value) {
    println!("{value}");
}

fn words(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_string());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}
