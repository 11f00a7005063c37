// Cases of embed, mtp_join, lm_head and pick.

use mimokit_model::backend::KeepHidden;
use mimokit_model::kv::KvLayout;
use mimokit_model::pass::{HiddenRow, Pass, Rope, Span};
use mimokit_model::pick::{PickAsk, Sampling};
use mimokit_model::weights::JoinWeights;
use mimokit_model::{Backend, Result};

use super::OpCase;
use super::inputs::{FP8, Inputs, Stored};

fn pass(ids: Vec<u32>) -> Pass {
    let rows = ids.len();
    let spans = vec![Span { rows: 0..rows, start: 0, window: 0, blocks: 0..0 }];
    Pass { ids, positions: (0..rows as u32).collect(), spans, blocks: Vec::new() }
}

const NO_ROPE: [Rope; 1] = [Rope { dim: 2, theta: 10.0 }];

#[derive(Clone, Debug)]
pub struct Embed {
    hidden: usize,
    stored: Stored,
}

impl Embed {
    pub fn cases() -> Vec<Embed> {
        vec![
            Embed { hidden: 64, stored: Stored::Bf16 },
            Embed { hidden: 37, stored: Stored::F32 },
            Embed { hidden: 130, stored: FP8 },
        ]
    }
}

impl OpCase for Embed {
    fn name(&self) -> String {
        format!("embed {self:?}")
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let inputs = &mut Inputs::new(20);
        let table = backend.upload_matrix(&inputs.linear(50, self.hidden, self.stored))?;
        let step = backend.begin(&pass(vec![0, 49, 7, 7]), &NO_ROPE)?;
        backend.read(&backend.embed(&step, &table)?)
    }
}

#[derive(Clone, Debug)]
pub struct MtpJoin {
    hidden: usize,
    stored: Stored,
}

impl MtpJoin {
    pub fn cases() -> Vec<MtpJoin> {
        vec![
            MtpJoin { hidden: 64, stored: Stored::Bf16 },
            MtpJoin { hidden: 37, stored: Stored::F32 },
            MtpJoin { hidden: 136, stored: FP8 },
        ]
    }
}

impl OpCase for MtpJoin {
    fn name(&self) -> String {
        format!("mtp_join {self:?}")
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let &MtpJoin { hidden, stored } = self;
        let inputs = &mut Inputs::new(21);
        let table = backend.upload_matrix(&inputs.linear(50, hidden, Stored::Bf16))?;
        let weights = JoinWeights {
            embedding_norm: backend.upload_vector(&inputs.norm(hidden))?,
            hidden_norm: backend.upload_vector(&inputs.norm(hidden))?,
            eps: 1e-5,
            join: backend.upload_matrix(&inputs.linear(hidden, 2 * hidden, stored))?,
        };
        let layout = KvLayout {
            block_tokens: 4,
            blocks: 1,
            windows: 3,
            global: Vec::new(),
            rings: Vec::new(),
            ring: 4,
            kept_hidden: 2,
            hidden,
        };
        let mut kv = backend.kv_new(&layout)?;
        let earlier = backend.write(&inputs.numbers(3 * hidden, 1.0), hidden)?;
        let keep = [KeepHidden { row: 2, window: 1, slot: 0 }, KeepHidden { row: 0, window: 2, slot: 1 }];
        backend.keep_hidden(&mut kv, &earlier, &keep)?;
        let fresh = backend.write(&inputs.numbers(5 * hidden, 1.0), hidden)?;
        let rows = [
            HiddenRow::Kept { window: 2, slot: 1 },
            HiddenRow::Fresh(4),
            HiddenRow::Kept { window: 1, slot: 0 },
            HiddenRow::Fresh(0),
        ];
        let step = backend.begin(&pass(vec![3, 49, 0, 3]), &NO_ROPE)?;
        backend.read(&backend.mtp_join(&step, &table, &fresh, &kv, &rows, &weights)?)
    }
}

#[derive(Clone, Debug)]
pub struct LmHead {
    hidden: usize,
    vocab: usize,
    stored: Stored,
    rows: Vec<u32>,
}

impl LmHead {
    pub fn cases() -> Vec<LmHead> {
        let case = |hidden, vocab, stored, rows: &[u32]| LmHead { hidden, vocab, stored, rows: rows.to_vec() };
        vec![
            case(64, 512, Stored::Bf16, &[4]),
            case(37, 101, Stored::F32, &[0, 2, 5]),
            case(200, 300, FP8, &[5, 1]),
            case(64, 512, Stored::Bf16, &[0, 1, 2, 3, 4, 5]),
        ]
    }
}

impl OpCase for LmHead {
    fn name(&self) -> String {
        format!("lm_head {self:?}")
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let inputs = &mut Inputs::new(22);
        let norm = backend.upload_vector(&inputs.norm(self.hidden))?;
        let head = backend.upload_matrix(&inputs.linear(self.vocab, self.hidden, self.stored))?;
        let x = backend.write(&inputs.numbers(6 * self.hidden, 2.0), self.hidden)?;
        backend.read(&backend.lm_head(&x, &self.rows, &norm, 1e-6, &head)?)
    }
}

/// Ids, log-probabilities and rivals of a verification and two single picks.
#[derive(Clone, Debug)]
pub struct Pick(Sampling);

impl Pick {
    pub fn cases() -> Vec<Pick> {
        let all = Sampling {
            temperature: 0.7,
            top_p: 0.9,
            top_k: 20,
            min_p: 0.02,
            repetition_penalty: 1.2,
            frequency_penalty: 0.3,
            presence_penalty: 0.1,
        };
        vec![Pick(Sampling::GREEDY), Pick(all), Pick(Sampling { temperature: 1.5, ..Sampling::GREEDY })]
    }
}

impl OpCase for Pick {
    fn name(&self) -> String {
        format!("pick {:?}", self.0)
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let vocab = 101;
        let values = Inputs::new(23).numbers(5 * vocab, 3.0);
        let largest =
            |row: usize| mimokit_model::pick::largest_logit(&values[row * vocab..(row + 1) * vocab]).unwrap_or(0);
        let drafts = [largest(0), largest(1)];
        let logits = backend.write(&values, vocab)?;
        let ask = |first_logits, drafts| PickAsk {
            drafts,
            sampling: self.0,
            seed: 9,
            first_position: 40,
            top_logprobs: 2,
            count_ids: &[3, 50, 70],
            count_values: &[0, 2, 1],
            ..PickAsk::greedy(first_logits, 90)
        };
        let asks = [ask(0, drafts.as_slice()), ask(3, &[]), ask(4, &[])];
        let picked = backend.pick(&logits, &asks)?;
        Ok(picked
            .into_iter()
            .flat_map(|picked| {
                let ids = picked.ids.into_iter().chain(picked.rivals).map(|id| id as f32);
                ids.chain(picked.logprobs).collect::<Vec<f32>>()
            })
            .collect())
    }
}
