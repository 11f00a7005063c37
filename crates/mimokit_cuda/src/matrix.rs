//! Weights on the device: the checkpoint's bytes, uploaded as they are, with their scales.

use mimokit_checkpoint::{Dtype, Linear};

use mimokit_model::backend::ExpertSource;

use crate::arguments::{self, BF16, E4M3, F32, TensorMap};
use crate::backend::bytes_of;
use crate::device::{Device, Memory, Tensor};
use crate::error::{Error, Result};
use crate::ops::fp8::BOX_ROWS;
use crate::placement::Mix;

/// A linear's weight [rows, cols].
pub struct Matrix<D: Device> {
    pub(crate) view: arguments::Matrix,
    /// For the FP8 products of Hopper, where shapes allow.
    pub(crate) map: Option<TensorMap>,
    /// Values, scales and row index, kept alive for `view`.
    _memory: Vec<D::Memory>,
}

impl<D: Device> Matrix<D> {
    pub(crate) fn upload(device: &D, linear: &Linear) -> Result<Matrix<D>> {
        let values = uploaded(device, &linear.bytes)?;
        let mut matrix = Matrix::over(device, linear, values.address())?;
        matrix.map = boxes(device, &matrix.view, 1)?;
        matrix._memory.push(values);
        Ok(matrix)
    }

    /// A matrix whose values lie at `values` already; its scales go to the device.
    fn over(device: &D, linear: &Linear, values: arguments::Address) -> Result<Matrix<D>> {
        let mut view = arguments::Matrix {
            rows: size(linear.rows, &linear.name)?,
            cols: size(linear.cols, &linear.name)?,
            block_cols: 1,
            values,
            ..arguments::Matrix::default()
        };
        let mut memory = Vec::new();
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
        Ok(Matrix { view, map: None, _memory: memory })
    }

    pub(crate) fn is_fp8(&self) -> bool {
        self.view.stored == E4M3
    }

    /// Whether kernels/device/few.cuh takes it: 16-byte loads from every row's start, scales per 128 columns.
    pub(crate) fn has_wide_rows(&self) -> bool {
        self.view.has_wide_rows()
    }

    /// Whether the FP8 products on the tensor cores take it.
    pub(crate) fn has_packed_rows(&self) -> bool {
        self.view.has_packed_rows()
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

    fn has_packed_rows(&self) -> bool {
        self.stored == E4M3 && self.has_wide_rows()
    }
}

/// The experts of one layer: on the device, or kept on the host.
pub enum Experts<D: Device> {
    Device(Box<DeviceExperts<D>>),
    Host(Mix),
}

/// Weights of experts, and a table of them on the device, [experts, 3].
pub struct DeviceExperts<D: Device> {
    pub(crate) table: D::Memory,
    pub(crate) width: usize,
    /// Gate and up, and down, are E4M3: their inputs may be quantised.
    pub(crate) is_fp8: [bool; 2],
    pub(crate) count: usize,
    pub(crate) has_wide_rows: bool,
    pub(crate) has_packed_rows: bool,
    /// Of the first expert; with packed rows all have its sizes.
    pub(crate) views: [arguments::Matrix; 3],
    /// Boxes of all gates, all ups, all downs, where shapes allow.
    pub(crate) maps: Option<[TensorMap; 3]>,
    _each: Vec<[Matrix<D>; 3]>,
    _values: [D::Memory; 3],
}

impl<D: Device> DeviceExperts<D> {
    /// All gates lie together, then all ups, all downs, so that one map covers the experts.
    pub(crate) fn upload(device: &D, experts: &[ExpertSource]) -> Result<DeviceExperts<D>> {
        let linears = |expert: &ExpertSource| [&expert.gate, &expert.up, &expert.down].map(Linear::clone);
        let sources: Vec<[Linear; 3]> = experts.iter().map(linears).collect();
        let allocate = |kind: usize| device.allocate(sources.iter().map(|linears| linears[kind].bytes.len()).sum());
        let values = [allocate(0)?, allocate(1)?, allocate(2)?];
        let mut offsets = [0; 3];
        let mut each = Vec::with_capacity(sources.len());
        for linears in &sources {
            let mut matrix = |kind: usize| {
                let (linear, offset) = (&linears[kind], offsets[kind]);
                device.upload(&values[kind], offset, &linear.bytes)?;
                offsets[kind] += linear.bytes.len();
                Matrix::over(device, linear, values[kind].address() + offset as u64)
            };
            each.push([matrix(0)?, matrix(1)?, matrix(2)?]);
        }
        DeviceExperts::new(device, each, values)
    }

    fn new(device: &D, each: Vec<[Matrix<D>; 3]>, values: [D::Memory; 3]) -> Result<DeviceExperts<D>> {
        let kinds = |expert: &[Matrix<D>; 3]| expert.each_ref().map(|matrix| matrix.view.stored);
        let first = each.first().map(kinds).unwrap_or([F32; 3]);
        if each.iter().any(|expert| kinds(expert) != first) || (first[0] == E4M3) != (first[1] == E4M3) {
            return Err(Error::Unsupported("the experts of a layer are stored in different types".into()));
        }
        let table: Vec<arguments::Matrix> = each.iter().flatten().map(|matrix| matrix.view).collect();
        let views = each.first().map(|expert| expert.each_ref().map(|matrix| matrix.view)).unwrap_or_default();
        let has_size = |view: &arguments::Matrix, of: &arguments::Matrix| (view.rows, view.cols) == (of.rows, of.cols);
        let are_equal = table.iter().enumerate().all(|(index, view)| has_size(view, &views[index % 3]));
        let has_packed_rows = are_equal && table.iter().all(arguments::Matrix::has_packed_rows);
        let map = |kind: usize| match has_packed_rows {
            true => boxes(device, &views[kind], each.len() as u64),
            false => Ok(None),
        };
        let maps = if let [Some(gate), Some(up), Some(down)] = [map(0)?, map(1)?, map(2)?] {
            Some([gate, up, down])
        } else {
            None
        };
        Ok(DeviceExperts {
            table: uploaded(device, bytes_of(&table))?,
            width: each.first().map_or(0, |expert| expert[0].rows()),
            is_fp8: [first[0] == E4M3, first[2] == E4M3],
            count: each.len(),
            has_wide_rows: table.iter().all(arguments::Matrix::has_wide_rows),
            has_packed_rows,
            views,
            maps,
            _each: each,
            _values: values,
        })
    }
}

/// The map of `count` matrices like this one behind one another, if the device has maps and the FP8 products take such.
fn boxes<D: Device>(device: &D, view: &arguments::Matrix, count: u64) -> Result<Option<TensorMap>> {
    if !device.has_tensor_maps() || !view.has_packed_rows() {
        return Ok(None);
    }
    let (rows, cols) = (u64::from(view.rows), u64::from(view.cols));
    let tensor = Tensor {
        base: view.values,
        element_bytes: 1,
        sizes: [cols, rows, count],
        strides: [cols, rows * cols],
        tile: [128, BOX_ROWS as u32, 1],
    };
    device.tensor_map(&tensor).map(Some)
}

fn uploaded<D: Device>(device: &D, bytes: &[u8]) -> Result<D::Memory> {
    let memory = device.allocate(bytes.len())?;
    device.upload(&memory, 0, bytes)?;
    Ok(memory)
}

fn size(size: usize, name: &str) -> Result<u32> {
    u32::try_from(size).map_err(|_| Error::Unsupported(format!("{name}: a side of {size} is too long")))
}
