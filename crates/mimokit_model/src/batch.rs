// StepBatch as the boundary hands it over, its validation, and the rows it means. After `rows` has returned, everything below may
// index without checks. Types and meaning: packages/protocol/src/step.ts and docs/step.md.

use crate::error::{Error, Result};
use crate::pick::Sampling;

/// "No block", "no window" in the index arrays.
pub const NONE: i32 = -1;

/// B rows, T tokens, as flat arrays. Fields as in `StepBatch` of @mimokit/protocol.
#[derive(Clone, Copy, Debug, Default)]
pub struct StepBatch<'a> {
    pub tokens: &'a [i32],
    pub row_start: &'a [i32],
    pub context_len: &'a [i32],
    pub draft_len: &'a [i32],
    pub samples: &'a [u8],
    pub draft_next: &'a [i32],
    pub block_table: &'a [i32],
    pub block_start: &'a [i32],
    pub windows: &'a [i32],
    pub copy_window: &'a [i32],
    pub save_window: &'a [i32],
    pub copy_block: &'a [i32],
    pub sampling: &'a [f32],
    pub seeds: &'a [u32],
    pub top_logprobs: &'a [u8],
    pub want_routes: &'a [u8],
    pub bias_start: &'a [i32],
    pub bias_ids: &'a [i32],
    pub bias_values: &'a [f32],
    pub count_start: &'a [i32],
    pub count_ids: &'a [i32],
    pub count_values: &'a [i32],
}

/// What a batch is checked against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    pub vocab: usize,
    pub context_length: usize,
    pub max_draft: usize,
    pub block_tokens: usize,
    pub blocks: usize,
    pub windows: usize,
    /// False for a model without global layers: block tables are then not read.
    pub uses_blocks: bool,
}

/// One checked row.
#[derive(Clone, Debug)]
pub struct Row<'a> {
    /// Index of its first token in the batch.
    pub first: usize,
    pub tokens: &'a [i32],
    /// Positions already committed.
    pub context: u32,
    pub draft_len: usize,
    pub samples: bool,
    pub draft_next: usize,
    /// As many block ids as positions `0 .. context + tokens` need.
    pub blocks: &'a [i32],
    pub window: u32,
    pub copy_window: Option<u32>,
    pub save_window: Option<u32>,
    /// From, into.
    pub copy_block: Option<(u32, u32)>,
    pub sampling: Sampling,
    pub seed: u32,
    pub top_logprobs: usize,
    pub want_routes: bool,
    pub bias_ids: &'a [i32],
    pub bias_values: &'a [f32],
    pub count_ids: &'a [i32],
    pub count_values: &'a [i32],
}

impl<'a> StepBatch<'a> {
    /// Checks everything and returns the rows.
    ///
    /// # Errors
    /// `batch-invalid` naming row and field, `token-out-of-range`, `context-overflow`; nothing has been written then.
    pub fn rows(&self, limits: &Limits) -> Result<Vec<Row<'a>>> {
        let count = self.check_lengths()?;
        check_ids("tokens", self.tokens, limits.vocab)?;
        check_ids("biasIds", self.bias_ids, limits.vocab)?;
        check_ids("countIds", self.count_ids, limits.vocab)?;
        let rows = (0..count).map(|row| self.row(row, limits)).collect::<Result<Vec<_>>>()?;
        check_windows(&rows, limits)?;
        check_blocks(&rows, limits)?;
        Ok(rows)
    }

    fn check_lengths(&self) -> Result<usize> {
        let count = self.row_start.len().checked_sub(1).ok_or_else(|| Error::Batch("rowStart is empty".into()))?;
        let per_row: [(&str, usize, usize); 14] = [
            ("contextLen", self.context_len.len(), 1),
            ("draftLen", self.draft_len.len(), 1),
            ("samples", self.samples.len(), 1),
            ("draftNext", self.draft_next.len(), 1),
            ("blockStart", self.block_start.len().wrapping_sub(1), 1),
            ("windows", self.windows.len(), 1),
            ("copyWindow", self.copy_window.len(), 1),
            ("saveWindow", self.save_window.len(), 1),
            ("copyBlock", self.copy_block.len(), 2),
            ("sampling", self.sampling.len(), 7),
            ("seeds", self.seeds.len(), 1),
            ("topLogprobs", self.top_logprobs.len(), 1),
            ("wantRoutes", self.want_routes.len(), 1),
            ("biasStart", self.bias_start.len().wrapping_sub(1), 1),
        ];
        for (name, length, width) in per_row {
            if length != count * width {
                return Err(Error::Batch(format!("{name} does not have {count} rows of {width}")));
            }
        }
        if self.count_start.len() != count + 1 {
            return Err(Error::Batch(format!("countStart does not have {count} rows of 1")));
        }
        check_starts("rowStart", self.row_start, self.tokens.len())?;
        check_starts("blockStart", self.block_start, self.block_table.len())?;
        check_starts("biasStart", self.bias_start, self.bias_ids.len())?;
        check_starts("countStart", self.count_start, self.count_ids.len())?;
        if self.bias_ids.len() != self.bias_values.len() {
            return Err(Error::Batch("biasIds and biasValues differ in length".into()));
        }
        if self.count_ids.len() != self.count_values.len() {
            return Err(Error::Batch("countIds and countValues differ in length".into()));
        }
        Ok(count)
    }

    fn row(&self, row: usize, limits: &Limits) -> Result<Row<'a>> {
        let wrong = |problem: String| Error::BatchRow { row, problem };
        let first = self.row_start[row] as usize;
        let tokens = &self.tokens[first..self.row_start[row + 1] as usize];
        let context = self.context_len[row];
        if tokens.is_empty() {
            return Err(wrong("it has no tokens".into()));
        }
        if context < 0 {
            return Err(wrong(format!("contextLen is {context}")));
        }
        let samples = self.samples[row] != 0;
        let draft_len = index("draftLen", self.draft_len[row], limits.max_draft + 1).map_err(wrong)?;
        if draft_len >= tokens.len() || (draft_len > 0 && !samples) {
            return Err(wrong(format!("draftLen is {draft_len} for {} tokens, samples {samples}", tokens.len())));
        }
        let end = context as usize + tokens.len() - draft_len;
        if end > limits.context_length {
            return Err(Error::ContextOverflow { row, end, context_length: limits.context_length });
        }
        let draft_next = index("draftNext", self.draft_next[row], limits.max_draft + 1).map_err(wrong)?;
        let window = index("windows", self.windows[row], limits.windows).map_err(wrong)? as u32;
        let copy_window = optional("copyWindow", self.copy_window[row], limits.windows).map_err(wrong)?;
        let save_window = optional("saveWindow", self.save_window[row], limits.windows).map_err(wrong)?;
        // A window that is its own source needs no copy.
        let copy_window = copy_window.filter(|&from| from != window);
        let copy_from = optional("copyBlock", self.copy_block[2 * row], limits.blocks).map_err(wrong)?;
        let copy_into = optional("copyBlock", self.copy_block[2 * row + 1], limits.blocks).map_err(wrong)?;
        let copy_block = match (copy_from, copy_into) {
            (None, None) => None,
            (Some(from), Some(into)) => Some((from, into)).filter(|_| from != into),
            _ => return Err(wrong(format!("copyBlock is {copy_from:?} into {copy_into:?}"))),
        };

        let table = &self.block_table[self.block_start[row] as usize..self.block_start[row + 1] as usize];
        let needed =
            if limits.uses_blocks { (context as usize + tokens.len()).div_ceil(limits.block_tokens) } else { 0 };
        if table.len() < needed {
            return Err(wrong(format!("it has {} blocks and needs {needed}", table.len())));
        }
        for &block in &table[..needed] {
            index("blockTable", block, limits.blocks).map_err(wrong)?;
        }

        if let Some((_, into)) = copy_block
            && limits.uses_blocks
            && !table.contains(&(into as i32))
        {
            return Err(wrong(format!("copyBlock goes into {into}, which is not in its table")));
        }

        let bias = self.bias_start[row] as usize..self.bias_start[row + 1] as usize;
        let counts = self.count_start[row] as usize..self.count_start[row + 1] as usize;
        let (bias_ids, bias_values) = (&self.bias_ids[bias.clone()], &self.bias_values[bias]);
        let (count_ids, count_values) = (&self.count_ids[counts.clone()], &self.count_values[counts]);
        // A bias may forbid an id (minus infinity), but not force one beyond all numbers.
        if bias_values.iter().any(|value| value.is_nan() || *value == f32::INFINITY) {
            return Err(wrong("biasValues holds NaN or infinity".into()));
        }
        if count_values.iter().any(|&value| value < 0) {
            return Err(wrong("countValues holds a negative count".into()));
        }
        let top_logprobs = usize::from(self.top_logprobs[row]);
        if top_logprobs > limits.vocab {
            return Err(wrong(format!("topLogprobs is {top_logprobs}, the vocabulary {}", limits.vocab)));
        }
        Ok(Row {
            first,
            tokens,
            context: context as u32,
            draft_len,
            samples,
            draft_next,
            blocks: &table[..needed],
            window,
            copy_window,
            save_window,
            copy_block,
            sampling: sampling(&self.sampling[7 * row..7 * row + 7]).map_err(wrong)?,
            seed: self.seeds[row],
            top_logprobs,
            want_routes: self.want_routes[row] != 0,
            bias_ids,
            bias_values,
            count_ids,
            count_values,
        })
    }
}

fn check_starts(name: &str, starts: &[i32], total: usize) -> Result<()> {
    let ascends = starts.windows(2).all(|pair| pair[0] <= pair[1]);
    let is_whole = starts.first() == Some(&0) && starts.last().map(|&last| last as usize) == Some(total);
    if ascends && is_whole {
        return Ok(());
    }
    Err(Error::Batch(format!("{name} must rise from 0 to {total}")))
}

fn check_ids(field: &'static str, ids: &[i32], vocab: usize) -> Result<()> {
    match ids.iter().position(|&id| id < 0 || id as usize >= vocab) {
        Some(index) => Err(Error::Token { field, token: ids[index], index, vocab }),
        None => Ok(()),
    }
}

fn index(name: &str, value: i32, limit: usize) -> std::result::Result<usize, String> {
    usize::try_from(value)
        .ok()
        .filter(|&value| value < limit)
        .ok_or_else(|| format!("{name} is {value}, not below {limit}"))
}

fn optional(name: &str, value: i32, limit: usize) -> std::result::Result<Option<u32>, String> {
    if value == NONE { Ok(None) } else { index(name, value, limit).map(|value| Some(value as u32)) }
}

fn sampling(values: &[f32]) -> std::result::Result<Sampling, String> {
    let &[temperature, top_p, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty] = values else {
        return Err("sampling does not have 7 values".into());
    };
    let is_valid = (0.0..=100.0).contains(&temperature)
        && (0.0..=1.0).contains(&top_p)
        && (0.0..=2_147_483_648.0).contains(&top_k)
        && (0.0..=1.0).contains(&min_p)
        && (0.01f32..=100.0).contains(&repetition_penalty)
        && (-2.0..=2.0).contains(&frequency_penalty)
        && (-2.0..=2.0).contains(&presence_penalty);
    if !is_valid {
        return Err(format!("sampling {values:?} is out of bounds"));
    }
    let top_k = top_k as u32;
    Ok(Sampling { temperature, top_p, top_k, min_p, repetition_penalty, frequency_penalty, presence_penalty })
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Use {
    Free,
    Read,
    Written,
}

/// Every window is written by one row at most, and no copy's target is a source: then the order of copies does not matter.
fn check_windows(rows: &[Row<'_>], limits: &Limits) -> Result<()> {
    let mut writer = vec![false; limits.windows];
    let mut claim = |row: usize, window: u32| {
        if std::mem::replace(&mut writer[window as usize], true) {
            return Err(Error::BatchRow { row, problem: format!("window {window} is written twice in the batch") });
        }
        Ok(())
    };
    for (row, entry) in rows.iter().enumerate() {
        claim(row, entry.window)?;
    }
    for (row, entry) in rows.iter().enumerate() {
        if let Some(window) = entry.save_window {
            claim(row, window)?;
        }
    }
    let mut is_target = vec![false; limits.windows];
    for entry in rows.iter().filter(|entry| entry.copy_window.is_some()) {
        is_target[entry.window as usize] = true;
    }
    for (row, entry) in rows.iter().enumerate() {
        if let Some(from) = entry.copy_window.filter(|&from| is_target[from as usize]) {
            return Err(Error::BatchRow { row, problem: format!("copyWindow {from} is itself copied into") });
        }
    }
    Ok(())
}

/// A block that a row writes belongs to that row alone; a block copied into is no source.
fn check_blocks(rows: &[Row<'_>], limits: &Limits) -> Result<()> {
    let mut uses = vec![Use::Free; limits.blocks];
    for (row, entry) in rows.iter().enumerate() {
        let first_written = entry.context as usize / limits.block_tokens;
        for (position, &block) in entry.blocks.iter().enumerate() {
            let wanted = if position >= first_written { Use::Written } else { Use::Read };
            let now = &mut uses[block as usize];
            if *now == Use::Written || (wanted == Use::Written && *now != Use::Free) {
                return Err(Error::BatchRow {
                    row,
                    problem: format!("block {block} is written here and used elsewhere in the batch"),
                });
            }
            *now = wanted;
        }
    }
    let mut is_target = vec![false; limits.blocks];
    for (row, entry) in rows.iter().enumerate() {
        if let Some((_, into)) = entry.copy_block
            && std::mem::replace(&mut is_target[into as usize], true)
        {
            return Err(Error::BatchRow { row, problem: format!("block {into} is copied into twice") });
        }
    }
    for (row, entry) in rows.iter().enumerate() {
        if let Some((from, _)) = entry.copy_block.filter(|&(from, _)| is_target[from as usize]) {
            return Err(Error::BatchRow { row, problem: format!("copyBlock source {from} is itself copied into") });
        }
    }
    Ok(())
}
