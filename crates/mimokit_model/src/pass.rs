// A pass: the rows of ids that go through layers together, grouped in spans. The main layers run one pass a step, each MTP
// head one more. Built by step.rs and inspect.rs from validated input; backends index without further checks.

use std::ops::Range;

/// Rows of tokens, span after span.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// [rows] input ids, below the vocabulary size.
    pub ids: Vec<u32>,
    /// [rows] position of each row; rotary positions.
    pub positions: Vec<u32>,
    /// In row order; together they cover all rows.
    pub spans: Vec<Span>,
    /// Block ids of all spans.
    pub blocks: Vec<u32>,
}

/// Consecutive positions of one sequence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    pub rows: Range<usize>,
    /// Position of the first row. Earlier positions are in the blocks and in the window's rings.
    pub start: u32,
    /// The window this span reads and writes. No two spans of a pass share one.
    pub window: u32,
    /// This span's part of `Pass::blocks`: position p is in slot p % block_tokens of entry p / block_tokens. Covers all
    /// positions up to the last row's in main passes; empty in passes of MTP heads, which use rings only.
    pub blocks: Range<usize>,
}

impl Pass {
    pub fn rows(&self) -> usize {
        self.ids.len()
    }
}

/// A rotary table: how many leading dims of a head turn (even), and the base.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rope {
    pub dim: usize,
    pub theta: f64,
}

/// Where the hidden row for a row of an MTP pass is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HiddenRow {
    /// A row of this step's hidden states.
    Fresh(u32),
    /// A row kept in a window by an earlier step.
    Kept { window: u32, slot: u32 },
}
