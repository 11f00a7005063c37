//! Activation rows made ready for a weight's type: padded with zeros to whole vectors, lifted for E4M3, quantised when the engine
//! was asked to.

use std::sync::OnceLock;

use mimokit_checkpoint::Dtype;

use crate::Act;
use crate::buffers::Floats;
use crate::fp8;
use crate::int8::Rows8;
use crate::linear::Matrix;
use crate::linear::element::{Bf16, E4m3, Element, LINE, place_in_line};
use crate::simd::{E4M3_LIFT, LANES};

/// Floats whose addresses differ by a multiple of this share the few lines that a cache has for them. Rows of 4,096 columns would
/// do so, and sixteen of them would drive each other out.
const PAGE: usize = 1024;

/// Rows of floats that begin at whole cache lines; what is past a row's width is zero.
pub(crate) struct Rows {
    pub(crate) count: usize,
    /// Floats of a row: its width, padded to whole vectors.
    pub(crate) padded: usize,
    /// From one row's start to the next one's: `padded` or a line more.
    pub(crate) stride: usize,
    pub(crate) values: Floats,
    /// With quantised activations: [count, groups of 128], what a group's values are to be multiplied by.
    scales: Option<(usize, Vec<f32>)>,
}

impl Rows {
    pub(crate) fn zeroed(count: usize, width: usize) -> Rows {
        let padded = width.next_multiple_of(LANES);
        let stride = padded + if padded.is_multiple_of(PAGE) { LANES } else { 0 };
        Rows { count, padded, stride, values: Floats::zeroed(count * stride), scales: None }
    }

    pub(crate) fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.stride..][..self.padded]
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
    /// For BF16: neighbours as in a line of it.
    paired: OnceLock<Rows>,
    /// For E4M3: lifted or quantised, neighbours as in a line of it.
    lifted: OnceLock<Rows>,
    int8: OnceLock<Rows8>,
    quantise: bool,
}

impl Input {
    /// `plain` has rows of `width`; with `quantise`, E4M3 weights see the rows as the checkpoint's own scheme rounds them.
    pub(crate) fn new(plain: Rows, width: usize, quantise: bool) -> Input {
        Input { width, plain, paired: OnceLock::new(), lifted: OnceLock::new(), int8: OnceLock::new(), quantise }
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
            Dtype::F8E4M3 => self.lifted.get_or_init(|| {
                let mut rows = if self.quantise { self.quantised() } else { self.copied() };
                rows.values.iter_mut().for_each(|x| *x *= E4M3_LIFT);
                self.place_in_lines::<{ E4m3::NEIGHBOURS }>(&mut rows);
                rows
            }),
            Dtype::Bf16 => self.paired.get_or_init(|| {
                let mut rows = self.copied();
                self.place_in_lines::<{ Bf16::NEIGHBOURS }>(&mut rows);
                rows
            }),
            _ => &self.plain,
        }
    }

    fn copied(&self) -> Rows {
        Rows { values: self.plain.values.clone(), scales: None, ..self.plain }
    }

    /// Moves the columns of whole lines to where `Element::load_line` has the weight's, N neighbours in a lane.
    fn place_in_lines<const N: usize>(&self, rows: &mut Rows) {
        for row in 0..rows.count {
            let lines = &mut rows.values[row * rows.stride..][..self.width / LINE * LINE];
            for line in lines.as_chunks_mut::<LINE>().0 {
                let in_order = *line;
                for (column, x) in in_order.into_iter().enumerate() {
                    line[place_in_line(N, column)] = x;
                }
            }
        }
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
                    *to = fp8::decode(fp8::encode(x / scale));
                }
            }
        }
        Rows { values, scales: Some((groups, scales)), ..self.plain }
    }
}
