//! Feed-forwards over a table of experts: what moe and dense_ffn share. Grouped by expert where shapes allow 16-byte loads.

use super::linear::staged_bytes;
use crate::act::{Act, Cow, Input, Packed};
use crate::arguments::{
    self, Address, DownFew, DownOne, ExpertDown, ExpertGateUp, ExpertGroups, ExpertMix, ExpertsArgs, ExpertsFewArgs,
    Fp8Part, GateUpFew, GateUpOne, GroupsArgs, TensorMap,
};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;
use crate::ops::fp8::{DOWN, GATE_UP, Places, Weights};

/// Columns of a block of gate_up_few and of down_few.
const GATE_COLUMNS: usize = 16;
const DOWN_COLUMNS: usize = 32;

/// The experts of a layer as kernels see them.
pub(crate) struct Table {
    /// [experts, 3] matrices. The FP8 products of one expert may do without.
    pub(crate) matrices: Address,
    /// Gate, up and down of one of them, for sizes.
    pub(crate) views: [arguments::Matrix; 3],
    /// All of them, as boxes.
    pub(crate) maps: Option<[TensorMap; 3]>,
    /// They take quantised rows on the tensor cores, and shall.
    pub(crate) takes_packed: bool,
    pub(crate) experts: usize,
    /// Inner columns.
    pub(crate) width: usize,
    /// Gate and up, and down, are E4M3.
    pub(crate) is_fp8: [bool; 2],
    pub(crate) has_wide_rows: bool,
}

/// Which experts each row runs, and how they are mixed. Zero addresses: expert 0, with weight 1.
pub(crate) struct Chosen {
    pub(crate) ids: Address,
    pub(crate) weights: Address,
    pub(crate) top_k: usize,
}

impl<D: Device> CudaBackend<D> {
    /// x += the mixed results of the chosen experts.
    pub(crate) fn run_experts(&self, table: &Table, chosen: &Chosen, input: &Input<'_, D>, x: &Act<D>) -> Result<()> {
        let pairs = x.rows * chosen.top_k;
        if table.takes_packed {
            return self.run_packed(table, chosen, input, x);
        }
        let inner = self.act(pairs, table.width)?;
        if table.has_wide_rows {
            return self.run_groups(table, chosen, input, inner, x);
        }
        let arguments = ExpertsArgs {
            matrices: table.matrices,
            ids: chosen.ids,
            weights: chosen.weights,
            n: self.rows_for(input, table.is_fp8[0])?.address(),
            inner: inner.address(),
            x: x.address(),
            rows: x.rows as u32,
            hidden: x.width as u32,
            width: table.width as u32,
            top_k: chosen.top_k as u32,
        };
        // SAFETY: chosen ids are experts of the table; all have gate and up [width, hidden], checked by the loader.
        unsafe { self.launch(ExpertGateUp(arguments), [pairs, table.width.div_ceil(4), 1], 0)? };
        let inner = Input::new(Cow::Owned(inner));
        let arguments = ExpertsArgs { inner: self.rows_for(&inner, table.is_fp8[1])?.address(), ..arguments };
        // SAFETY: likewise; down is [hidden, width].
        unsafe { self.launch(ExpertDown(arguments), [x.rows, x.width.div_ceil(4), 1], 0) }
    }

    fn run_groups(
        &self,
        table: &Table,
        chosen: &Chosen,
        input: &Input<'_, D>,
        inner: Act<D>,
        x: &Act<D>,
    ) -> Result<()> {
        let pairs = x.rows * chosen.top_k;
        // One row's choices are groups by themselves, and a dense feed-forward is one group.
        let needs_groups = chosen.ids != 0 && x.rows > 1;
        let groups = if chosen.ids == 0 { 1 } else { pairs.min(table.experts) };
        let lists = if needs_groups { Some(self.groups(table.experts, chosen.ids, pairs)?) } else { None };
        let at = |index: usize| lists.as_ref().map_or(0, |lists| lists[index].address());
        let down = self.act(pairs, x.width)?;
        let arguments = ExpertsFewArgs {
            matrices: table.matrices,
            groups: at(0),
            order: at(1),
            count: at(2),
            ids: chosen.ids,
            weights: chosen.weights,
            n: self.rows_for(input, table.is_fp8[0])?.address(),
            inner: inner.address(),
            down: down.address(),
            x: x.address(),
            pairs: pairs as u32,
            hidden: x.width as u32,
            width: table.width as u32,
            top_k: chosen.top_k as u32,
        };
        let grid = [table.width.div_ceil(GATE_COLUMNS), groups, 1];
        let (is_one, shared) = (x.rows == 1, staged_bytes(x.width, x.rows));
        // SAFETY: as of the portable kernels; rows begin at multiples of 16 bytes; no more groups than pairs or experts.
        unsafe {
            if is_one {
                self.launch(GateUpOne(arguments), grid, shared)?
            } else {
                self.launch(GateUpFew(arguments), grid, shared)?
            }
        };
        let inner = Input::new(Cow::Owned(inner));
        let arguments = ExpertsFewArgs { inner: self.rows_for(&inner, table.is_fp8[1])?.address(), ..arguments };
        let grid = [x.width.div_ceil(DOWN_COLUMNS), groups, 1];
        let shared = staged_bytes(table.width, x.rows);
        // SAFETY: likewise.
        unsafe {
            if is_one {
                self.launch(DownOne(arguments), grid, shared)?
            } else {
                self.launch(DownFew(arguments), grid, shared)?
            }
            self.launch(ExpertMix(arguments), [x.rows, x.width.div_ceil(256), 1], 0)
        }
    }

    /// Rows and what gate and up make of them quantised, multiplied on the tensor cores.
    fn run_packed(&self, table: &Table, chosen: &Chosen, input: &Input<'_, D>, x: &Act<D>) -> Result<()> {
        let pairs = x.rows * chosen.top_k;
        if pairs == 0 {
            return Ok(());
        }
        let places = match chosen.ids {
            0 => self.one_group(pairs),
            ids => self.places(ids, pairs, table.experts)?,
        };
        let packed = self.packed(&input.plain, &places, chosen.top_k)?;
        let inner = self.act(packed.places, table.width)?;
        let part = |index: usize, y: Address| Fp8Part { weight: table.views[index], y, bias: 0 };
        let multiply =
            |parts: &[Fp8Part], maps: std::ops::Range<usize>, mode, packed: &Packed<D>, places: &Places<D>| {
                let maps = table.maps.as_ref().map(|all| &all[maps]);
                let matrices = if chosen.ids == 0 { 0 } else { table.matrices };
                self.multiply_packed(&Weights { parts, maps, matrices, mode, adds: false }, packed, places)
            };
        multiply(&[part(0, inner.address()), part(1, inner.address())], 0..2, GATE_UP, &packed, &places)?;
        let packed = self.packed_places(&inner, &places)?;
        let down = self.act(pairs, x.width)?;
        multiply(&[part(2, down.address())], 2..3, DOWN, &packed, &places)?;
        let arguments = ExpertsFewArgs {
            weights: chosen.weights,
            down: down.address(),
            x: x.address(),
            pairs: pairs as u32,
            hidden: x.width as u32,
            top_k: chosen.top_k as u32,
            ..ExpertsFewArgs::default()
        };
        // SAFETY: down holds every pair; x is [rows, hidden].
        unsafe { self.launch(ExpertMix(arguments), [x.rows, x.width.div_ceil(256), 1], 0) }
    }

    /// Groups, order and count of expert_groups.
    fn groups(&self, experts: usize, ids: Address, pairs: usize) -> Result<[D::Memory; 3]> {
        let lists = [
            self.device.allocate((pairs.min(experts) + 1) * 8)?,
            self.device.allocate(pairs * 4)?,
            self.device.allocate(4)?,
        ];
        let arguments = GroupsArgs {
            ids,
            groups: lists[0].address(),
            order: lists[1].address(),
            count: lists[2].address(),
            experts: experts as u32,
            pairs: pairs as u32,
        };
        // SAFETY: ids are experts; the lists have room for every pair and one group more than there can be.
        unsafe { self.launch(ExpertGroups(arguments), [1, 1, 1], experts * 4)? };
        Ok(lists)
    }
}
