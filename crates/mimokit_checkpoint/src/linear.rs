// Vectors and linears by name: dtype, shape and scales checked, values of linears left where they are.

use std::sync::Arc;

use crate::checkpoint::Checkpoint;
use crate::error::{Error, Result};
use crate::fp8_scales::{self, Grid, KvRows};
use crate::tensor::{Dtype, Linear, SharedBytes, Tensor};

const MATRIX_DTYPES: &str = "F32, BF16, F8_E4M3";
const VECTOR_DTYPES: &str = "F32, BF16";

impl Checkpoint {
    /// A norm weight, bias or sink as FP32.
    ///
    /// # Errors
    /// `checkpoint-tensor-missing`, `-shape` or `-dtype`, naming the tensor.
    pub fn vector(&self, name: &str, length: usize) -> Result<Vec<f32>> {
        let tensor = self.require(name)?;
        require_shape(tensor, &[length])?;
        to_f32(tensor, VECTOR_DTYPES)
    }

    /// A linear [rows, cols] with its scales, if its dtype is E4M3, on a plain grid. `name` ends in `.weight`.
    pub fn linear(&self, name: &str, rows: usize, cols: usize) -> Result<Linear> {
        let mut linear = self.unscaled(name, rows, cols)?;
        if linear.dtype == Dtype::F8E4M3 {
            let block = self.config().fp8_block;
            let grid = self.grid(name)?;
            linear.scales = Some(fp8_scales::plain(self.plain_index(rows), cols, block, grid)?);
        }
        Ok(linear)
    }

    /// The K and V projections, whose FP8 scales may share a grid.
    pub(crate) fn key_value_linears(&self, k_name: &str, v_name: &str, rows: KvRows) -> Result<[Linear; 2]> {
        let mut k = self.unscaled(k_name, rows.kv_heads * rows.qk_dim, rows.cols)?;
        let mut v = self.unscaled(v_name, rows.kv_heads * rows.v_dim, rows.cols)?;
        if k.dtype == Dtype::F8E4M3 && v.dtype == Dtype::F8E4M3 {
            let block = self.config().fp8_block;
            let index = [self.plain_index(k.rows), self.plain_index(v.rows)];
            let [k_scales, v_scales] =
                fp8_scales::key_value(rows, block, index, self.grid(k_name)?, self.grid(v_name)?)?;
            k.scales = Some(k_scales);
            v.scales = Some(v_scales);
            return Ok([k, v]);
        }
        Ok([self.linear(k_name, k.rows, k.cols)?, self.linear(v_name, v.rows, v.cols)?])
    }

    /// A linear without its scales.
    pub(crate) fn unscaled(&self, name: &str, rows: usize, cols: usize) -> Result<Linear> {
        let tensor = self.require(name)?;
        require_shape(tensor, &[rows, cols])?;
        if !matches!(tensor.dtype, Dtype::F32 | Dtype::Bf16 | Dtype::F8E4M3) {
            return Err(wrong_dtype(tensor, MATRIX_DTYPES));
        }
        Ok(Linear { name: name.into(), rows, cols, dtype: tensor.dtype, bytes: tensor.bytes.clone(), scales: None })
    }

    /// The stored scales of an FP8 weight.
    pub(crate) fn grid(&self, weight: &str) -> Result<Grid> {
        let name = format!("{weight}_scale_inv");
        let tensor = self.require(&name)?;
        let [rows, cols] = tensor.shape[..] else {
            return Err(Error::TensorShape { tensor: name, found: tensor.shape.clone(), expected: vec![0, 0] });
        };
        Ok(Grid { tensor: name, rows, cols, values: to_f32(tensor, "F32")? })
    }

    pub(crate) fn require(&self, name: &str) -> Result<&Tensor> {
        self.tensor(name)
            .ok_or_else(|| Error::TensorMissing { tensor: name.into(), directory: self.directory().into() })
    }

    /// Refuses a tensor that the config says is not there: it would be left out of the computation.
    pub(crate) fn refuse(&self, name: &str, problem: &str) -> Result<()> {
        match self.tensor(name) {
            None => Ok(()),
            Some(_) => Err(Error::TensorUnsupported { tensor: name.into(), problem: problem.into() }),
        }
    }
}

/// Rows of a linear gathered into bytes of its own, in the order of `rows`.
pub(crate) fn gather_rows(linear: &Linear, rows: impl Iterator<Item = usize>) -> SharedBytes {
    let row_bytes = linear.cols * linear.dtype.bytes();
    let mut bytes = Vec::new();
    for row in rows {
        bytes.extend_from_slice(&linear.bytes[row * row_bytes..(row + 1) * row_bytes]);
    }
    SharedBytes::owned(bytes)
}

/// `0, 0, …, 1, 1, …`: the block row of each row of a plain grid.
pub(crate) fn block_rows(rows: usize, block_rows: usize) -> Arc<[u32]> {
    (0..rows).map(|row| (row / block_rows) as u32).collect()
}

pub(crate) fn to_f32(tensor: &Tensor, supported: &'static str) -> Result<Vec<f32>> {
    match tensor.dtype {
        Dtype::F32 => Ok(tensor.bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()),
        Dtype::Bf16 if supported != "F32" => Ok(tensor
            .bytes
            .as_chunks::<2>()
            .0
            .iter()
            .map(|bytes| f32::from_bits(u32::from(u16::from_le_bytes(*bytes)) << 16))
            .collect()),
        _ => Err(wrong_dtype(tensor, supported)),
    }
}

fn wrong_dtype(tensor: &Tensor, supported: &'static str) -> Error {
    Error::TensorDtype { tensor: tensor.name.clone(), found: tensor.dtype.name().into(), supported }
}

fn require_shape(tensor: &Tensor, expected: &[usize]) -> Result<()> {
    if tensor.shape == expected {
        return Ok(());
    }
    Err(Error::TensorShape { tensor: tensor.name.clone(), found: tensor.shape.clone(), expected: expected.into() })
}
