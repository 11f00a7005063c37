//! Linears over rows: products of the same rows together in one launch where shapes allow 16-byte loads, else the portable kernel.

use crate::act::{Act, Input, Vector};
use crate::arguments::{Fp8Part, Linear, LinearArgs, LinearFew, LinearFewArgs, LinearOne, LinearPart};
use crate::backend::CudaBackend;
use crate::device::Device;
use crate::error::Result;
use crate::matrix::Matrix;
use crate::ops::fp8::{self, Weights};

/// As in kernels/device/few.cuh.
pub(super) const FEW_ROWS: usize = 4;
const FEW_SEGMENT: usize = 8192;
/// Output columns of a block of linear_few.
const BLOCK_COLUMNS: usize = 32;

/// A product of rows that are at hand: x W^T (+ bias).
pub(crate) struct Product<'p, D: Device> {
    pub(crate) weight: &'p Matrix<D>,
    pub(crate) bias: Option<&'p Vector<D>>,
}

impl<D: Device> CudaBackend<D> {
    /// x W^T of one weight -> [rows, out].
    pub(crate) fn linear(&self, weight: &Matrix<D>, input: &Input<D>) -> Result<Act<D>> {
        let [out] = self.linears([Product { weight, bias: None }], input)?;
        Ok(out)
    }

    /// Up to three products of the same rows.
    pub(crate) fn linears<const N: usize>(
        &self,
        products: [Product<'_, D>; N],
        input: &Input<D>,
    ) -> Result<[Act<D>; N]> {
        let mut outs = Vec::with_capacity(N);
        for product in &products {
            outs.push(self.act(input.plain.rows, product.weight.rows())?);
        }
        let outs: [Act<D>; N] = outs.try_into().unwrap_or_else(|_| unreachable!("one for each product"));
        self.multiply(&products, input, &outs, false)?;
        Ok(outs)
    }

    /// out += x W^T.
    pub(crate) fn linear_add(&self, weight: &Matrix<D>, input: &Input<D>, out: &Act<D>) -> Result<()> {
        self.multiply(&[Product { weight, bias: None }], input, std::slice::from_ref(out), true)
    }

    fn multiply(&self, products: &[Product<'_, D>], input: &Input<D>, outs: &[Act<D>], adds: bool) -> Result<()> {
        let rows = input.plain.rows;
        if rows > 0 && products.iter().all(|product| self.takes_packed(product.weight)) {
            return self.multiply_quantised(products, input, outs, adds);
        }
        let mut parts = Vec::with_capacity(products.len());
        for (Product { weight, bias }, out) in products.iter().zip(outs) {
            let x = self.rows_for(input, weight.is_fp8())?;
            assert_eq!((x.width, rows), (weight.view.cols as usize, out.rows), "the input has the weight's columns");
            parts.push(LinearPart {
                weight: weight.view,
                x: x.address(),
                bias: bias.map_or(0, Vector::address),
                y: out.address(),
            });
        }
        if products.iter().all(|product| product.weight.has_wide_rows()) {
            return self.multiply_few(&parts, input.plain.width, rows, adds);
        }
        for part in parts {
            let LinearPart { weight, x, bias, y } = part;
            let arguments = LinearArgs { weight, x, bias, y, rows: rows as u32, adds: u32::from(adds) };
            let grid = [(weight.rows as usize).div_ceil(4), rows.div_ceil(4), 1];
            // SAFETY: x is [rows, in] and y [rows, out], asserted above or made so.
            unsafe { self.launch(Linear(arguments), grid, 0)? };
        }
        Ok(())
    }

    /// Whether products with this weight quantise their inputs and run on the tensor cores. By the weight alone, so that a row's bits do not
    /// depend on how many run.
    pub(crate) fn takes_packed(&self, weight: &Matrix<D>) -> bool {
        self.options.quantise_activations && weight.has_packed_rows()
    }

    fn multiply_quantised(
        &self,
        products: &[Product<'_, D>],
        input: &Input<D>,
        outs: &[Act<D>],
        adds: bool,
    ) -> Result<()> {
        let part = |(product, out): (&Product<'_, D>, &Act<D>)| {
            assert_eq!(input.plain.width, product.weight.view.cols as usize, "the input has the weight's columns");
            assert_eq!(input.plain.rows, out.rows, "one result a row");
            Fp8Part { weight: product.weight.view, y: out.address(), bias: product.bias.map_or(0, Vector::address) }
        };
        let parts: Vec<Fp8Part> = products.iter().zip(outs).map(part).collect();
        let maps: Option<Vec<_>> = products.iter().map(|product| product.weight.map).collect();
        let places = self.one_group(input.plain.rows);
        let packed = self.packed_once(input, &places)?;
        let weights = Weights { parts: &parts, maps: maps.as_deref(), matrices: 0, mode: fp8::LINEAR, adds };
        self.multiply_packed(&weights, packed, &places)
    }

    fn multiply_few(&self, parts: &[LinearPart], cols: usize, rows: usize, adds: bool) -> Result<()> {
        let mut arguments = LinearFewArgs {
            count: parts.len() as u32,
            rows: rows as u32,
            adds: u32::from(adds),
            ..LinearFewArgs::default()
        };
        arguments.parts[..parts.len()].copy_from_slice(parts);
        let blocks = parts.iter().map(|part| (part.weight.rows as usize).div_ceil(BLOCK_COLUMNS)).sum();
        let (grid, shared) = ([blocks, rows.div_ceil(FEW_ROWS), 1], staged_bytes(cols, rows));
        // SAFETY: as of the portable kernel; rows begin at multiples of 16 bytes.
        unsafe {
            if rows == 1 {
                self.launch(LinearOne(arguments), grid, shared)
            } else {
                self.launch(LinearFew(arguments), grid, shared)
            }
        }
    }
}

/// Shared memory of the vectors of a pass of few.cuh: whole chunks of the widest type, up to a segment, FP32.
pub(super) fn staged_bytes(cols: usize, rows: usize) -> usize {
    let vectors = [1, 1, 2, 4][rows.min(3)];
    cols.min(FEW_SEGMENT).next_multiple_of(512) * vectors * 4
}
