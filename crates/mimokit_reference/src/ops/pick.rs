// pick: verification and sampling. The algorithm is mimokit_model's own, for every backend.

use mimokit_model::pick::{PickAsk, Picked, pick_rows};

use crate::rows::Rows;

pub fn pick(logits: &Rows, asks: &[PickAsk<'_>]) -> Vec<Picked> {
    pick_rows(&logits.values, logits.width, asks)
}
