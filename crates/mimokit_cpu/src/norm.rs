//! RMSNorm: x / sqrt(mean(x^2) + eps) * w, FP32; squares are summed over sixteen lanes. A part of most ops, none by itself.

use crate::linear::{Input, Rows, sixteen};
use crate::pool::Parts;
use crate::simd::{Kernel, LANES, Simd, dispatch};
use crate::{Act, CpuBackend};

struct Norm<'a> {
    x: &'a [f32],
    weight: &'a [f32],
    eps: f32,
    /// Padded to whole vectors; what is past `x.len()` is left alone.
    out: &'a mut [f32],
}

impl Kernel for Norm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let width = self.x.len();
        self.out[..width].copy_from_slice(self.x);
        let mut squares = simd.zero();
        for chunk in 0..self.out.len() / LANES {
            let x = simd.load(sixteen(self.out, chunk));
            squares = simd.fma(x, x, squares);
        }
        let mean = simd.sum(squares) / width as f32;
        let inverse = 1.0 / (mean + self.eps).sqrt();
        for (x, w) in self.out[..width].iter_mut().zip(self.weight) {
            *x = *x * inverse * w;
        }
    }
}

/// Normalised rows `rows` of `x` (all, when `None`), ready for linears.
pub(crate) fn normalised(backend: &CpuBackend, x: &Act, rows: Option<&[u32]>, weight: &[f32], eps: f32) -> Input {
    let count = rows.map_or(x.rows, <[u32]>::len);
    let mut out = Rows::zeroed(count, x.width);
    let (stride, padded) = (out.stride, out.padded);
    let parts = Parts::new(&mut out.values);
    backend.pool.run(count, count * padded, &|row| {
        let from = rows.map_or(row, |rows| rows[row] as usize);
        // SAFETY: every task has its own row.
        let out = unsafe { parts.part(row * stride, padded) };
        dispatch(backend.level, Norm { x: x.row(from), weight, eps, out });
    });
    Input::new(out, x.width, backend.quantise)
}

/// Normalises one row into the first `x.len()` floats of `out`, which must be padded to whole vectors with zeros.
pub(crate) fn normalise_row(backend: &CpuBackend, x: &[f32], weight: &[f32], eps: f32, out: &mut [f32]) {
    dispatch(backend.level, Norm { x, weight, eps, out });
}
