//! Plain Rust: the meaning of every lane operation, and the path of processors without a wider one.

use super::{LANES, Registers, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Scalar;

type V = [f32; LANES];

#[inline(always)]
fn zip(a: V, b: V, f: impl Fn(f32, f32) -> f32) -> V {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Scalar {
    type V = V;
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        [x; LANES]
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> V {
        *x
    }
    #[inline(always)]
    fn f32(self, x: &[u8; 64]) -> V {
        std::array::from_fn(|i| f32::from_le_bytes([x[4 * i], x[4 * i + 1], x[4 * i + 2], x[4 * i + 3]]))
    }
    #[inline(always)]
    fn bf16(self, x: &[u8; 32]) -> V {
        std::array::from_fn(|i| f32::from_bits(u32::from(u16::from_le_bytes([x[2 * i], x[2 * i + 1]])) << 16))
    }
    #[inline(always)]
    fn e4m3(self, x: &[u8; 16]) -> V {
        std::array::from_fn(|i| f32::from_bits((((x[i] as i8 as i32) << 20) as u32) & 0x87f0_0000))
    }
    #[inline(always)]
    fn e4m3_fours(self, x: &[u8; 64]) -> [V; 4] {
        std::array::from_fn(|i| self.e4m3(&std::array::from_fn(|lane| x[4 * lane + i])))
    }
    #[inline(always)]
    fn bf16_pairs(self, x: &[u8; 64]) -> [V; 2] {
        std::array::from_fn(|i| self.bf16(&std::array::from_fn(|byte| x[byte / 2 * 4 + 2 * i + byte % 2])))
    }
    #[inline(always)]
    fn store(self, v: V, to: &mut [f32; LANES]) {
        *to = v;
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn pow2(self, magic: V) -> V {
        magic.map(|x| f32::from_bits((x.to_bits() << 23).wrapping_add(0x3f80_0000)))
    }
    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        let eight: [f32; 8] = std::array::from_fn(|i| v[i] + v[i + 8]);
        let four: [f32; 4] = std::array::from_fn(|i| eight[i] + eight[i + 4]);
        (four[0] + four[2]) + (four[1] + four[3])
    }
    #[inline(always)]
    fn prefetch(self, _address: *const u8) {}
    #[inline(always)]
    fn prefetch_far(self, _address: *const u8) {}
}

impl Registers for Scalar {
    type R = V;
    const WIDTH: usize = LANES;

    #[inline(always)]
    fn reg_zero(self) -> Self::R {
        [0.0; LANES]
    }
    #[inline(always)]
    unsafe fn reg_load(self, from: *const f32) -> Self::R {
        // SAFETY: sixteen floats, by the contract.
        unsafe { from.cast::<V>().read() }
    }
    #[inline(always)]
    unsafe fn reg_store(self, register: Self::R, to: *mut f32) {
        // SAFETY: as above.
        unsafe { to.cast::<V>().write(register) }
    }
    #[inline(always)]
    fn reg_fma(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R {
        self.fma(a, b, c)
    }
    #[inline(always)]
    fn reg_add(self, a: Self::R, b: Self::R) -> Self::R {
        self.add(a, b)
    }
}
