//! pick: verifies drafts and draws ids; logits are in host memory already, so it is the model crate's own.

use mimokit_model::pick::{PickAsk, Picked, pick_rows};

use crate::Act;

pub(crate) fn pick(logits: &Act, asks: &[PickAsk<'_>]) -> Vec<Picked> {
    pick_rows(&logits.values, logits.width, asks)
}
