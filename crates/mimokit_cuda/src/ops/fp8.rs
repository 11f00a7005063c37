//! Products of E4M3 weights with rows quantised to E4M3, on the tensor cores: the tier of `quantise_activations`. Hopper has kernels of its own
//! (hopper/fp8_wgmma.cu), other cards fp8_mma.cu. Which of them runs depends on the device; how many input rows a tile takes changes no bit.

use crate::act::{Act, Input, Packed};
use crate::arguments::{
    Address, Fp8Args, Fp8Mma16, Fp8Mma64, Fp8Part, Fp8Wgmma16, Fp8Wgmma64, Fp8Wgmma128, PlaceCounts, PlacePairs,
    PlacesArgs, QuantiseRows, QuantiseRowsArgs, TensorMap,
};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory, Tensor};
use crate::error::Result;

/// As in kernels/device/fp8_tile.cuh and numbers.cuh.
const WEIGHT_ROWS: usize = 128;
const GROUP: usize = 128;
/// `Fp8Mode` of kernels/device/arguments.cuh.
pub(crate) const LINEAR: u32 = 0;
pub(crate) const GATE_UP: u32 = 1;
pub(crate) const DOWN: u32 = 2;

/// Weight rows of one box; a stage takes two.
pub(crate) const BOX_ROWS: usize = 64;
/// Places of a group begin at multiples of this, so that their scales can be copied in bulk.
const PLACE_ALIGNMENT: usize = 4;

/// Pairs that place_pairs counts by itself.
const FEW_PAIRS: usize = 256;

/// Input rows of a tile.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum TileRows {
    N16 = 16,
    N64 = 64,
    N128 = 128,
}

impl TileRows {
    /// For groups of about `rows` rows.
    fn for_rows(rows: usize, is_hopper: bool) -> TileRows {
        match rows {
            0..=16 => TileRows::N16,
            17..=64 => TileRows::N64,
            _ if is_hopper => TileRows::N128,
            _ => TileRows::N64,
        }
    }

    /// Dynamic shared memory of fp8_wgmma: its stages, the exchange, whole swizzle atoms.
    fn hopper_shared(self) -> usize {
        let (rows, stages) = (self as usize, [12, 8, 5][self.index()]);
        (stages * (WEIGHT_ROWS * GROUP + rows * GROUP + rows * 4) + 64 * rows * 4).next_multiple_of(1024)
    }

    /// Of fp8_mma.
    fn plain_shared(self) -> usize {
        (WEIGHT_ROWS + self as usize) * (2 * GROUP + 16)
    }

    fn index(self) -> usize {
        self as usize / 64
    }
}

/// Pairs of rows and experts, sorted by expert.
pub(crate) struct Places<D: Device> {
    rows: TileRows,
    /// Upper bounds, known without waiting for the device.
    count: usize,
    tile_bound: usize,
    lists: Option<Lists<D>>,
}

struct Lists<D: Device> {
    order: D::Memory,
    places: D::Memory,
    tiles: D::Memory,
    tile_count: D::Memory,
}

/// What products multiply with: weights and the maps of their boxes, where the device has such.
pub(crate) struct Weights<'w> {
    pub(crate) parts: &'w [Fp8Part],
    pub(crate) maps: Option<&'w [TensorMap]>,
    /// [experts, 3] matrices; 0: the parts' own.
    pub(crate) matrices: Address,
    pub(crate) mode: u32,
    pub(crate) adds: bool,
}

impl<D: Device> CudaBackend<D> {
    /// One group of rows.
    pub(crate) fn one_group(&self, rows: usize) -> Places<D> {
        let tile_rows = TileRows::for_rows(rows, self.device.has_tensor_maps());
        Places { rows: tile_rows, count: rows, tile_bound: rows.div_ceil(tile_rows as usize), lists: None }
    }

    /// Places of `pairs` ids of experts.
    pub(crate) fn places(&self, ids: Address, pairs: usize, experts: usize) -> Result<Places<D>> {
        let groups = pairs.min(experts);
        let rows = TileRows::for_rows(pairs.div_ceil(groups.max(1)), self.device.has_tensor_maps());
        let count = pairs + (PLACE_ALIGNMENT - 1) * groups;
        let tile_bound = pairs / rows as usize + groups;
        let words = |count: usize| self.device.allocate(count * 4);
        // Counting them anew in every block is less than a launch.
        let counts = if pairs > FEW_PAIRS { words(experts)? } else { words(0)? };
        let lists: Lists<D> =
            Lists { order: words(count)?, places: words(pairs)?, tiles: words(4 * tile_bound)?, tile_count: words(1)? };
        let arguments = PlacesArgs {
            ids,
            counts: if pairs > FEW_PAIRS { counts.address() } else { 0 },
            order: lists.order.address(),
            places: lists.places.address(),
            tiles: lists.tiles.address(),
            tile_count: lists.tile_count.address(),
            experts: experts as u32,
            pairs: pairs as u32,
            tile_rows: rows as u32,
            ..PlacesArgs::default()
        };
        // SAFETY: ids are experts; the lists have room for every pair, three places more a group, and a part of a tile more a group.
        unsafe {
            if pairs > FEW_PAIRS {
                self.launch(PlaceCounts(arguments), [experts, 1, 1], 0)?;
            }
            self.launch(PlacePairs(arguments), [experts, 1, 1], 0)?;
        }
        Ok(Places { rows, count, tile_bound, lists: Some(lists) })
    }

    /// Rows of x, `copies` choices each, quantised to their places.
    pub(crate) fn packed(&self, x: &Act<D>, places: &Places<D>, copies: usize) -> Result<Packed<D>> {
        self.pack(x, places, places.lists.as_ref().map_or(0, |lists| lists.places.address()), copies)
    }

    /// Rows of x, which are places already.
    pub(crate) fn packed_places(&self, x: &Act<D>, places: &Places<D>) -> Result<Packed<D>> {
        self.pack(x, places, 0, 1)
    }

    fn pack(&self, x: &Act<D>, places: &Places<D>, list: Address, copies: usize) -> Result<Packed<D>> {
        let groups = x.width.div_ceil(GROUP);
        let stride = places.count.next_multiple_of(PLACE_ALIGNMENT);
        let packed: Packed<D> = Packed {
            places: places.count,
            width: x.width,
            stride,
            values: self.device.allocate(places.count * x.width)?,
            // A tile's scales are copied whole, its missing rows' too.
            scales: self.device.allocate((groups * stride + TileRows::N128 as usize) * 4)?,
        };
        let arguments = QuantiseRowsArgs {
            x: x.address(),
            places: list,
            quantised: packed.values.address(),
            scales: packed.scales.address(),
            width: x.width as u32,
            copies: copies as u32,
            scale_stride: stride as u32,
            ..QuantiseRowsArgs::default()
        };
        // SAFETY: every row has `copies` places below the count, or is one.
        unsafe { self.launch(QuantiseRows(arguments), [x.rows, groups.div_ceil(8), 1], 0)? };
        Ok(packed)
    }

    /// The quantised rows of an input as one group, made once.
    pub(crate) fn packed_once<'p>(&self, input: &'p Input<'_, D>, places: &Places<D>) -> Result<&'p Packed<D>> {
        if let Some(packed) = input.packed.get() {
            return Ok(packed);
        }
        let packed = self.packed_places(&input.plain, places)?;
        Ok(input.packed.get_or_init(|| packed))
    }

    /// Runs the products of `weights` with quantised rows.
    pub(crate) fn multiply_packed(&self, weights: &Weights<'_>, packed: &Packed<D>, places: &Places<D>) -> Result<()> {
        let mut arguments = Fp8Args {
            matrices: weights.matrices,
            quantised: packed.values.address(),
            scales: packed.scales.address(),
            mode: weights.mode,
            count: weights.parts.len() as u32,
            rows: packed.places as u32,
            cols: packed.width as u32,
            scale_stride: packed.stride as u32,
            adds: u32::from(weights.adds),
            ..Fp8Args::default()
        };
        arguments.parts[..weights.parts.len()].copy_from_slice(weights.parts);
        if let Some(lists) = &places.lists {
            arguments.tiles = lists.tiles.address();
            arguments.tile_count = lists.tile_count.address();
            arguments.order = lists.order.address();
        }
        let tiles = |rows: u32, of: usize| (rows as usize).div_ceil(of);
        let weight_tiles: usize = match weights.mode {
            GATE_UP => tiles(weights.parts[0].weight.rows, WEIGHT_ROWS / 2),
            _ => weights.parts.iter().map(|part| tiles(part.weight.rows, WEIGHT_ROWS)).sum(),
        };
        let blocks = weight_tiles * places.tile_bound;
        if let Some(maps) = weights.maps {
            arguments.maps[..maps.len()].copy_from_slice(maps);
            arguments.inputs = self.device.tensor_map(&Tensor {
                base: packed.values.address(),
                element_bytes: 1,
                sizes: [packed.width as u64, packed.places as u64, 1],
                strides: [packed.width as u64, (packed.width * packed.places) as u64],
                tile: [GROUP as u32, places.rows as u32, 1],
            })?;
            let grid = [blocks.min(self.device.multiprocessors()), 1, 1];
            let shared = places.rows.hopper_shared();
            // SAFETY: weights, quantised rows, scales and results have the shapes that the kernel's head says; lists name places of them.
            return unsafe {
                match places.rows {
                    TileRows::N16 => self.launch(Fp8Wgmma16(arguments), grid, shared),
                    TileRows::N64 => self.launch(Fp8Wgmma64(arguments), grid, shared),
                    TileRows::N128 => self.launch(Fp8Wgmma128(arguments), grid, shared),
                }
            };
        }
        let (grid, shared) = ([blocks, 1, 1], places.rows.plain_shared());
        // SAFETY: likewise.
        unsafe {
            match places.rows {
                TileRows::N16 => self.launch(Fp8Mma16(arguments), grid, shared),
                _ => self.launch(Fp8Mma64(arguments), grid, shared),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::TileRows;

    #[test]
    fn stages_fit_into_the_shared_memory_of_a_block() {
        for rows in [TileRows::N16, TileRows::N64, TileRows::N128] {
            assert!(rows.hopper_shared() <= 226 << 10, "{rows:?}: {}", rows.hopper_shared());
            // Ampere's smallest cards have 99 KiB.
            assert!(rows.plain_shared() <= 98 << 10, "{rows:?}: {}", rows.plain_shared());
        }
    }

    #[test]
    fn few_rows_take_narrow_tiles() {
        assert_eq!(TileRows::for_rows(1, true), TileRows::N16);
        assert_eq!(TileRows::for_rows(17, true), TileRows::N64);
        assert_eq!(TileRows::for_rows(1000, true), TileRows::N128);
        assert_eq!(TileRows::for_rows(1000, false), TileRows::N64);
    }
}
