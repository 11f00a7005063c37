//! NaN among E4M3 weights: found when a weight is first used, then never looked for again.
//!
//! Kernels read the codes 0x7f and 0xff as ±480 (one shift and one mask, no table), so a damaged weight would pass for a number.
//! Looking through a checkpoint while it is opened would read all of it, 313 GB for MiMo-V2-Flash; looking through a weight when
//! it is first used reads bytes that are needed anyway: docs/decisions/0014.

use std::sync::atomic::Ordering;

use mimokit_model::Result;

use super::Matrix;
use crate::pool::Pool;

/// Bytes that one task looks through.
const TASK_BYTES: usize = 1 << 20;

impl Matrix {
    /// Looks through E4M3 bytes that nobody has looked through yet.
    ///
    /// # Errors
    /// `checkpoint-malformed`, naming tensor, row and column of the first NaN.
    pub(crate) fn require_numbers(&self, pool: &Pool) -> Result<()> {
        if self.has_numbers.load(Ordering::Relaxed) {
            return Ok(());
        }
        let bytes: &[u8] = &self.linear.bytes;
        let found = std::sync::atomic::AtomicBool::new(false);
        pool.run(bytes.len().div_ceil(TASK_BYTES), bytes.len(), &|task| {
            let part = &bytes[task * TASK_BYTES..bytes.len().min((task + 1) * TASK_BYTES)];
            if has_nan(part) {
                found.store(true, Ordering::Relaxed);
            }
        });
        if found.into_inner() {
            let at = bytes.iter().position(|&byte| byte & 0x7f == 0x7f).unwrap_or_default();
            let (row, column) = (at / self.linear.cols, at % self.linear.cols);
            let tensor = self.linear.name.clone();
            return Err(mimokit_checkpoint::Error::TensorNan { tensor, row, column }.into());
        }
        self.has_numbers.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Seven ones and one more carry into the eighth bit; no branch, so that it becomes vector code.
fn has_nan(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |carried, byte| carried | ((byte & 0x7f) + 1)) & 0x80 != 0
}
