// One step: copies -> layers -> pick -> MTP heads -> keep and save. The contract is docs/step.md.

use crate::backend::Backend;
use crate::batch::{Row, StepBatch};
use crate::error::{Error, Result};
use crate::forward::forward;
use crate::kv::KvCopy;
use crate::model::Model;
use crate::mtp::{self, Committed};
use crate::pass::{Pass, Span};
use crate::pick::{PickAsk, Picked};
use crate::routes::{RouteCapture, Routes};

/// Logit rows that are held at once; bounds memory at this times the vocabulary.
const MAX_LOGIT_ROWS: usize = 64;

/// Fields as in `StepResult` of @mimokit/protocol.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StepResult {
    pub tokens: Vec<i32>,
    pub token_start: Vec<i32>,
    pub drafts: Vec<i32>,
    pub draft_start: Vec<i32>,
    pub logprobs: Option<Vec<f32>>,
    pub rivals: Option<Vec<i32>>,
    pub routes: Option<Routes>,
}

impl<B: Backend> Model<B> {
    /// Runs a step. Keys and values of other sequences stay usable after an error.
    ///
    /// # Errors
    /// `batch-invalid` or `token-out-of-range` before anything is written; `runner-failed` from the backend.
    pub fn step(&mut self, batch: &StepBatch<'_>) -> Result<StepResult> {
        let rows = batch.rows(&self.limits())?;
        if rows.is_empty() {
            return Ok(StepResult { token_start: vec![0], draft_start: vec![0], ..StepResult::default() });
        }
        let Model { backend, weights, ropes, kv, info, .. } = self;
        backend.kv_copy(kv, &copies_before(&rows))?;

        let step = backend.begin(&main_pass(&rows), ropes)?;
        let mut capture = RouteCapture::new(rows_with_routes(&rows), info.top_k, info.experts);
        let hidden = forward(backend, weights, &step, kv, &mut capture)?;

        let picked = pick(backend, weights, &hidden, &rows, info.pickable_ids)?;
        let mut committed: Vec<Committed<'_, '_>> =
            rows.iter().zip(&picked).map(|(row, picked)| commit(row, picked)).collect();
        let drafts = mtp::draft(backend, weights, ropes, kv, &hidden, &mut committed, info.pickable_ids)?;

        let keep = weights.mtp.len() as u32;
        if keep > 0 {
            backend.keep_hidden(kv, &hidden, &mtp::rows_to_keep(&committed, keep))?;
        }
        backend.kv_copy(kv, &copies_after(&rows))?;
        Ok(result(&rows, picked, &drafts, capture.finish()))
    }
}

fn copies_before(rows: &[Row<'_>]) -> Vec<KvCopy> {
    let windows = rows.iter().filter_map(|row| row.copy_window.map(|from| KvCopy::Window { from, to: row.window }));
    let blocks = rows.iter().filter_map(|row| row.copy_block.map(|(from, to)| KvCopy::Block { from, to }));
    windows.chain(blocks).collect()
}

fn copies_after(rows: &[Row<'_>]) -> Vec<KvCopy> {
    rows.iter().filter_map(|row| row.save_window.map(|to| KvCopy::Window { from: row.window, to })).collect()
}

fn main_pass(rows: &[Row<'_>]) -> Pass {
    let mut pass = Pass::default();
    for row in rows {
        let first = pass.rows();
        pass.ids.extend(row.tokens.iter().map(|&token| token as u32));
        pass.positions.extend(row.context..row.context + row.tokens.len() as u32);
        let first_block = pass.blocks.len();
        pass.blocks.extend(row.blocks.iter().map(|&block| block as u32));
        pass.spans.push(Span {
            rows: first..pass.rows(),
            start: row.context,
            window: row.window,
            blocks: first_block..pass.blocks.len(),
        });
    }
    pass
}

fn rows_with_routes(rows: &[Row<'_>]) -> Vec<usize> {
    rows.iter().filter(|row| row.want_routes).flat_map(|row| row.first..row.first + row.tokens.len()).collect()
}

/// Verifies and samples every row that wants ids; a row that does not gets an empty result.
fn pick<B: Backend>(
    backend: &B,
    weights: &crate::weights::ModelWeights<B>,
    hidden: &B::Act,
    rows: &[Row<'_>],
    pickable_ids: usize,
) -> Result<Vec<Picked>> {
    let mut picked = vec![Picked::default(); rows.len()];
    let wanting: Vec<usize> = (0..rows.len()).filter(|&row| rows[row].samples).collect();
    // A group always takes at least one row, whose 1 + drafts logits belong together.
    let mut start = 0;
    while start < wanting.len() {
        let mut end = start;
        let mut logit_rows = Vec::new();
        while end < wanting.len() && (end == start || logit_rows.len() + rows[wanting[end]].draft_len < MAX_LOGIT_ROWS)
        {
            let row = &rows[wanting[end]];
            let after = (row.first + row.tokens.len()) as u32;
            logit_rows.extend(after - 1 - row.draft_len as u32..after);
            end += 1;
        }
        let group = &wanting[start..end];
        let logits = backend.lm_head(hidden, &logit_rows, &weights.final_norm, weights.eps, weights.head())?;
        let drafts: Vec<Vec<u32>> = group.iter().map(|&row| drafts_of(&rows[row])).collect();
        let mut first_logits = 0;
        let asks: Vec<PickAsk<'_>> = group
            .iter()
            .zip(&drafts)
            .map(|(&row, drafts)| {
                let ask = ask(&rows[row], drafts, first_logits, pickable_ids);
                first_logits += 1 + drafts.len();
                ask
            })
            .collect();
        let results = backend.pick(&logits, &asks)?;
        if results.len() != group.len() {
            return Err(Error::Device(format!("picked {} rows of {}", results.len(), group.len())));
        }
        for (&row, result) in group.iter().zip(results) {
            require_ids(&result)?;
            picked[row] = result;
        }
        start = end;
    }
    Ok(picked)
}

/// A pick without ids had no finite logit to choose from.
pub(crate) fn require_ids(picked: &Picked) -> Result<()> {
    if picked.ids.is_empty() {
        return Err(Error::Device("the model gave no finite logit".into()));
    }
    Ok(())
}

fn drafts_of(row: &Row<'_>) -> Vec<u32> {
    row.tokens[row.tokens.len() - row.draft_len..].iter().map(|&token| token as u32).collect()
}

fn ask<'a>(row: &Row<'a>, drafts: &'a [u32], first_logits: usize, pickable_ids: usize) -> PickAsk<'a> {
    PickAsk {
        first_logits,
        // The first logits are those of the last token that is no draft; they give the id of the position after it.
        first_position: row.context + (row.tokens.len() - row.draft_len) as u32,
        drafts,
        sampling: row.sampling,
        seed: row.seed,
        top_logprobs: row.top_logprobs,
        bias_ids: row.bias_ids,
        bias_values: row.bias_values,
        count_ids: row.count_ids,
        count_values: row.count_values,
        pickable_ids,
    }
}

fn commit<'r, 'a>(row: &'r Row<'a>, picked: &Picked) -> Committed<'r, 'a> {
    let verified = row.tokens.len() - row.draft_len;
    let mut known: Vec<u32> = row.tokens[..verified].iter().map(|&token| token as u32).collect();
    known.extend(&picked.ids);
    let accepted = picked.ids.len().saturating_sub(1);
    Committed { row, known, length: row.context + (verified + accepted) as u32 }
}

fn result(rows: &[Row<'_>], picked: Vec<Picked>, drafts: &[Vec<u32>], routes: Option<Routes>) -> StepResult {
    let mut result = StepResult { token_start: vec![0], draft_start: vec![0], routes, ..StepResult::default() };
    let wants_logprobs = rows.iter().any(|row| row.samples && row.top_logprobs > 0);
    let (mut logprobs, mut rivals) = (Vec::new(), Vec::new());
    for (picked, drafts) in picked.into_iter().zip(drafts) {
        result.tokens.extend(picked.ids.iter().map(|&id| id as i32));
        result.token_start.push(result.tokens.len() as i32);
        result.drafts.extend(drafts.iter().map(|&id| id as i32));
        result.draft_start.push(result.drafts.len() as i32);
        logprobs.extend(picked.logprobs);
        rivals.extend(picked.rivals.into_iter().map(|id| id as i32));
    }
    if wants_logprobs {
        result.logprobs = Some(logprobs);
        result.rivals = Some(rivals);
    }
    result
}
