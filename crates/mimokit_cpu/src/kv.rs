//! Pools of keys and values in host memory: blocks of the global layers, windows of the sliding layers and MTP heads.
//!
//! One head's store keeps keys sixteen positions to a tile, `[tile][dim][16]`, so that a score needs no sum across lanes; BF16 and FP8
//! dims, two and four, share 32 bits, `[tile][dim / 2][16][2]`, so that shifts and masks widen them. Values lie
//! `[position][dim]`. All stores of a block (or window) lie together: copying one is one memcpy. Memory is reserved
//! zeroed and becomes resident when first written.

use std::ops::{Deref, DerefMut};

use memmap2::MmapMut;
use mimokit_model::kv::{KvCopy, KvDtype, KvLayout, KvShape};
use mimokit_model::{Error, Result};

use crate::fp8;
use crate::simd::LANES;

/// Where the parts of one head's store lie, counted from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeadStore {
    pub(crate) dtype: KvDtype,
    pub(crate) qk_dim: usize,
    pub(crate) v_dim: usize,
    /// v_dim padded to whole vectors.
    pub(crate) v_stride: usize,
    element: usize,
    /// Dims that share 32 bits of a tile: `linear::Element::NEIGHBOURS`.
    neighbours: usize,
    key_scales: usize,
    values: usize,
    value_scales: usize,
    bytes: usize,
}

impl HeadStore {
    pub(crate) fn new(dtype: KvDtype, shape: KvShape, slots: usize) -> HeadStore {
        let slots = slots.next_multiple_of(LANES);
        let element = match dtype {
            KvDtype::F32 => 4,
            KvDtype::Bf16 => 2,
            KvDtype::Fp8 => 1,
        };
        let scales = if dtype == KvDtype::Fp8 { slots * 4 } else { 0 };
        let v_stride = shape.v_dim.next_multiple_of(LANES);
        let key_scales = slots * shape.qk_dim * element;
        let values = key_scales + scales;
        let value_scales = values + slots * v_stride * element;
        let bytes = value_scales + scales;
        let (qk_dim, v_dim) = (shape.qk_dim, shape.v_dim);
        HeadStore {
            dtype,
            qk_dim,
            v_dim,
            v_stride,
            element,
            neighbours: 4 / element,
            key_scales,
            values,
            value_scales,
            bytes,
        }
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The sixteen keys of a tile, dimension after dimension.
    #[inline(always)]
    pub(crate) fn tile<'a>(&self, store: &'a [u8], tile: usize) -> &'a [u8] {
        let bytes = self.qk_dim * LANES * self.element;
        &store[tile * bytes..][..bytes]
    }

    /// The values in `slots`.
    #[inline(always)]
    pub(crate) fn values<'a>(&self, store: &'a [u8], slots: std::ops::Range<usize>) -> &'a [u8] {
        let bytes = self.v_stride * self.element;
        &store[self.values + slots.start * bytes..self.values + slots.end * bytes]
    }

    /// What the stored value in `slot` is to be multiplied by.
    #[inline(always)]
    pub(crate) fn value_scale(&self, store: &[u8], slot: usize) -> f32 {
        self.scale(store, self.value_scales, slot)
    }

    /// The key scales of `slot` and the fifteen after it, little-endian; only where keys have scales.
    #[inline(always)]
    pub(crate) fn key_scales<'a>(&self, store: &'a [u8], slot: usize) -> &'a [u8; 4 * LANES] {
        store[self.key_scales + 4 * slot..].first_chunk().expect("sixteen scales")
    }

    /// As `key_scales`, of values.
    #[inline(always)]
    pub(crate) fn value_scales<'a>(&self, store: &'a [u8], slot: usize) -> &'a [u8; 4 * LANES] {
        store[self.value_scales + 4 * slot..].first_chunk().expect("sixteen scales")
    }

    #[inline(always)]
    fn scale(&self, store: &[u8], base: usize, slot: usize) -> f32 {
        match self.dtype {
            KvDtype::Fp8 => {
                let bytes = &store[base + 4 * slot..][..4];
                f32::from_le_bytes(bytes.try_into().expect("four bytes"))
            }
            _ => 1.0,
        }
    }

    /// Rounds and stores key and value of one position.
    pub(crate) fn write(&self, store: &mut [u8], slot: usize, key: &[f32], value: &[f32]) {
        self.write_vector(store, key, self.key_scales + 4 * slot, |dim| self.key_at(slot, dim));
        let value_at = |dim: usize| self.values + (slot * self.v_stride + dim) * self.element;
        self.write_vector(store, value, self.value_scales + 4 * slot, value_at);
    }

    /// Where dim `dim` of the key in `slot` lies. Four dims of a tile are a line, in which neighbours share 32 bits; what is left of
    /// the dims is `[dim][16]`.
    #[inline(always)]
    fn key_at(&self, slot: usize, dim: usize) -> usize {
        let neighbours = if dim < self.qk_dim / 4 * 4 { self.neighbours } else { 1 };
        let start = (slot / LANES * self.qk_dim + dim / neighbours * neighbours) * LANES;
        (start + slot % LANES * neighbours + dim % neighbours) * self.element
    }

    fn write_vector(&self, store: &mut [u8], vector: &[f32], scale_at: usize, at: impl Fn(usize) -> usize) {
        match self.dtype {
            KvDtype::F32 => {
                for (dim, x) in vector.iter().enumerate() {
                    store[at(dim)..][..4].copy_from_slice(&x.to_le_bytes());
                }
            }
            KvDtype::Bf16 => {
                for (dim, &x) in vector.iter().enumerate() {
                    store[at(dim)..][..2].copy_from_slice(&bf16_bits(x).to_le_bytes());
                }
            }
            KvDtype::Fp8 => {
                let scale = fp8::activation_scale(vector);
                store[scale_at..][..4].copy_from_slice(&scale.to_le_bytes());
                for (dim, x) in vector.iter().enumerate() {
                    store[at(dim)] = fp8::encode(x / scale);
                }
            }
        }
    }

    /// Copies one position from another store of the same shape, as stored.
    pub(crate) fn copy_slot(&self, from: &[u8], from_store: &HeadStore, from_slot: usize, to: &mut [u8], slot: usize) {
        let element = self.element;
        for dim in 0..self.qk_dim {
            let (source, target) = (self.key_at(from_slot, dim), self.key_at(slot, dim));
            to[target..target + element].copy_from_slice(&from[source..source + element]);
        }
        let source = from_store.values + from_slot * self.v_stride * element;
        let target = self.values + slot * self.v_stride * element;
        to[target..target + self.v_stride * element].copy_from_slice(&from[source..][..self.v_stride * element]);
        if self.dtype == KvDtype::Fp8 {
            for (source, target) in
                [(from_store.key_scales, self.key_scales), (from_store.value_scales, self.value_scales)]
            {
                to[target + 4 * slot..][..4].copy_from_slice(&from[source + 4 * from_slot..][..4]);
            }
        }
    }
}

/// Rounded to nearest even; NaN stays NaN.
fn bf16_bits(x: f32) -> u16 {
    let bits = x.to_bits();
    if x.is_nan() {
        return ((bits >> 16) | 0x40) as u16;
    }
    ((bits + 0x7fff + ((bits >> 16) & 1)) >> 16) as u16
}

/// Equal units (blocks or windows), each holding the stores of several layers.
pub(crate) struct Units {
    pub(crate) bytes: PoolBytes,
    stride: usize,
    /// Per layer: where it starts in a unit, and the store of each of its heads.
    layers: Vec<(usize, HeadStore)>,
}

impl Units {
    fn new(count: usize, slots: usize, shapes: &[KvShape], dtype: KvDtype) -> Result<Units> {
        let mut stride = 0;
        let mut layers = Vec::with_capacity(shapes.len());
        for &shape in shapes {
            let store = HeadStore::new(dtype, shape, slots);
            layers.push((stride, store));
            stride += store.bytes * shape.kv_heads;
        }
        Ok(Units { bytes: PoolBytes::zeroed(count, stride)?, stride, layers })
    }

    pub(crate) fn store(&self, layer: usize) -> HeadStore {
        self.layers[layer].1
    }

    /// Where the store of (unit, layer, head) begins; it is `store(layer).bytes()` long.
    pub(crate) fn offset(&self, unit: u32, layer: usize, head: usize) -> usize {
        let (start, store) = self.layers[layer];
        unit as usize * self.stride + start + head * store.bytes
    }

    pub(crate) fn head(&self, unit: u32, layer: usize, head: usize) -> &[u8] {
        &self.bytes[self.offset(unit, layer, head)..][..self.layers[layer].1.bytes]
    }

    fn copy(&mut self, from: u32, to: u32) {
        let from = from as usize * self.stride;
        self.bytes.copy_within(from..from + self.stride, to as usize * self.stride);
    }
}

/// Bytes of a pool, on huge pages where the system has them: walking page tables takes longer than reading the keys.
pub(crate) struct PoolBytes(Option<MmapMut>);

impl PoolBytes {
    fn zeroed(count: usize, each: usize) -> Result<PoolBytes> {
        let refuse = || no_memory(count, each);
        let bytes = count.checked_mul(each).ok_or_else(refuse)?;
        if bytes == 0 {
            return Ok(PoolBytes(None));
        }
        let map = MmapMut::map_anon(bytes).map_err(|_| refuse())?;
        // A wish; without it pages are as small as the system's others.
        #[cfg(target_os = "linux")]
        let _ = map.advise(memmap2::Advice::HugePage);
        Ok(PoolBytes(Some(map)))
    }
}

impl Deref for PoolBytes {
    type Target = [u8];
    #[inline(always)]
    fn deref(&self) -> &[u8] {
        self.0.as_deref().unwrap_or(&[])
    }
}

impl DerefMut for PoolBytes {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [u8] {
        self.0.as_deref_mut().unwrap_or(&mut [])
    }
}

/// Both pools.
pub struct Kv {
    pub(crate) layout: KvLayout,
    /// Positions a ring holds here: the layout's, up to a whole tile, so that a verify needs no copy of the ring.
    pub(crate) ring: usize,
    pub(crate) blocks: Units,
    pub(crate) windows: Units,
    /// [windows, kept_hidden, hidden]
    hidden: Vec<f32>,
}

impl Kv {
    pub(crate) fn new(layout: &KvLayout, dtype: KvDtype) -> Result<Kv> {
        let hidden = layout.kept_hidden * layout.hidden;
        let ring = layout.ring.next_multiple_of(LANES);
        Ok(Kv {
            ring,
            blocks: Units::new(layout.blocks, layout.block_tokens, &layout.global, dtype)?,
            windows: Units::new(layout.windows, ring, &layout.rings, dtype)?,
            hidden: zeroed(layout.windows, hidden)?,
            layout: layout.clone(),
        })
    }

    pub(crate) fn copy(&mut self, copies: &[KvCopy]) {
        let row = self.layout.kept_hidden * self.layout.hidden;
        for &copy in copies {
            match copy {
                KvCopy::Block { from, to } => self.blocks.copy(from, to),
                KvCopy::Window { from, to } => {
                    self.windows.copy(from, to);
                    self.hidden.copy_within(from as usize * row..(from as usize + 1) * row, to as usize * row);
                }
            }
        }
    }

    pub(crate) fn hidden_row(&self, window: u32, slot: u32) -> &[f32] {
        &self.hidden[self.hidden_start(window, slot)..][..self.layout.hidden]
    }

    pub(crate) fn hidden_row_mut(&mut self, window: u32, slot: u32) -> &mut [f32] {
        let start = self.hidden_start(window, slot);
        &mut self.hidden[start..start + self.layout.hidden]
    }

    fn hidden_start(&self, window: u32, slot: u32) -> usize {
        (window as usize * self.layout.kept_hidden + slot as usize) * self.layout.hidden
    }
}

/// `count * each` zeros, which the operating system hands over page by page as they are first touched.
fn zeroed<T: Default + Copy>(count: usize, each: usize) -> Result<Vec<T>> {
    let refuse = || no_memory(count, each * size_of::<T>());
    let len = count.checked_mul(each).ok_or_else(refuse)?;
    // A probe first, because `vec!` of zeros aborts where this fails.
    Vec::<T>::new().try_reserve_exact(len).map_err(|_| refuse())?;
    Ok(vec![T::default(); len])
}

fn no_memory(count: usize, each: usize) -> Error {
    Error::Device(format!("no memory for {count} units of {each} bytes of KV"))
}
