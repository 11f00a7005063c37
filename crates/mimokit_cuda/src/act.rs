//! Values that live on the device between ops.

use std::cell::OnceCell;
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

/// Rows as linears read them: as they are, and, made when the first linear wants that, with what E4M3 leaves of them.
pub(crate) struct Input<'i, D: Device> {
    pub(crate) plain: Cow<'i, D>,
    /// Rounded to E4M3 groups and multiplied back.
    pub(crate) rounded: OnceCell<Act<D>>,
    /// As E4M3 and scales.
    pub(crate) packed: OnceCell<Packed<D>>,
}

/// Rows quantised to E4M3 per 128 columns, at places: quantise.cu.
pub(crate) struct Packed<D: Device> {
    pub(crate) places: usize,
    pub(crate) width: usize,
    /// Places from one group's scales to the next.
    pub(crate) stride: usize,
    /// [places, width] bytes
    pub(crate) values: D::Memory,
    /// [groups, stride] FP32
    pub(crate) scales: D::Memory,
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

impl<'i, D: Device> Input<'i, D> {
    pub(crate) fn new(plain: Cow<'i, D>) -> Input<'i, D> {
        Input { plain, rounded: OnceCell::new(), packed: OnceCell::new() }
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
