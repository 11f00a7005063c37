// The MTP heads in a step: which positions each head writes, with which ids and hidden rows, and the drafts it proposes.
// Head i at position p takes h[p] and the id t[p+1+i]; docs/step.md, "MTP heads".

use crate::backend::{Backend, KeepHidden, Queries};
use crate::batch::Row;
use crate::error::Result;
use crate::pass::{HiddenRow, Pass, Rope, Span};
use crate::pick::PickAsk;
use crate::step::require_ids;
use crate::weights::{ModelWeights, MtpHead};

/// What the heads need to know of a row after its ids were picked.
pub(crate) struct Committed<'r, 'a> {
    pub row: &'r Row<'a>,
    /// t[context ..]: the row's tokens without its drafts, then the emitted ids; then the drafts proposed so far.
    pub known: Vec<u32>,
    /// Positions committed after the step, c'.
    pub length: u32,
}

impl Committed<'_, '_> {
    /// Positions head `head` writes in this step.
    ///
    /// A row that proposes through this head writes up to its last position, with drafts of the lower heads as ids. Otherwise the head stops where its
    /// ids stop being final: what lies beyond would be written again by the next step before anything reads it.
    fn positions(&self, head: usize) -> std::ops::Range<u32> {
        let shift = head as u32 + 1;
        let start = self.row.context.saturating_sub(shift);
        let end = if head < self.row.draft_next && self.row.samples {
            self.length
        } else {
            self.length.saturating_sub(shift)
        };
        start..end.max(start)
    }

    fn drafts(&self) -> &[u32] {
        &self.known[(self.length - self.row.context) as usize + 1..]
    }
}

/// Runs all heads and returns the drafts of each row. `hidden` are the main model's states of the step's rows.
pub(crate) fn draft<B: Backend>(
    backend: &B,
    weights: &ModelWeights<B>,
    ropes: &[Rope],
    kv: &mut B::Kv,
    hidden: &B::Act,
    committed: &mut [Committed<'_, '_>],
    pickable_ids: usize,
) -> Result<Vec<Vec<u32>>> {
    let keep = weights.mtp.len() as u32;
    for (index, head) in weights.mtp.iter().enumerate() {
        let work = HeadWork::collect(index, keep, committed);
        if work.pass.rows() == 0 {
            continue;
        }
        let step = backend.begin(&work.pass, ropes)?;
        let z = backend.mtp_join(&step, &weights.embed, hidden, kv, &work.hidden, &head.join)?;
        let last = run_head(backend, head, &step, kv, &z, &work.queries)?;
        let Some(last) = last else { continue };
        let rows: Vec<u32> = (0..work.queries.len() as u32).collect();
        let logits = backend.lm_head(&last, &rows, &head.final_norm, weights.eps, weights.head())?;
        let asks: Vec<PickAsk<'_>> = (0..rows.len()).map(|row| PickAsk::greedy(row, pickable_ids)).collect();
        for (picked, &owner) in backend.pick(&logits, &asks)?.iter().zip(&work.owners) {
            require_ids(picked)?;
            committed[owner].known.push(picked.ids[0]);
        }
    }
    Ok(committed.iter().map(|entry| if entry.row.samples { entry.drafts().to_vec() } else { Vec::new() }).collect())
}

/// The block of one head. Keys and values are written for all rows; the result has `rows`, `None` if there are none.
pub(crate) fn run_head<B: Backend>(
    backend: &B,
    head: &MtpHead<B>,
    step: &B::Step,
    kv: &mut B::Kv,
    z: &B::Act,
    rows: &[u32],
) -> Result<Option<B::Act>> {
    let qkv = backend.qkv_rope(step, z, &head.attention)?;
    let attended = backend.attn_window(step, &qkv, &head.attention, kv, head.layer, Queries::Rows(rows))?;
    if rows.is_empty() {
        return Ok(None);
    }
    let mut x = backend.take_rows(z, rows)?;
    backend.o_proj(&attended, &head.attention, &mut x)?;
    backend.dense_ffn(&head.feed_forward, &mut x)?;
    Ok(Some(x))
}

/// Hidden rows that later steps may need: the last `keep` committed positions, as far as this step computed them.
pub(crate) fn rows_to_keep(committed: &[Committed<'_, '_>], keep: u32) -> Vec<KeepHidden> {
    let mut rows = Vec::new();
    for entry in committed {
        let first = entry.length.saturating_sub(keep).max(entry.row.context);
        rows.extend((first..entry.length).map(|position| KeepHidden {
            row: entry.row.first as u32 + position - entry.row.context,
            window: entry.row.window,
            slot: position % keep,
        }));
    }
    rows
}

/// The pass of one head over all rows of the step.
struct HeadWork {
    pass: Pass,
    hidden: Vec<HiddenRow>,
    /// Rows of the pass that propose a draft, and whose they are.
    queries: Vec<u32>,
    owners: Vec<usize>,
}

impl HeadWork {
    fn collect(head: usize, keep: u32, committed: &[Committed<'_, '_>]) -> HeadWork {
        let mut work = HeadWork { pass: Pass::default(), hidden: Vec::new(), queries: Vec::new(), owners: Vec::new() };
        for (owner, entry) in committed.iter().enumerate() {
            let positions = entry.positions(head);
            if positions.is_empty() {
                continue;
            }
            let context = entry.row.context;
            let first_row = work.pass.rows();
            for position in positions.clone() {
                let id = entry.known[(position + 1 + head as u32 - context) as usize];
                work.pass.ids.push(id);
                work.pass.positions.push(position);
                work.hidden.push(if position >= context {
                    HiddenRow::Fresh(entry.row.first as u32 + position - context)
                } else {
                    HiddenRow::Kept { window: entry.row.window, slot: position % keep }
                });
            }
            let rows = first_row..work.pass.rows();
            if entry.row.samples && head < entry.row.draft_next {
                work.queries.push(rows.end as u32 - 1);
                work.owners.push(owner);
            }
            work.pass.spans.push(Span { rows, start: positions.start, window: entry.row.window, blocks: 0..0 });
        }
        work
    }
}
