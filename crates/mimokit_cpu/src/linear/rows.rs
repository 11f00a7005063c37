//! Activation rows made ready for a weight's type: padded with zeros to whole vectors, lifted for E4M3, quantised when the engine
//! was asked to.

use std::sync::OnceLock;

use mimokit_checkpoint::Dtype;

use crate::Act;
use crate::buffers::Floats;
use crate::fp8;
use crate::int8::Rows8;
use crate::linear::Matrix;
use crate::simd::{E4M3_LIFT, LANES};

/// Rows of floats with a stride that is a multiple of sixteen; what is past `width` is zero.
pub(crate) struct Rows {
    pub(crate) count: usize,
    pub(crate) stride: usize,
    pub(crate) values: Floats,
    /// With quantised activations: [count, groups of 128], what a group's values are to be multiplied by.
    scales: Option<(usize, Vec<f32>)>,
}

impl Rows {
    pub(crate) fn zeroed(count: usize, width: usize) -> Rows {
        let stride = width.next_multiple_of(LANES);
        Rows { count, stride, values: Floats::zeroed(count * stride), scales: None }
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..(row + 1) * self.stride]
    }

    /// The group scales of a row; empty when there are none.
    pub(crate) fn group_scales(&self, row: usize) -> &[f32] {
        match &self.scales {
            Some((groups, scales)) => &scales[row * groups..(row + 1) * groups],
            None => &[],
        }
    }
}

/// The input of one or several linears, prepared for each kind of weight when first asked for.
pub(crate) struct Input {
    pub(crate) width: usize,
    pub(crate) plain: Rows,
    lifted: OnceLock<Rows>,
    int8: OnceLock<Rows8>,
    quantise: bool,
}

impl Input {
    /// `plain` has rows of `width`; with `quantise`, E4M3 weights see the rows as the checkpoint's own scheme rounds them.
    pub(crate) fn new(plain: Rows, width: usize, quantise: bool) -> Input {
        Input { width, plain, lifted: OnceLock::new(), int8: OnceLock::new(), quantise }
    }

    /// Activations as they are.
    pub(crate) fn of(x: &Act, quantise: bool) -> Input {
        let mut rows = Rows::zeroed(x.rows, x.width);
        for row in 0..x.rows {
            rows.values[row * rows.stride..][..x.width].copy_from_slice(x.row(row));
        }
        Input::new(rows, x.width, quantise)
    }

    /// Makes what `matrix` needs now, before several threads would each wait for it.
    pub(crate) fn prepare(&self, matrix: &Matrix) {
        if matrix.int8.is_some() {
            self.int8();
        } else {
            self.rows_for(matrix.linear.dtype);
        }
    }

    pub(crate) fn int8(&self) -> &Rows8 {
        self.int8.get_or_init(|| Rows8::new(&self.plain, self.width))
    }

    pub(crate) fn rows_for(&self, dtype: Dtype) -> &Rows {
        match dtype {
            Dtype::F8E4M3 => self.lifted.get_or_init(|| if self.quantise { self.quantised() } else { self.lift() }),
            _ => &self.plain,
        }
    }

    fn lift(&self) -> Rows {
        let mut values = self.plain.values.clone();
        values.iter_mut().for_each(|x| *x *= E4M3_LIFT);
        Rows { values, scales: None, ..self.plain }
    }

    fn quantised(&self) -> Rows {
        let groups = self.width.div_ceil(fp8::BLOCK);
        let mut values = Floats::zeroed(self.plain.values.len());
        let mut scales = Vec::with_capacity(self.plain.count * groups);
        for row in 0..self.plain.count {
            let start = row * self.plain.stride;
            for first in (0..self.width).step_by(fp8::BLOCK) {
                let range = start + first..start + self.width.min(first + fp8::BLOCK);
                let group = &self.plain.values[range.clone()];
                let scale = fp8::activation_scale(group);
                scales.push(scale);
                for (to, x) in values[range].iter_mut().zip(group) {
                    *to = fp8::decode(fp8::encode(x / scale)) * E4M3_LIFT;
                }
            }
        }
        Rows { values, scales: Some((groups, scales)), ..self.plain }
    }
}
