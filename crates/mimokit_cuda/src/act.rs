//! Values that live on the device between ops.

use std::ops::Deref;

use crate::arguments::Address;
use crate::device::{Device, Memory};

/// Activations [rows, width], FP32, row-major.
pub struct Act<D: Device> {
    pub(crate) rows: usize,
    pub(crate) width: usize,
    pub(crate) memory: D::Memory,
}

impl<D: Device> Act<D> {
    pub(crate) fn address(&self) -> Address {
        self.memory.address()
    }
}

/// FP32 values of norms, biases and sinks.
pub struct Vector<D: Device>(pub(crate) D::Memory);

impl<D: Device> Vector<D> {
    pub(crate) fn address(&self) -> Address {
        self.0.address()
    }
}

/// Rows ready for linears: as they are, and rounded to E4M3 groups if a linear wants that.
pub(crate) struct Input<'i, D: Device> {
    pub(crate) plain: Cow<'i, D>,
    pub(crate) rounded: Option<Act<D>>,
}

/// An activation, owned or borrowed.
pub(crate) enum Cow<'i, D: Device> {
    Owned(Act<D>),
    Borrowed(&'i Act<D>),
}

impl<D: Device> Deref for Cow<'_, D> {
    type Target = Act<D>;

    fn deref(&self) -> &Act<D> {
        match self {
            Cow::Owned(act) => act,
            Cow::Borrowed(act) => act,
        }
    }
}

impl<D: Device> Input<'_, D> {
    /// What a linear reads: E4M3 ones the rounded rows, where there are any.
    pub(crate) fn of(&self, is_fp8: bool) -> &Act<D> {
        match &self.rounded {
            Some(rounded) if is_fp8 => rounded,
            _ => &self.plain,
        }
    }
}

/// Chosen experts of all rows, and the normalised rows that chose them.
pub struct Routes<D: Device> {
    pub(crate) rows: usize,
    pub(crate) top_k: usize,
    /// [rows, top_k] words, ascending in a row.
    pub(crate) ids: D::Memory,
    /// [rows, top_k] FP32
    pub(crate) weights: D::Memory,
    pub(crate) input: Input<'static, D>,
}
