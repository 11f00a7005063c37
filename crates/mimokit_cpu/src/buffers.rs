//! Scratch floats that a thread keeps between uses, so that kernels allocate nothing once warm.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

/// Buffers a thread keeps; more are in use at once nowhere.
const KEPT: usize = 8;

thread_local! {
    static FREE: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to its thread when dropped.
pub(crate) struct Buffer {
    values: Vec<f32>,
    len: usize,
}

/// `len` floats of unspecified content.
pub(crate) fn buffer(len: usize) -> Buffer {
    let mut values = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if values.len() < len {
        values.resize(len, 0.0);
    }
    Buffer { values, len }
}

impl Deref for Buffer {
    type Target = [f32];
    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.values[..self.len]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        FREE.with_borrow_mut(|free| {
            if free.len() < KEPT {
                free.push(std::mem::take(&mut self.values));
            }
        });
    }
}
