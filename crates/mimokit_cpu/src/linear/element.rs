//! Stored elements of a weight: how sixteen of them, or sixty-four, become lanes, and which lane is whose.

use crate::simd::{LANES, Simd};

/// Elements that `Element::load_line` takes.
pub(crate) const LINE: usize = 4 * LANES;

/// One storage type. `load` takes exactly `BYTES * 16` bytes, `load_line` four times as many.
pub(crate) trait Element {
    const BYTES: usize;
    /// How many neighbours of a line share a lane: as many as fill 32 bits, so that masks and shifts spread them.
    const NEIGHBOURS: usize = 4 / Self::BYTES;
    /// Sixteen elements, lane after lane.
    fn load<S: Simd>(simd: S, sixteen: &[u8]) -> S::V;
    /// Sixty-four elements; element i is where `place_in_line` says.
    fn load_line<S: Simd>(simd: S, line: &[u8]) -> [S::V; 4];
}

/// Where element `element` of a line is among the 64 lanes of `Element::load_line`.
#[inline(always)]
pub(crate) fn place_in_line(neighbours: usize, element: usize) -> usize {
    let (group, element) = (element / (LANES * neighbours), element % (LANES * neighbours));
    (group * neighbours + element % neighbours) * LANES + element / neighbours
}

/// E4M3, as the value times 2^-120 (`simd::E4M3_LIFT`, twice, undoes it).
pub(crate) struct E4m3;
pub(crate) struct Bf16;
pub(crate) struct F32;

impl Element for E4m3 {
    const BYTES: usize = 1;
    #[inline(always)]
    fn load<S: Simd>(simd: S, sixteen: &[u8]) -> S::V {
        simd.e4m3(exactly(sixteen))
    }
    #[inline(always)]
    fn load_line<S: Simd>(simd: S, line: &[u8]) -> [S::V; 4] {
        simd.e4m3_fours(exactly(line))
    }
}

impl Element for Bf16 {
    const BYTES: usize = 2;
    #[inline(always)]
    fn load<S: Simd>(simd: S, sixteen: &[u8]) -> S::V {
        simd.bf16(exactly(sixteen))
    }
    #[inline(always)]
    fn load_line<S: Simd>(simd: S, line: &[u8]) -> [S::V; 4] {
        let [a, b] = simd.bf16_pairs(exactly(&line[..64]));
        let [c, d] = simd.bf16_pairs(exactly(&line[64..]));
        [a, b, c, d]
    }
}

impl Element for F32 {
    const BYTES: usize = 4;
    #[inline(always)]
    fn load<S: Simd>(simd: S, sixteen: &[u8]) -> S::V {
        simd.f32(exactly(sixteen))
    }
    #[inline(always)]
    fn load_line<S: Simd>(simd: S, line: &[u8]) -> [S::V; 4] {
        let mut vectors = [simd.zero(); 4];
        for (vector, part) in vectors.iter_mut().zip(line.chunks_exact(4 * LANES)) {
            *vector = Self::load(simd, part);
        }
        vectors
    }
}

/// Fewer than sixteen elements, the missing ones zero.
#[inline(always)]
pub(crate) fn load_short<S: Simd, E: Element>(simd: S, bytes: &[u8]) -> S::V {
    let mut padded = [0; 4 * LANES];
    padded[..bytes.len()].copy_from_slice(bytes);
    E::load(simd, &padded[..E::BYTES * LANES])
}

#[inline(always)]
fn exactly<const N: usize>(bytes: &[u8]) -> &[u8; N] {
    bytes.try_into().expect("as many elements")
}

/// Sixteen floats of a slice whose length is a multiple of sixteen.
#[inline(always)]
pub(crate) fn sixteen(x: &[f32], chunk: usize) -> &[f32; LANES] {
    x[chunk * LANES..chunk * LANES + LANES].try_into().expect("sixteen floats")
}
