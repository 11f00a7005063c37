//! pick: verifies and samples. Asks that only want the largest logit are answered with ids from the device; the others read the logits
//! and run mimokit_model's own algorithm, the same for every backend.

use mimokit_model::pick::{PickAsk, Picked, pick_rows};

use crate::act::Act;
use crate::arguments::{Argmax, ArgmaxArgs};
use crate::backend::CudaBackend;
use crate::device::{Device, Memory};
use crate::error::Result;

/// `NONE` of kernels/pick.cu.
const NONE: u32 = u32::MAX;

pub(crate) fn pick<D: Device>(backend: &CudaBackend<D>, logits: &Act<D>, asks: &[PickAsk<'_>]) -> Result<Vec<Picked>> {
    let pickable = asks.first().map_or(0, |ask| ask.pickable_ids);
    if !asks.iter().all(|ask| ask.is_plain_greedy() && ask.pickable_ids == pickable) {
        return Ok(pick_rows(&backend.floats(&logits.memory, logits.rows * logits.width)?, logits.width, asks));
    }
    let best = backend.device.allocate(logits.rows * 4)?;
    let arguments = ArgmaxArgs {
        logits: logits.address(),
        best: best.address(),
        vocab: logits.width as u32,
        pickable: pickable.min(logits.width) as u32,
    };
    // SAFETY: logits are [rows, vocab], best [rows].
    unsafe { backend.launch(Argmax(arguments), [logits.rows, 1, 1], 0)? };
    let mut bytes = vec![0; logits.rows * 4];
    backend.device.download(&best, 0, &mut bytes)?;
    let best: Vec<u32> = bytes.as_chunks::<4>().0.iter().map(|bytes| u32::from_le_bytes(*bytes)).collect();
    Ok(asks.iter().map(|ask| verify(&best[ask.first_logits..], ask.drafts)).collect())
}

/// Drafts are accepted while they are the largest; the first id that is no draft ends the list.
fn verify(best: &[u32], drafts: &[u32]) -> Picked {
    let mut picked = Picked::default();
    for (index, &id) in best[..=drafts.len()].iter().enumerate() {
        if id == NONE {
            return Picked::default();
        }
        picked.ids.push(id);
        if drafts.get(index) != Some(&id) {
            break;
        }
    }
    picked
}
