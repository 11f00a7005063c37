// A caller of `step` for tests of every backend: sequences, their blocks and windows, in the simplest way that is right.
// It cuts prompts in chunks, sends drafts back, and records each round. Policies live in the runtime, not here.

use mimokit_model::batch::NONE;
use mimokit_model::{Backend, Model, Result, StepBatch, StepResult};

/// How sequences are to be run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub new_tokens: usize,
    /// Drafts asked for each step.
    pub depth: usize,
    /// Most prompt tokens a row takes in one step.
    pub chunk: usize,
    /// The seven sampling values of a batch; all sequences alike.
    pub sampling: [f32; 7],
    /// Sequence i draws with seed + i.
    pub seed: u32,
    pub top_logprobs: u8,
}

impl Plan {
    pub fn greedy(new_tokens: usize) -> Plan {
        let sampling = [0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0];
        Plan { new_tokens, depth: 0, chunk: usize::MAX, sampling, seed: 0, top_logprobs: 0 }
    }
}

/// One verification.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Round {
    /// Committed positions before it.
    pub context: usize,
    pub last_token: i32,
    pub drafts: Vec<i32>,
    pub emitted: Vec<i32>,
}

/// What a sequence became.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Generated {
    /// New tokens, at most as many as planned.
    pub tokens: Vec<i32>,
    /// After the prompt's own token.
    pub rounds: Vec<Round>,
    /// Chosen and rival log-probabilities of all emitted tokens.
    pub logprobs: Vec<f32>,
    /// Drafts the step after the prompt proposed.
    pub first_drafts: Vec<i32>,
}

struct Sequence {
    /// Prompt and emitted ids.
    tokens: Vec<i32>,
    prompt: usize,
    context: usize,
    drafts: Vec<i32>,
    blocks: Vec<i32>,
    window: i32,
    generated: Generated,
}

impl Sequence {
    fn is_done(&self, plan: &Plan) -> bool {
        self.tokens.len() - self.prompt >= plan.new_tokens
    }
}

/// Runs all prompts together, one row each, until every one has its tokens. The model's pools must hold them all.
///
/// # Errors
/// Those of `step`.
pub fn generate<B: Backend>(model: &mut Model<B>, prompts: &[Vec<i32>], plan: &Plan) -> Result<Vec<Generated>> {
    let mut sequences: Vec<Sequence> = prompts
        .iter()
        .enumerate()
        .map(|(index, prompt)| Sequence {
            tokens: prompt.clone(),
            prompt: prompt.len(),
            context: 0,
            drafts: Vec::new(),
            blocks: Vec::new(),
            // Not in order, so that a mixed-up index shows.
            window: (prompts.len() - 1 - index) as i32,
            generated: Generated::default(),
        })
        .collect();
    let mut next_block = 0;
    loop {
        let running: Vec<usize> = (0..sequences.len()).filter(|&index| !sequences[index].is_done(plan)).collect();
        if running.is_empty() {
            return Ok(sequences.into_iter().map(|sequence| sequence.generated).collect());
        }
        let arrays = BatchArrays::collect(model, &mut sequences, &running, plan, &mut next_block);
        let result = model.step(&arrays.view())?;
        apply(&mut sequences, &running, &arrays, &result, plan);
    }
}

/// The arrays of a batch, owned.
#[derive(Clone, Debug, Default)]
pub struct BatchArrays {
    pub tokens: Vec<i32>,
    pub row_start: Vec<i32>,
    pub context_len: Vec<i32>,
    pub draft_len: Vec<i32>,
    pub samples: Vec<u8>,
    pub draft_next: Vec<i32>,
    pub block_table: Vec<i32>,
    pub block_start: Vec<i32>,
    pub windows: Vec<i32>,
    pub copy_window: Vec<i32>,
    pub save_window: Vec<i32>,
    pub copy_block: Vec<i32>,
    pub sampling: Vec<f32>,
    pub seeds: Vec<u32>,
    pub top_logprobs: Vec<u8>,
    pub want_routes: Vec<u8>,
    pub bias_start: Vec<i32>,
    pub bias_ids: Vec<i32>,
    pub bias_values: Vec<f32>,
    pub count_start: Vec<i32>,
    pub count_ids: Vec<i32>,
    pub count_values: Vec<i32>,
}

impl BatchArrays {
    /// A batch of no rows.
    pub fn empty() -> BatchArrays {
        BatchArrays {
            row_start: vec![0],
            block_start: vec![0],
            bias_start: vec![0],
            count_start: vec![0],
            ..BatchArrays::default()
        }
    }

    /// Adds a row: greedy, no copies, no drafts; the caller may change the last entries.
    pub fn push(&mut self, tokens: &[i32], context: usize, samples: bool, blocks: &[i32], window: i32) {
        self.tokens.extend(tokens);
        self.row_start.push(self.tokens.len() as i32);
        self.context_len.push(context as i32);
        self.draft_len.push(0);
        self.samples.push(u8::from(samples));
        self.draft_next.push(0);
        self.block_table.extend(blocks);
        self.block_start.push(self.block_table.len() as i32);
        self.windows.push(window);
        self.copy_window.push(NONE);
        self.save_window.push(NONE);
        self.copy_block.extend([NONE, NONE]);
        self.sampling.extend([0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
        self.seeds.push(0);
        self.top_logprobs.push(0);
        self.want_routes.push(0);
        self.bias_start.push(self.bias_ids.len() as i32);
        self.count_start.push(self.count_ids.len() as i32);
    }

    pub fn view(&self) -> StepBatch<'_> {
        StepBatch {
            tokens: &self.tokens,
            row_start: &self.row_start,
            context_len: &self.context_len,
            draft_len: &self.draft_len,
            samples: &self.samples,
            draft_next: &self.draft_next,
            block_table: &self.block_table,
            block_start: &self.block_start,
            windows: &self.windows,
            copy_window: &self.copy_window,
            save_window: &self.save_window,
            copy_block: &self.copy_block,
            sampling: &self.sampling,
            seeds: &self.seeds,
            top_logprobs: &self.top_logprobs,
            want_routes: &self.want_routes,
            bias_start: &self.bias_start,
            bias_ids: &self.bias_ids,
            bias_values: &self.bias_values,
            count_start: &self.count_start,
            count_ids: &self.count_ids,
            count_values: &self.count_values,
        }
    }

    fn collect<B: Backend>(
        model: &Model<B>,
        sequences: &mut [Sequence],
        running: &[usize],
        plan: &Plan,
        next_block: &mut i32,
    ) -> BatchArrays {
        let mut arrays = BatchArrays::empty();
        let penalised = plan.sampling[4] != 1.0 || plan.sampling[5] != 0.0 || plan.sampling[6] != 0.0;
        for &index in running {
            let sequence = &mut sequences[index];
            let known = [sequence.tokens.as_slice(), &sequence.drafts].concat();
            let end = known.len().min(sequence.context.saturating_add(plan.chunk));
            let samples = end >= sequence.tokens.len();
            while sequence.blocks.len() * model.layout().block_tokens < end {
                sequence.blocks.push(*next_block);
                *next_block += 1;
            }
            arrays.push(&known[sequence.context..end], sequence.context, samples, &sequence.blocks, sequence.window);
            let row = arrays.samples.len() - 1;
            arrays.draft_len[row] = end.saturating_sub(sequence.tokens.len()) as i32;
            arrays.draft_next[row] = plan.depth as i32;
            arrays.sampling[7 * row..].copy_from_slice(&plan.sampling);
            arrays.seeds[row] = plan.seed.wrapping_add(index as u32);
            arrays.top_logprobs[row] = plan.top_logprobs;
            if penalised {
                let mut counts = std::collections::BTreeMap::<i32, i32>::new();
                for (position, &token) in sequence.tokens.iter().enumerate() {
                    *counts.entry(token).or_default() += i32::from(position >= sequence.prompt);
                }
                arrays.count_ids.extend(counts.keys());
                arrays.count_values.extend(counts.values());
                arrays.count_start[row + 1] = arrays.count_ids.len() as i32;
            }
        }
        arrays
    }
}

fn apply(sequences: &mut [Sequence], running: &[usize], arrays: &BatchArrays, result: &StepResult, plan: &Plan) {
    let mut logprob = 0;
    for (row, &index) in running.iter().enumerate() {
        let sequence = &mut sequences[index];
        let part = |starts: &[i32]| starts[row] as usize..starts[row + 1] as usize;
        let sent = part(&arrays.row_start).len();
        if arrays.samples[row] == 0 {
            sequence.context += sent;
            continue;
        }
        let emitted = result.tokens[part(&result.token_start)].to_vec();
        let drafts = result.drafts[part(&result.draft_start)].to_vec();
        let draft_len = arrays.draft_len[row] as usize;
        if sequence.tokens.len() == sequence.prompt {
            sequence.generated.first_drafts = drafts.clone();
        } else {
            sequence.generated.rounds.push(Round {
                context: sequence.context,
                last_token: sequence.tokens[sequence.tokens.len() - 1],
                drafts: sequence.drafts.clone(),
                emitted: emitted.clone(),
            });
        }
        if let Some(values) = &result.logprobs {
            let width = emitted.len() * (1 + usize::from(plan.top_logprobs));
            sequence.generated.logprobs.extend(&values[logprob..logprob + width]);
            logprob += width;
        }
        sequence.context += sent - draft_len + emitted.len() - 1;
        sequence.tokens.extend(&emitted);
        sequence.drafts = drafts;
        let new = &sequence.tokens[sequence.prompt..];
        sequence.generated.tokens = new[..new.len().min(plan.new_tokens)].to_vec();
    }
}
