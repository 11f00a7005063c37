//! exp, sigmoid and SiLU over lanes: one polynomial on every level, so the bits agree.

use super::{LANES, Simd};
use crate::simd::scalar::Scalar;

const LOG2_E: f32 = std::f32::consts::LOG2_E;
/// ln 2 in two parts; the first has 12 zero bits at its end, so that n times it is exact.
const LN2_HIGH: f32 = 0.693_359_4;
const LN2_LOW: f32 = -2.121_944_4e-4;
/// 1.5 * 2^23: adding it leaves the nearest integer in the low bits.
const MAGIC: f32 = 12_582_912.0;

/// e^x with an error below 2 ulp; x is held to [-87, 88], so the result is always finite and positive. NaN stays NaN.
#[inline(always)]
pub(crate) fn exp<S: Simd>(simd: S, x: S::V) -> S::V {
    // x comes second: where it is NaN, the second operand is what every level gives back, so broken weights end as NaN logits.
    let x = simd.min(simd.splat(88.0), simd.max(simd.splat(-87.0), x));
    let magic = simd.fma(x, simd.splat(LOG2_E), simd.splat(MAGIC));
    let n = simd.sub(magic, simd.splat(MAGIC));
    let r = simd.fma(n, simd.splat(-LN2_LOW), simd.fma(n, simd.splat(-LN2_HIGH), x));
    // Taylor coefficients 1/7! .. 1/2!: on |r| <= 0.35 the first one left out is below 6e-9 of the sum.
    let mut p = simd.splat(1.0 / 5040.0);
    for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
        p = simd.fma(p, r, simd.splat(c));
    }
    simd.mul(p, simd.pow2(magic))
}

/// x / (1 + e^-x).
#[inline(always)]
pub(crate) fn silu<S: Simd>(simd: S, x: S::V) -> S::V {
    let e = exp(simd, simd.sub(simd.zero(), x));
    simd.div(x, simd.add(simd.splat(1.0), e))
}

/// 1 / (1 + e^-x) of one number, by the same polynomial.
pub(crate) fn sigmoid_one(x: f32) -> f32 {
    1.0 / (1.0 + exp(Scalar, [-x; LANES])[0])
}
