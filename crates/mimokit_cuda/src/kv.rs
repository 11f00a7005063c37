//! Pools of keys and values on the device. All layers of a block (or window) lie together, so that copying one is one copy; how a layer
//! lies in it is `KvLayer` of kernels/device/arguments.cuh.

use mimokit_model::kv::{KvCopy, KvDtype, KvLayout, KvShape};

use crate::arguments::{BF16, E4M3, F32, KvLayer};
use crate::device::{Device, Memory};
use crate::error::{Error, Result};

/// Parts begin at multiples of this, so that kernels may use wide loads where shapes allow.
const ALIGNMENT: usize = 128;

/// Equal units, each holding all layers of one kind.
pub(crate) struct Units<D: Device> {
    memory: D::Memory,
    stride: usize,
    layers: Vec<KvLayer>,
}

impl<D: Device> Units<D> {
    fn new(device: &D, count: usize, slots: usize, shapes: &[KvShape], dtype: KvDtype) -> Result<Units<D>> {
        let stored = match dtype {
            KvDtype::F32 => F32,
            KvDtype::Bf16 => BF16,
            KvDtype::Fp8 => E4M3,
        };
        let element = [4, 2, 1][stored as usize];
        let mut stride = 0;
        let mut layers = Vec::with_capacity(shapes.len());
        for shape in shapes {
            let vectors = slots * shape.kv_heads;
            let scales = if dtype == KvDtype::Fp8 { (vectors * 4).next_multiple_of(ALIGNMENT) } else { 0 };
            let key_scales = (vectors * shape.qk_dim * element).next_multiple_of(ALIGNMENT);
            let values = key_scales + scales;
            let value_scales = values + (vectors * shape.v_dim * element).next_multiple_of(ALIGNMENT);
            layers.push(KvLayer {
                layer_start: stride as u64,
                key_scales: key_scales as u64,
                values: values as u64,
                value_scales: value_scales as u64,
                slots: slots as u32,
                kv_heads: shape.kv_heads as u32,
                qk_dim: shape.qk_dim as u32,
                v_dim: shape.v_dim as u32,
                stored,
                ..KvLayer::default()
            });
            stride += value_scales + scales;
        }
        let bytes = count
            .checked_mul(stride)
            .ok_or_else(|| Error::Unsupported(format!("{count} units of {stride} bytes of KV")))?;
        let memory = device.allocate(bytes)?;
        for layer in &mut layers {
            (layer.base, layer.stride) = (memory.address(), stride as u64);
        }
        Ok(Units { memory, stride, layers })
    }

    pub(crate) fn layer(&self, layer: usize) -> KvLayer {
        self.layers[layer]
    }

    fn copy(&self, device: &D, from: u32, to: u32) -> Result<()> {
        let at = |unit: u32| (&self.memory, unit as usize * self.stride);
        device.copy(at(from), at(to), self.stride)
    }
}

/// One unit like those of `layer`, whose slots are the rows of a pass.
pub(crate) struct Fresh<D: Device> {
    pub(crate) layer: KvLayer,
    _memory: Units<D>,
}

impl<D: Device> Fresh<D> {
    pub(crate) fn new(device: &D, layer: &KvLayer, rows: usize) -> Result<Fresh<D>> {
        let shape =
            KvShape { kv_heads: layer.kv_heads as usize, qk_dim: layer.qk_dim as usize, v_dim: layer.v_dim as usize };
        let dtype = [KvDtype::F32, KvDtype::Bf16, KvDtype::Fp8][layer.stored as usize];
        let units = Units::new(device, 1, rows, &[shape], dtype)?;
        Ok(Fresh { layer: units.layer(0), _memory: units })
    }
}

/// Both pools, and the hidden rows that windows keep.
pub struct Kv<D: Device> {
    pub(crate) blocks: Units<D>,
    pub(crate) windows: Units<D>,
    /// [windows * kept_hidden, hidden] FP32
    pub(crate) hidden: D::Memory,
    pub(crate) kept_hidden: usize,
    pub(crate) hidden_width: usize,
}

impl<D: Device> Kv<D> {
    pub(crate) fn new(device: &D, layout: &KvLayout, dtype: KvDtype) -> Result<Kv<D>> {
        Ok(Kv {
            blocks: Units::new(device, layout.blocks, layout.block_tokens, &layout.global, dtype)?,
            windows: Units::new(device, layout.windows, layout.ring, &layout.rings, dtype)?,
            hidden: device.allocate(layout.windows * layout.kept_hidden * layout.hidden * 4)?,
            kept_hidden: layout.kept_hidden,
            hidden_width: layout.hidden,
        })
    }

    /// Where a kept hidden row is, counted in rows.
    pub(crate) fn hidden_row(&self, window: u32, slot: u32) -> u32 {
        window * self.kept_hidden as u32 + slot
    }

    pub(crate) fn copy(&self, device: &D, copies: &[KvCopy]) -> Result<()> {
        for &copy in copies {
            match copy {
                KvCopy::Block { from, to } => self.blocks.copy(device, from, to)?,
                KvCopy::Window { from, to } => {
                    self.windows.copy(device, from, to)?;
                    let bytes = self.kept_hidden * self.hidden_width * 4;
                    let at = |window: u32| (&self.hidden, window as usize * bytes);
                    device.copy(at(from), at(to), bytes)?;
                }
            }
        }
        Ok(())
    }
}
