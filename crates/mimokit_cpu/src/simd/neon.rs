//! NEON: sixteen lanes as four registers of four. Part of every aarch64 processor, so there is nothing to detect.
#![allow(
    unused_unsafe,
    reason = "which NEON intrinsics are safe where the feature is always on differs between compilers"
)]

use std::arch::aarch64::*;

use super::{LANES, Registers, Simd};

#[derive(Clone, Copy)]
pub(crate) struct Neon(());

impl Neon {
    pub(crate) fn new() -> Neon {
        Neon(())
    }
}

type V = [float32x4_t; 4];

/// Wraps NEON intrinsics.
macro_rules! neon {
    ($($body:tt)*) => {
        // SAFETY: NEON is part of the aarch64 baseline; loads and stores stay in their arrays
        // or where a contract says.
        unsafe { $($body)* }
    };
}

#[inline(always)]
fn each(f: impl Fn(usize) -> float32x4_t) -> V {
    [f(0), f(1), f(2), f(3)]
}

impl Simd for Neon {
    type V = V;
    const REGISTERS: usize = 8;

    #[inline(always)]
    fn splat(self, x: f32) -> V {
        neon!([vdupq_n_f32(x); 4])
    }
    #[inline(always)]
    fn load(self, x: &[f32; LANES]) -> V {
        each(|i| neon!(vld1q_f32(x.as_ptr().add(4 * i))))
    }
    #[inline(always)]
    fn f32(self, x: &[u8; 64]) -> V {
        each(|i| neon!(vreinterpretq_f32_u8(vld1q_u8(x.as_ptr().add(16 * i)))))
    }
    #[inline(always)]
    fn bf16(self, x: &[u8; 32]) -> V {
        each(|i| neon!(vreinterpretq_f32_u32(vshll_n_u16::<16>(vreinterpret_u16_u8(vld1_u8(x.as_ptr().add(8 * i)))))))
    }
    #[inline(always)]
    fn e4m3(self, x: &[u8; 16]) -> V {
        let (wide, mask) = neon!({
            let bytes = vreinterpretq_s8_u8(vld1q_u8(x.as_ptr()));
            let low = vmovl_s8(vget_low_s8(bytes));
            let high = vmovl_s8(vget_high_s8(bytes));
            let wide = [
                vmovl_s16(vget_low_s16(low)),
                vmovl_s16(vget_high_s16(low)),
                vmovl_s16(vget_low_s16(high)),
                vmovl_s16(vget_high_s16(high)),
            ];
            (wide, vdupq_n_s32(0x87f0_0000_u32 as i32))
        });
        each(|i| neon!(vreinterpretq_f32_s32(vandq_s32(vshlq_n_s32::<20>(wide[i]), mask))))
    }
    #[inline(always)]
    fn e4m3_fours(self, x: &[u8; 64]) -> [V; 4] {
        let of_byte = |byte: i32| {
            each(|part| {
                neon!({
                    let lanes = vreinterpretq_s32_u8(vld1q_u8(x.as_ptr().add(16 * part)));
                    let top = vshrq_n_s32::<4>(vshlq_s32(lanes, vdupq_n_s32(24 - 8 * byte)));
                    vreinterpretq_f32_s32(vandq_s32(top, vdupq_n_s32(0x87f0_0000_u32 as i32)))
                })
            })
        };
        [of_byte(0), of_byte(1), of_byte(2), of_byte(3)]
    }
    #[inline(always)]
    fn bf16_pairs(self, x: &[u8; 64]) -> [V; 2] {
        let pairs = |part: usize| neon!(vreinterpretq_u32_u8(vld1q_u8(x.as_ptr().add(16 * part))));
        [
            each(|part| neon!(vreinterpretq_f32_u32(vshlq_n_u32::<16>(pairs(part))))),
            each(|part| neon!(vreinterpretq_f32_u32(vandq_u32(pairs(part), vdupq_n_u32(0xffff_0000))))),
        ]
    }
    #[inline(always)]
    fn store(self, v: V, to: &mut [f32; LANES]) {
        for (i, part) in v.into_iter().enumerate() {
            neon!(vst1q_f32(to.as_mut_ptr().add(4 * i), part));
        }
    }
    #[inline(always)]
    fn fma(self, a: V, b: V, c: V) -> V {
        each(|i| neon!(vfmaq_f32(c[i], a[i], b[i])))
    }
    #[inline(always)]
    fn add(self, a: V, b: V) -> V {
        each(|i| neon!(vaddq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn sub(self, a: V, b: V) -> V {
        each(|i| neon!(vsubq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn mul(self, a: V, b: V) -> V {
        each(|i| neon!(vmulq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn div(self, a: V, b: V) -> V {
        each(|i| neon!(vdivq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn max(self, a: V, b: V) -> V {
        each(|i| neon!(vmaxq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn min(self, a: V, b: V) -> V {
        each(|i| neon!(vminq_f32(a[i], b[i])))
    }
    #[inline(always)]
    fn pow2(self, magic: V) -> V {
        each(|i| {
            neon!({
                let shifted = vshlq_n_s32::<23>(vreinterpretq_s32_f32(magic[i]));
                vreinterpretq_f32_s32(vaddq_s32(shifted, vdupq_n_s32(0x3f80_0000)))
            })
        })
    }
    #[inline(always)]
    fn sum(self, v: V) -> f32 {
        neon!({
            let four = vaddq_f32(vaddq_f32(v[0], v[2]), vaddq_f32(v[1], v[3]));
            let two = vadd_f32(vget_low_f32(four), vget_high_f32(four));
            vget_lane_f32::<0>(two) + vget_lane_f32::<1>(two)
        })
    }
    #[inline(always)]
    fn prefetch(self, _address: *const u8) {}
    #[inline(always)]
    fn prefetch_far(self, _address: *const u8) {}
}

impl Registers for Neon {
    type R = float32x4_t;
    const WIDTH: usize = 4;

    #[inline(always)]
    fn reg_zero(self) -> Self::R {
        neon!(vdupq_n_f32(0.0))
    }
    #[inline(always)]
    unsafe fn reg_load(self, from: *const f32) -> Self::R {
        neon!(vld1q_f32(from))
    }
    #[inline(always)]
    unsafe fn reg_store(self, register: Self::R, to: *mut f32) {
        neon!(vst1q_f32(to, register))
    }
    #[inline(always)]
    fn reg_fma(self, a: Self::R, b: Self::R, c: Self::R) -> Self::R {
        neon!(vfmaq_f32(c, a, b))
    }
    #[inline(always)]
    fn reg_add(self, a: Self::R, b: Self::R) -> Self::R {
        neon!(vaddq_f32(a, b))
    }
}
