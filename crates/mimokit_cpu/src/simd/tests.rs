//! Every level gives the bits of the scalar one, operation by operation; decoders and exp are right.

use proptest::prelude::*;

use super::{E4M3_LIFT, Kernel, LANES, Level, Simd, dispatch, exp, silu};
use crate::fp8;

/// All operations on one set of lanes, results as bits.
struct Everything<'a> {
    a: &'a [f32; LANES],
    b: &'a [f32; LANES],
    c: &'a [f32; LANES],
    bytes: &'a [u8; 64],
}

impl Kernel for Everything<'_> {
    type Output = Vec<u32>;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> Vec<u32> {
        let (a, b, c) = (simd.load(self.a), simd.load(self.b), simd.load(self.c));
        let mut bits = vec![simd.sum(a).to_bits(), simd.sum(c).to_bits()];
        let halves = self.bytes.first_chunk::<32>().expect("32 of 64");
        let quarter = self.bytes.first_chunk::<16>().expect("16 of 64");
        for lanes in [
            simd.fma(a, b, c),
            simd.add(a, b),
            simd.sub(a, b),
            simd.mul(a, b),
            simd.div(a, b),
            simd.max(a, b),
            simd.min(a, b),
            simd.splat(self.a[3]),
            simd.zero(),
            simd.f32(self.bytes),
            simd.bf16(halves),
            simd.e4m3(quarter),
            exp(simd, c),
            silu(simd, a),
            simd.sums(std::array::from_fn(|i| simd.mul(a, simd.splat(self.b[i])))),
        ]
        .into_iter()
        .chain(simd.e4m3_fours(self.bytes))
        .chain(simd.bf16_pairs(self.bytes))
        {
            let mut out = [0.0; LANES];
            simd.store(lanes, &mut out);
            bits.extend(out.map(f32::to_bits));
        }
        bits
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn levels_agree_bit_for_bit(
        a in prop::array::uniform16(-1e4_f32..1e4),
        b in prop::array::uniform16(1e-3_f32..1e3),
        c in prop::array::uniform16(-120_f32..120.0),
        bytes in prop::collection::vec(0_u8..0x7f, 64),
    ) {
        let bytes: &[u8; 64] = bytes.first_chunk().expect("64 bytes");
        let plain = dispatch(Level::Scalar, Everything { a: &a, b: &b, c: &c, bytes });
        for level in Level::available() {
            prop_assert_eq!(&dispatch(level, Everything { a: &a, b: &b, c: &c, bytes }), &plain, "{:?}", level);
        }
    }
}

struct Decode<'a>(&'a [u8; 16]);

impl Kernel for Decode<'_> {
    type Output = [f32; LANES];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [f32; LANES] {
        let lift = simd.splat(E4M3_LIFT);
        let mut out = [0.0; LANES];
        simd.store(simd.mul(simd.mul(simd.e4m3(self.0), lift), lift), &mut out);
        out
    }
}

struct DecodeLine<'a>(&'a [u8; 64]);

impl Kernel for DecodeLine<'_> {
    type Output = [[f32; LANES]; 4];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [[f32; LANES]; 4] {
        let mut out = [[0.0; LANES]; 4];
        for (lanes, out) in simd.e4m3_fours(self.0).into_iter().zip(&mut out) {
            simd.store(lanes, out);
        }
        out
    }
}

#[test]
fn four_neighbours_of_a_line_share_a_lane() {
    for first in 0..4 {
        let line: [u8; 64] = std::array::from_fn(|i| (64 * first + i) as u8);
        for level in Level::available() {
            let found = dispatch(level, DecodeLine(&line));
            for (byte, code) in line.into_iter().enumerate() {
                let alone = dispatch(Level::Scalar, Decode(&[code; 16]))[0];
                let lifted = found[byte % 4][byte / 4] * E4M3_LIFT * E4M3_LIFT;
                assert_eq!(lifted.to_bits(), alone.to_bits(), "{level:?} byte {byte}");
            }
        }
    }
}

struct DecodePairs<'a>(&'a [u8; 64]);

impl Kernel for DecodePairs<'_> {
    type Output = [[f32; LANES]; 2];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [[f32; LANES]; 2] {
        let mut out = [[0.0; LANES]; 2];
        for (lanes, out) in simd.bf16_pairs(self.0).into_iter().zip(&mut out) {
            simd.store(lanes, out);
        }
        out
    }
}

#[test]
fn two_neighbouring_bf16_share_a_lane() {
    let numbers: [u16; 32] = std::array::from_fn(|i| 0x3f80 + 37 * i as u16);
    let line: [u8; 64] = std::array::from_fn(|byte| numbers[byte / 2].to_le_bytes()[byte % 2]);
    for level in Level::available() {
        let found = dispatch(level, DecodePairs(&line));
        for (i, number) in numbers.into_iter().enumerate() {
            assert_eq!(found[i % 2][i / 2].to_bits(), u32::from(number) << 16, "{level:?} number {i}");
        }
    }
}

#[test]
fn every_byte_decodes_exactly_on_every_level() {
    for level in Level::available() {
        for byte in 0..=255_u8 {
            let value = dispatch(level, Decode(&[byte; 16]))[5];
            let expected = fp8::DECODED[usize::from(byte)];
            if expected.is_nan() {
                assert_eq!(value.abs(), 480.0);
            } else {
                assert_eq!(value.to_bits(), expected.to_bits(), "{level:?} byte {byte}");
            }
        }
    }
}

struct Exp(f32);

impl Kernel for Exp {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> f32 {
        let mut out = [0.0; LANES];
        simd.store(exp(simd, simd.splat(self.0)), &mut out);
        out[0]
    }
}

#[test]
fn exp_is_within_two_units_in_the_last_place() {
    assert_eq!(dispatch(Level::detected(), Exp(0.0)), 1.0);
    for step in -8700..8800 {
        let x = step as f32 / 100.0;
        let found = dispatch(Level::detected(), Exp(x));
        let exact = f64::from(x).exp();
        assert!((f64::from(found) - exact).abs() <= exact * 2.4e-7, "exp({x}) = {found}, not {exact}");
    }
}

#[test]
fn exp_of_nan_is_nan() {
    for level in Level::available() {
        assert!(dispatch(level, Exp(f32::NAN)).is_nan(), "{level:?}");
    }
}

#[test]
fn levels_are_named_and_ordered() {
    let available = Level::available();
    assert_eq!(available[0], Level::Scalar);
    assert!(available.is_sorted());
    assert_eq!(Some(&Level::detected()), available.last());
}
