//! Floats on whole cache lines, so that no vector load crosses one; and scratch that a thread keeps between uses, so that kernels
//! allocate nothing once warm.

use std::cell::RefCell;
use std::ops::{Deref, DerefMut};

use crate::simd::LANES;

/// Buffers a thread keeps; more are in use at once nowhere.
const KEPT: usize = 8;

#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([f32; LANES]);

/// `len` floats from the start of a cache line on.
#[derive(Clone, Default)]
pub(crate) struct Floats {
    lines: Vec<Line>,
    len: usize,
}

impl Floats {
    pub(crate) fn zeroed(len: usize) -> Floats {
        Floats { lines: vec![Line([0.0; LANES]); len.div_ceil(LANES)], len }
    }
}

impl Deref for Floats {
    type Target = [f32];
    #[inline(always)]
    fn deref(&self) -> &[f32] {
        // SAFETY: a line is sixteen floats and nothing else, and there are enough of them for `len`.
        unsafe { std::slice::from_raw_parts(self.lines.as_ptr().cast(), self.len) }
    }
}

impl DerefMut for Floats {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as above.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), self.len) }
    }
}

thread_local! {
    static FREE: RefCell<Vec<Floats>> = const { RefCell::new(Vec::new()) };
}

/// A buffer that goes back to its thread when dropped.
pub(crate) struct Buffer {
    values: Floats,
    len: usize,
}

/// `len` floats of unspecified content.
pub(crate) fn buffer(len: usize) -> Buffer {
    let mut values = FREE.with_borrow_mut(Vec::pop).unwrap_or_default();
    if values.len() < len {
        values = Floats::zeroed(len);
    }
    Buffer { values, len }
}

impl Deref for Buffer {
    type Target = [f32];
    #[inline(always)]
    fn deref(&self) -> &[f32] {
        &self.values[..self.len]
    }
}

impl DerefMut for Buffer {
    #[inline(always)]
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
