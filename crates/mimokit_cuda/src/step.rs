//! A pass on the device: ids, positions, where rows sit in their spans, block tables, and rotary tables; one upload a pass.

use std::cell::RefCell;
use std::ops::Range;

use mimokit_model::pass::{Pass, Rope};

use crate::arguments::{Address, PassRows};
use crate::backend::bytes_of;
use crate::device::{Device, Memory};
use crate::error::Result;

/// A pass prepared for a device.
pub struct Step<D: Device> {
    pub(crate) rows: usize,
    /// On the host too, for cutting work: the rows of each span, and all positions.
    pub(crate) spans: Vec<Range<usize>>,
    pub(crate) positions: Vec<u32>,
    pub(crate) ids: Address,
    pub(crate) pass: PassRows,
    /// Per rope: dims that turn, and where [rows, dim / 2] cosines and sines are.
    pub(crate) ropes: Vec<RopeTable>,
    /// Lists that ops have asked for: those of one layer are those of the next.
    lists: RefCell<Vec<(Vec<u32>, D::Memory)>>,
    _memory: D::Memory,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct RopeTable {
    pub(crate) dim: usize,
    pub(crate) cosines: Address,
    pub(crate) sines: Address,
}

impl<D: Device> Step<D> {
    pub(crate) fn new(device: &D, pass: &Pass, ropes: &[Rope]) -> Result<Step<D>> {
        let rows = pass.rows();
        let mut words = Words::default();
        let ids = words.push(&pass.ids);
        let positions = words.push(&pass.positions);
        let of_spans = |of: &dyn Fn(&mimokit_model::pass::Span, usize) -> usize| {
            let mut list = Vec::with_capacity(rows);
            for span in &pass.spans {
                list.extend(span.rows.clone().map(|row| of(span, row) as u32));
            }
            list
        };
        let windows = words.push(&of_spans(&|span, _| span.window as usize));
        let span_row = words.push(&of_spans(&|span, _| span.rows.start));
        let span_start = words.push(&of_spans(&|span, _| span.start as usize));
        let rows_after = words.push(&of_spans(&|span, row| span.rows.end - 1 - row));
        let first_block = words.push(&of_spans(&|span, _| span.blocks.start));
        let blocks = words.push(&pass.blocks);
        let tables: Vec<(usize, usize, usize)> = ropes
            .iter()
            .map(|rope| {
                let (cosines, sines) = rotary(*rope, &pass.positions);
                (rope.dim, words.push(&cosines), words.push(&sines))
            })
            .collect();

        let memory = device.allocate(words.0.len() * 4)?;
        device.upload(&memory, 0, bytes_of(&words.0))?;
        let at = |word: usize| memory.address() + 4 * word as u64;
        Ok(Step {
            rows,
            spans: pass.spans.iter().map(|span| span.rows.clone()).collect(),
            positions: pass.positions.clone(),
            ids: at(ids),
            pass: PassRows {
                positions: at(positions),
                windows: at(windows),
                span_row: at(span_row),
                span_start: at(span_start),
                rows_after: at(rows_after),
                first_block: at(first_block),
                blocks: at(blocks),
            },
            ropes: tables
                .into_iter()
                .map(|(dim, cosines, sines)| RopeTable { dim, cosines: at(cosines), sines: at(sines) })
                .collect(),
            lists: RefCell::default(),
            _memory: memory,
        })
    }

    /// Where a list lies on the device, as long as the step lives; uploaded when it is first asked for.
    pub(crate) fn list(&self, device: &D, words: Vec<u32>) -> Result<Address> {
        let mut lists = self.lists.borrow_mut();
        if let Some((_, memory)) = lists.iter().find(|(known, _)| *known == words) {
            return Ok(memory.address());
        }
        let memory = device.allocate(words.len() * 4)?;
        device.upload(&memory, 0, bytes_of(&words))?;
        let address = memory.address();
        lists.push((words, memory));
        Ok(address)
    }
}

/// Lists of 32-bit words packed for one upload.
#[derive(Default)]
struct Words(Vec<u32>);

impl Words {
    /// Where the list begins.
    fn push(&mut self, list: &[u32]) -> usize {
        let start = self.0.len();
        self.0.extend(list);
        start
    }
}

/// Bits of [rows, dim / 2] cosines and sines, taken in FP64.
fn rotary(rope: Rope, positions: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let half = rope.dim / 2;
    let frequencies: Vec<f64> = (0..half).map(|pair| rope.theta.powf(-2.0 * pair as f64 / rope.dim as f64)).collect();
    let angles =
        positions.iter().flat_map(|&position| frequencies.iter().map(move |f| (f64::from(position) * f).sin_cos()));
    angles.map(|(sine, cosine)| ((cosine as f32).to_bits(), (sine as f32).to_bits())).unzip()
}
