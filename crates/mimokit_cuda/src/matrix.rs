//! Weights on the device: the checkpoint's bytes, uploaded as they are, with their scales.

use mimokit_checkpoint::{Dtype, Linear};

use crate::arguments::{self, BF16, E4M3, F32};
use crate::backend::bytes_of;
use crate::device::{Device, Memory};
use crate::error::{Error, Result};

/// A linear's weight [rows, cols].
pub struct Matrix<D: Device> {
    pub(crate) view: arguments::Matrix,
    /// Values, scales and row index, kept alive for `view`.
    _memory: Vec<D::Memory>,
}

impl<D: Device> Matrix<D> {
    pub(crate) fn upload(device: &D, linear: &Linear) -> Result<Matrix<D>> {
        let mut view = arguments::Matrix {
            rows: size(linear.rows, &linear.name)?,
            cols: size(linear.cols, &linear.name)?,
            block_cols: 1,
            ..arguments::Matrix::default()
        };
        let mut memory = vec![uploaded(device, &linear.bytes)?];
        view.values = memory[0].address();
        view.stored = match (linear.dtype, &linear.scales) {
            (Dtype::F32, None) => F32,
            (Dtype::Bf16, None) => BF16,
            (Dtype::F8E4M3, Some(scales)) => {
                let values = uploaded(device, bytes_of(&scales.values))?;
                let index = uploaded(device, bytes_of(&scales.row_index))?;
                view.scales = values.address();
                view.row_index = index.address();
                view.col_blocks = size(scales.col_blocks, &linear.name)?;
                view.block_cols = size(scales.block_cols, &linear.name)?;
                memory.extend([values, index]);
                E4M3
            }
            (dtype, scales) => {
                let problem =
                    format!("{}: no linear is {} with scales: {}", linear.name, dtype.name(), scales.is_some());
                return Err(Error::Unsupported(problem));
            }
        };
        Ok(Matrix { view, _memory: memory })
    }

    pub(crate) fn is_fp8(&self) -> bool {
        self.view.stored == E4M3
    }

    /// Whether kernels/device/few.cuh takes it: 16-byte loads from every row's start, scales per 128 columns.
    pub(crate) fn has_wide_rows(&self) -> bool {
        self.view.has_wide_rows()
    }

    pub(crate) fn rows(&self) -> usize {
        self.view.rows as usize
    }
}

impl arguments::Matrix {
    fn has_wide_rows(&self) -> bool {
        let per_load = [4, 8, 16][self.stored as usize];
        self.cols.is_multiple_of(per_load) && (self.stored != E4M3 || self.block_cols == 128)
    }
}

/// The experts of one layer: their weights, and a table of them on the device, [experts, 3].
pub struct Experts<D: Device> {
    pub(crate) table: D::Memory,
    pub(crate) width: usize,
    /// Gate and up, and down, are E4M3: their inputs may be quantised.
    pub(crate) is_fp8: [bool; 2],
    pub(crate) count: usize,
    pub(crate) has_wide_rows: bool,
    _each: Vec<[Matrix<D>; 3]>,
}

impl<D: Device> Experts<D> {
    pub(crate) fn new(device: &D, each: Vec<[Matrix<D>; 3]>) -> Result<Experts<D>> {
        let kinds = |expert: &[Matrix<D>; 3]| expert.each_ref().map(|matrix| matrix.view.stored);
        let first = each.first().map(kinds).unwrap_or([F32; 3]);
        if each.iter().any(|expert| kinds(expert) != first) || (first[0] == E4M3) != (first[1] == E4M3) {
            return Err(Error::Unsupported("the experts of a layer are stored in different types".into()));
        }
        let table: Vec<arguments::Matrix> = each.iter().flatten().map(|matrix| matrix.view).collect();
        Ok(Experts {
            table: uploaded(device, bytes_of(&table))?,
            width: each.first().map_or(0, |expert| expert[0].rows()),
            is_fp8: [first[0] == E4M3, first[2] == E4M3],
            count: each.len(),
            has_wide_rows: table.iter().all(arguments::Matrix::has_wide_rows),
            _each: each,
        })
    }
}

fn uploaded<D: Device>(device: &D, bytes: &[u8]) -> Result<D::Memory> {
    let memory = device.allocate(bytes.len())?;
    device.upload(&memory, 0, bytes)?;
    Ok(memory)
}

fn size(size: usize, name: &str) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::Unsupported(format!("{name}: a side of {size} is too long")))
}
