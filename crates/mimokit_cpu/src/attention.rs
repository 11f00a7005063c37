//! Attention of the query heads that share one KV head over keys in position order; the body of attn_global and attn_window.
//!
//! Keys come in segments of 256, counted from the first visible one: scores, their maximum, exponentials and the weighted sum of
//! values per segment, then a merge into the running state. Neither blocks, rings, chunks nor other queries enter that order,
//! so a query gives the same bits however its keys are stored.

use std::marker::PhantomData;

use mimokit_model::kv::KvDtype;

use crate::buffers::buffer;
use crate::kv::HeadStore;
use crate::linear::{Bf16, E4m3, Element, F32, LINE, sixteen};
use crate::simd::{E4M3_LIFT, Kernel, LANES, Level, Simd, dispatch, exp};

/// Keys of one segment.
const SEGMENT: usize = 256;

/// Consecutive positions in consecutive slots of a store.
#[derive(Clone, Copy)]
pub(crate) struct Run<'a> {
    pub(crate) store: &'a [u8],
    pub(crate) first_slot: usize,
    pub(crate) count: usize,
}

/// One position's query heads of one KV head.
pub(crate) struct Attend<'a> {
    pub(crate) store: HeadStore,
    /// Visible keys in position order; at least one.
    pub(crate) runs: &'a [Run<'a>],
    /// [heads, qk_dim]
    pub(crate) q: &'a [f32],
    /// One logit per head.
    pub(crate) sinks: Option<&'a [f32]>,
    /// [heads, v_dim]
    pub(crate) out: &'a mut [f32],
}

pub(crate) fn attend(level: Level, ask: Attend<'_>) {
    match ask.store.dtype {
        KvDtype::F32 => dispatch(level, Heads { ask, element: PhantomData::<F32> }),
        KvDtype::Bf16 => dispatch(level, Heads { ask, element: PhantomData::<Bf16> }),
        KvDtype::Fp8 => dispatch(level, Heads { ask, element: PhantomData::<E4m3> }),
    }
}

struct Heads<'a, E> {
    ask: Attend<'a>,
    element: PhantomData<E>,
}

impl<E: Element> Kernel for Heads<'_, E> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, simd: S) {
        let heads = self.ask.q.len() / self.ask.store.qk_dim;
        let mut head = 0;
        while head < heads {
            head += match heads - head {
                1 => self.heads::<S, 1>(simd, head),
                2 => self.heads::<S, 2>(simd, head),
                3 => self.heads::<S, 3>(simd, head),
                // As many sums as there are registers for.
                16.. if S::REGISTERS >= 32 => self.heads::<S, 16>(simd, head),
                8.. if S::REGISTERS >= 32 => self.heads::<S, 8>(simd, head),
                _ => self.heads::<S, 4>(simd, head),
            };
        }
    }
}

impl<E: Element> Heads<'_, E> {
    /// Heads `first .. first + H` together, so that a key or value is loaded once for all.
    #[inline(always)]
    fn heads<S: Simd, const H: usize>(&mut self, simd: S, first: usize) -> usize {
        let store = self.ask.store;
        let lift = if store.dtype == KvDtype::Fp8 { E4M3_LIFT } else { 1.0 };
        let scale = lift / (store.qk_dim as f32).sqrt();
        // [qk_dim, H], so that what a dim needs lies together.
        let mut q = buffer(H * store.qk_dim);
        for (h, head) in self.ask.q[first * store.qk_dim..].chunks_exact(store.qk_dim).take(H).enumerate() {
            for (dim, x) in head.iter().enumerate() {
                q[dim * H + h] = x * lift;
            }
        }
        // [v_stride / 16, H, 16]
        let mut running = buffer(H * store.v_stride);
        running.fill(0.0);
        // With a sink the denominator starts as exp(sink - sink); without one, as nothing.
        let mut max: [f32; H] = [f32::NEG_INFINITY; H];
        let mut total: [f32; H] = [0.0; H];
        if let Some(sinks) = self.ask.sinks {
            max.copy_from_slice(&sinks[first..first + H]);
            total = [1.0; H];
        }
        let mut weights = [[0.0_f32; SEGMENT]; H];
        let mut pieces = Pieces::new(self.ask.runs);
        loop {
            let segment = pieces.next_segment();
            if segment.count == 0 {
                break;
            }
            let mut at = 0;
            let mut parts = segment.pieces(self.ask.runs).peekable();
            while let Some(piece) = parts.next() {
                let next = parts.peek().copied().or_else(|| pieces.upcoming());
                scores::<S, E, H>(simd, &store, (piece, next), &q, scale, &mut weights, at);
                at += piece.count;
            }
            let mut keep = [0.0; H];
            let mut add = [0.0; H];
            for h in 0..H {
                let weights = &mut weights[h];
                let segment_max = largest(simd, &weights[..at]);
                let top = segment_max.max(max[h]);
                let sum = exponentials(simd, weights, at, segment_max);
                let pair = exp(simd, simd.load(&merge_exponents(max[h] - top, segment_max - top)));
                let mut factors = [0.0; LANES];
                simd.store(pair, &mut factors);
                (keep[h], add[h]) = (factors[0], factors[1]);
                total[h] = sum.mul_add(add[h], total[h] * keep[h]);
                max[h] = top;
            }
            if store.dtype == KvDtype::Fp8 {
                let mut at = 0;
                for piece in segment.pieces(self.ask.runs) {
                    scale_by_values::<S, H>(simd, &store, piece, &mut weights, at);
                    at += piece.count;
                }
            }
            let chunks = store.v_stride / LANES;
            let mut chunk = 0;
            while chunk < chunks {
                let running = &mut running[chunk * LANES * H..];
                let weights = (&weights, &keep, &add);
                // Few heads are too few chains of additions to hide their latency: two chunks at a time.
                if H < 4 && chunk + 1 < chunks {
                    mix::<S, E, H, 2>(simd, &store, segment.pieces(self.ask.runs), chunk, weights, running);
                    chunk += 2;
                } else {
                    mix::<S, E, H, 1>(simd, &store, segment.pieces(self.ask.runs), chunk, weights, running);
                    chunk += 1;
                }
            }
        }
        for h in 0..H {
            let out = &mut self.ask.out[(first + h) * store.v_dim..][..store.v_dim];
            for (chunk, out) in out.chunks_mut(LANES).enumerate() {
                for (out, x) in out.iter_mut().zip(&running[(chunk * H + h) * LANES..]) {
                    *out = x / total[h] * lift;
                }
            }
        }
        H
    }
}

#[inline(always)]
fn merge_exponents(keep: f32, add: f32) -> [f32; LANES] {
    let mut lanes = [0.0; LANES];
    // Minus infinity (no key before) is held at the smallest exponent; what it scales is zero.
    lanes[0] = keep;
    lanes[1] = add;
    lanes
}

/// Scores of one piece's keys into `scores[..][at ..]`: sixteen keys at a time, summed over dims in order. While they are summed, the
/// tile's values and the keys of the next one, maybe that of the piece `next`, are asked for: blocks lie anywhere, and one is too
/// short for the processor to foresee.
#[inline(always)]
fn scores<S: Simd, E: Element, const H: usize>(
    simd: S,
    store: &HeadStore,
    (piece, next): (Run<'_>, Option<Run<'_>>),
    q: &[f32],
    scale: f32,
    scores: &mut [[f32; SEGMENT]; H],
    at: usize,
) {
    let end = piece.first_slot + piece.count;
    let mut tile = piece.first_slot / LANES;
    while tile * LANES < end {
        let from = piece.first_slot.max(tile * LANES);
        // Few heads: two whole tiles at a time, for the same reason as in `mix`.
        let tiles = if H < 4 && from == tile * LANES && from + 2 * LANES <= end { 2 } else { 1 };
        let to = end.min((tile + tiles) * LANES);
        let keys = store.tile(piece.store, tile);
        let later = match next {
            Some(next) if to == end => store.tile(next.store, next.first_slot / LANES),
            _ if to < end => store.tile(piece.store, tile + tiles),
            _ => keys,
        };
        let values = store.values(piece.store, from..to);
        let mut all = [[[0.0; LANES]; H]; 2];
        if tiles == 2 {
            let keys = [keys, store.tile(piece.store, tile + 1)];
            tile_sums::<S, E, H, 2>(simd, store, keys, q, (later, values), &mut all);
        } else {
            tile_sums::<S, E, H, 1>(simd, store, [keys], q, (later, values), &mut all);
        }
        for (i, all) in all.iter().enumerate().take(tiles) {
            let mut factors = simd.splat(scale);
            if store.dtype == KvDtype::Fp8 {
                factors = simd.mul(factors, simd.f32(store.key_scales(piece.store, (tile + i) * LANES)));
            }
            let first = at + from - piece.first_slot + i * LANES;
            let valid = LANES.min(to - from);
            for (scores, sums) in scores.iter_mut().zip(all) {
                let lanes = simd.mul(simd.load(sums), factors);
                match scores[first..].first_chunk_mut() {
                    Some(scores) if valid == LANES => simd.store(lanes, scores),
                    _ => {
                        let mut all = [0.0; LANES];
                        simd.store(lanes, &mut all);
                        scores[first..][..valid].copy_from_slice(&all[from - tile * LANES..][..valid]);
                    }
                }
            }
        }
        tile += tiles;
    }
}

/// Products of H queries with the keys of P tiles, a lane per key, into `to`. `later` and `values` are asked for meanwhile.
#[inline(always)]
fn tile_sums<S: Simd, E: Element, const H: usize, const P: usize>(
    simd: S,
    store: &HeadStore,
    tiles: [&[u8]; P],
    q: &[f32],
    (later, values): (&[u8], &[u8]),
    to: &mut [[[f32; LANES]; H]; 2],
) {
    const { assert!(P <= 2) };
    let mut sums = [[simd.zero(); H]; P];
    let lines = store.qk_dim / 4;
    let (q_lines, q_rest) = q.split_at(lines * 4 * H);
    for (line, q) in q_lines.chunks_exact(4 * H).enumerate() {
        for ahead in (line * P * LINE * E::BYTES..(line + 1) * P * LINE * E::BYTES).step_by(64) {
            simd.prefetch_far(later.as_ptr().wrapping_add(ahead));
            if ahead < values.len() {
                simd.prefetch_far(values.as_ptr().wrapping_add(ahead));
            }
        }
        let mut keys = [[simd.zero(); 4]; P];
        for (keys, tile) in keys.iter_mut().zip(tiles) {
            *keys = E::load_line(simd, &tile[line * LINE * E::BYTES..][..LINE * E::BYTES]);
        }
        for (dim, q) in q.as_chunks::<H>().0.iter().enumerate() {
            for p in 0..P {
                for h in 0..H {
                    sums[p][h] = simd.fma(simd.splat(q[h]), keys[p][dim], sums[p][h]);
                }
            }
        }
    }
    for (dim, q) in q_rest.as_chunks::<H>().0.iter().enumerate() {
        for p in 0..P {
            let keys = &tiles[p][(lines * 4 + dim) * LANES * E::BYTES..][..LANES * E::BYTES];
            let keys = E::load(simd, keys);
            for h in 0..H {
                sums[p][h] = simd.fma(simd.splat(q[h]), keys, sums[p][h]);
            }
        }
    }
    // Nothing else in this loop, so that it is unrolled: sums indexed by a counter would not stay in registers above.
    for p in 0..P {
        for h in 0..H {
            simd.store(sums[p][h], &mut to[p][h]);
        }
    }
}

/// The weighted sum of a segment's values, C times sixteen dims from chunk `chunk` on, merged into `running` [C, H, 16].
#[inline(always)]
fn mix<'a, S: Simd, E: Element, const H: usize, const C: usize>(
    simd: S,
    store: &HeadStore,
    pieces: impl Iterator<Item = Run<'a>>,
    chunk: usize,
    (weights, keep, add): (&[[f32; SEGMENT]; H], &[f32; H], &[f32; H]),
    running: &mut [f32],
) {
    let mut sums = [[simd.zero(); H]; C];
    let mut at = 0;
    for piece in pieces {
        assert!(at + piece.count <= SEGMENT);
        let slots = piece.first_slot..piece.first_slot + piece.count;
        for value in store.values(piece.store, slots).chunks_exact(store.v_stride * E::BYTES) {
            let value = &value[chunk * LANES * E::BYTES..][..C * LANES * E::BYTES];
            for (c, value) in value.chunks_exact(LANES * E::BYTES).enumerate() {
                let value = E::load(simd, value);
                for h in 0..H {
                    // SAFETY: a piece has `count` values, and its weights are in a segment's, as asserted.
                    let weight = unsafe { *weights[h].get_unchecked(at) };
                    sums[c][h] = simd.fma(simd.splat(weight), value, sums[c][h]);
                }
            }
            at += 1;
        }
    }
    let lanes = running[..C * H * LANES].as_chunks_mut::<LANES>().0;
    for c in 0..C {
        for h in 0..H {
            let old = simd.mul(simd.load(&lanes[c * H + h]), simd.splat(keep[h]));
            simd.store(simd.fma(sums[c][h], simd.splat(add[h]), old), &mut lanes[c * H + h]);
        }
    }
}

/// Multiplies the weights of one piece's values, `weights[..][at ..]`, by the values' scales and the E4M3 lift.
#[inline(always)]
fn scale_by_values<S: Simd, const H: usize>(
    simd: S,
    store: &HeadStore,
    piece: Run<'_>,
    weights: &mut [[f32; SEGMENT]; H],
    at: usize,
) {
    let whole = piece.count / LANES * LANES;
    for offset in (0..whole).step_by(LANES) {
        let scales = simd.f32(store.value_scales(piece.store, piece.first_slot + offset));
        let scales = simd.mul(scales, simd.splat(E4M3_LIFT));
        for weights in weights.iter_mut() {
            let lanes: &mut [f32; LANES] = weights[at + offset..].first_chunk_mut().expect("sixteen weights");
            simd.store(simd.mul(simd.load(lanes), scales), lanes);
        }
    }
    for offset in whole..piece.count {
        let scale = store.value_scale(piece.store, piece.first_slot + offset) * E4M3_LIFT;
        for weights in weights.iter_mut() {
            weights[at + offset] *= scale;
        }
    }
}

/// The largest of at least one number. Where one is NaN the result may be any: its exponential makes the sum NaN.
#[inline(always)]
fn largest<S: Simd>(simd: S, numbers: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; LANES];
    let (whole, rest) = numbers.as_chunks::<LANES>();
    lanes[..rest.len()].copy_from_slice(rest);
    let mut top = simd.load(&lanes);
    for numbers in whole {
        top = simd.max(top, simd.load(numbers));
    }
    simd.store(top, &mut lanes);
    lanes.iter().fold(f32::NEG_INFINITY, |top, &x| top.max(x))
}

/// Turns `count` scores into exp(score - max), zeros up to a whole vector, and sums them over lanes.
#[inline(always)]
fn exponentials<S: Simd>(simd: S, weights: &mut [f32; SEGMENT], count: usize, max: f32) -> f32 {
    let mut sums = simd.zero();
    for chunk in 0..count.div_ceil(LANES) {
        let shifted = simd.sub(simd.load(sixteen(weights, chunk)), simd.splat(max));
        let lanes = &mut weights[chunk * LANES..(chunk + 1) * LANES];
        let lanes: &mut [f32; LANES] = lanes.try_into().expect("sixteen floats");
        simd.store(exp(simd, shifted), lanes);
        let valid = count - chunk * LANES;
        if valid < LANES {
            lanes[valid..].fill(0.0);
        }
        sums = simd.add(sums, simd.load(lanes));
    }
    simd.sum(sums)
}

/// Cuts runs into segments.
struct Pieces<'a> {
    runs: &'a [Run<'a>],
    run: usize,
    offset: usize,
}

/// Up to `SEGMENT` keys: `count` of them from `offset` in run `run` on.
struct Segment {
    run: usize,
    offset: usize,
    count: usize,
}

impl<'a> Pieces<'a> {
    fn new(runs: &'a [Run<'a>]) -> Pieces<'a> {
        Pieces { runs, run: 0, offset: 0 }
    }

    /// What the segment after those handed out begins with.
    fn upcoming(&self) -> Option<Run<'a>> {
        let run = self.runs.get(self.run)?;
        Some(Run { first_slot: run.first_slot + self.offset, count: run.count - self.offset, ..*run })
    }

    fn next_segment(&mut self) -> Segment {
        let mut segment = Segment { run: self.run, offset: self.offset, count: 0 };
        while segment.count < SEGMENT && self.run < self.runs.len() {
            let left = self.runs[self.run].count - self.offset;
            let taken = left.min(SEGMENT - segment.count);
            segment.count += taken;
            self.offset += taken;
            if self.offset == self.runs[self.run].count {
                self.run += 1;
                self.offset = 0;
            }
        }
        segment
    }
}

impl Segment {
    /// The segment's parts of the runs, in order.
    #[inline(always)]
    fn pieces<'a>(&self, runs: &'a [Run<'a>]) -> impl Iterator<Item = Run<'a>> {
        let mut left = self.count;
        let mut offset = self.offset;
        runs[self.run.min(runs.len())..].iter().map_while(move |run| {
            if left == 0 {
                return None;
            }
            let count = left.min(run.count - offset);
            let piece = Run { store: run.store, first_slot: run.first_slot + offset, count };
            left -= count;
            offset = 0;
            Some(piece)
        })
    }
}
