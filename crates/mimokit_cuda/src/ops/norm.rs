//! Normalised rows as inputs of linears. A part of most ops, none by itself.

use crate::act::{Act, Cow, Input, Vector};
use crate::arguments::{Quantise, QuantiseArgs, RmsNorm, RmsNormArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;

/// Columns that share a scale of quantised activations.
const GROUP: usize = 128;

impl<D: Device> CudaBackend<D> {
    /// Rows `rows` of x (all, when `None`), normalised.
    pub(crate) fn normalised(
        &self,
        x: &Act<D>,
        rows: Option<&[u32]>,
        weight: &Vector<D>,
        eps: f32,
    ) -> Result<Input<'static, D>> {
        let count = rows.map_or(x.rows, <[u32]>::len);
        let list = rows.map(|rows| self.words(rows)).transpose()?;
        let out = self.act(count, x.width)?;
        let arguments = RmsNormArgs {
            x: x.address(),
            rows: list.as_ref().map_or(0, Memory::address),
            weight: weight.address(),
            out: out.address(),
            width: x.width as u32,
            eps,
        };
        // SAFETY: the rows are those of x by the trait's contract; the norm has x's width, checked when it was loaded.
        unsafe { self.launch(RmsNorm(arguments), [count, 1, 1], 0)? };
        Ok(Input::new(Cow::Owned(out)))
    }

    /// What a linear reads: an E4M3 one rows rounded to E4M3 groups, if the options say so.
    pub(crate) fn rows_for<'p>(&self, input: &'p Input<'_, D>, is_fp8: bool) -> Result<&'p Act<D>> {
        if !is_fp8 || !self.options.quantise_activations {
            return Ok(&input.plain);
        }
        if let Some(rounded) = input.rounded.get() {
            return Ok(rounded);
        }
        let plain = &input.plain;
        let out = self.act(plain.rows, plain.width)?;
        let arguments = QuantiseArgs {
            x: plain.address(),
            out: out.address(),
            width: plain.width as u32,
            ..QuantiseArgs::default()
        };
        // SAFETY: both are [rows, width].
        unsafe { self.launch(Quantise(arguments), [plain.rows, plain.width.div_ceil(GROUP), 1], 0)? };
        Ok(input.rounded.get_or_init(|| out))
    }
}
