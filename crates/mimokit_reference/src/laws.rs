// The laws of docs/step.md as checks for any backend: a row's result depends on its own tokens, parameters and seed only. Bits, not tolerances.

use mimokit_model::kv::KvDtype;
use mimokit_model::{Backend, Model};

use crate::driver::{BatchArrays, Generated, Plan, generate};
use crate::goldens::{Setup, load};

/// Prompts of different lengths, made of the model's ids.
fn prompts(vocab: usize, count: usize) -> Vec<Vec<i32>> {
    let length = |index: usize| 1 + index * 7 % 31;
    (0..count)
        .map(|index| (0..length(index)).map(|position| ((index * 37 + position * 101 + 5) % vocab) as i32).collect())
        .collect()
}

/// Sampling with everything on: temperature, top-p, top-k, min-p, three penalties.
fn sampled(new_tokens: usize) -> Plan {
    let sampling = [0.8, 0.95, 40.0, 0.01, 1.1, 0.2, 0.1];
    Plan { sampling, seed: 12345, top_logprobs: 3, ..Plan::greedy(new_tokens) }
}

/// What must not depend on how the work was cut.
fn outcome(generated: &Generated, tokens: usize) -> (Vec<i32>, Vec<u32>) {
    // A verification may emit more than was asked for; the log-probabilities of what counts are compared.
    let logprobs = generated.logprobs.iter().take(tokens * 4).map(|value| value.to_bits()).collect();
    (generated.tokens.clone(), logprobs)
}

/// Batches of 1, 2 and 8, any chunk, any draft depth: the same ids and the same log-probabilities, bit for bit.
pub fn check_invariance<B: Backend>(model_name: &str, setup: Setup, make: &dyn Fn(Setup) -> B) {
    let new_tokens = 12;
    let mut model = load(model_name, make(setup), None);
    let all = prompts(model.info().vocab_size, 8);
    for plan in [sampled(new_tokens), Plan { top_logprobs: 3, ..Plan::greedy(new_tokens) }] {
        let mut alone = Vec::new();
        for (index, prompt) in all.iter().enumerate() {
            let plan = Plan { seed: plan.seed + index as u32, ..plan.clone() };
            alone.extend(generate(&mut model, std::slice::from_ref(prompt), &plan).expect("steps"));
        }
        let max = model.info().max_draft;
        for (batch, chunk, depth) in
            [(8, usize::MAX, 0), (2, 1 + max, max), (8, 5, max), (8, 7, max.min(1)), (4, 4, max.min(2))]
        {
            for start in (0..all.len()).step_by(batch) {
                let end = all.len().min(start + batch);
                let plan = Plan { chunk, depth, seed: plan.seed + start as u32, ..plan.clone() };
                let together = generate(&mut model, &all[start..end], &plan).expect("steps");
                for (offset, generated) in together.iter().enumerate() {
                    let what = format!(
                        "{model_name} {setup:?} sequence {}: {batch} rows, chunk {chunk}, depth {depth}",
                        start + offset
                    );
                    assert_eq!(outcome(generated, new_tokens), outcome(&alone[start + offset], new_tokens), "{what}");
                }
            }
        }
    }
}

/// A prefix resumed from a saved window and a copied block goes on as if nothing had happened, and so does the sequence it was saved from.
pub fn check_resume<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    for kv in [KvDtype::F32, KvDtype::Bf16, KvDtype::Fp8] {
        let mut model = load(model_name, make(Setup { kv, fp8_activations: false }), None);
        let vocab = model.info().vocab_size;
        let prompt = prompts(vocab, 5)[4].clone();
        let cut = prompt.len() - 3;
        let expected = continue_prompt(&mut model, &prompt, cut, None);
        // The first part again, its window saved to 5; then another sequence overwrites the first window.
        let mut first = BatchArrays::empty();
        first.push(&prompt[..cut], 0, false, &[0, 1, 2, 3], 0);
        first.save_window[0] = 5;
        model.step(&first.view()).expect("a step");
        let other: Vec<i32> = prompt.iter().map(|token| (token + 1) % vocab as i32).collect();
        let mut second = BatchArrays::empty();
        second.push(&other, 0, false, &[8, 9, 10, 11], 0);
        model.step(&second.view()).expect("a step");
        for (window, copied_block) in [(7, 40), (6, 41)] {
            let resumed = continue_prompt(&mut model, &prompt, cut, Some((5, window, copied_block)));
            assert_eq!(resumed, expected, "{model_name} {kv:?} resumed in window {window}");
        }
    }
}

/// Runs `prompt[cut ..]` and ten more steps at full draft depth. With `resume` = (kept window, own window, block) the part before comes from there, else it is run.
fn continue_prompt<B: Backend>(
    model: &mut Model<B>,
    prompt: &[i32],
    cut: usize,
    resume: Option<(i32, i32, i32)>,
) -> Vec<i32> {
    let block_tokens = model.layout().block_tokens;
    let depth = model.info().max_draft as i32;
    let mut blocks: Vec<i32> = vec![0, 1, 2, 3];
    let mut window = 0;
    let mut tokens = prompt.to_vec();
    let mut context = cut;
    let mut arrays = BatchArrays::empty();
    if let Some((kept, own, copied)) = resume {
        window = own;
        let shared = cut / block_tokens;
        let partial = blocks[shared];
        for (offset, block) in blocks.iter_mut().skip(shared).enumerate() {
            *block = copied + 2 * offset as i32;
        }
        arrays.push(&prompt[cut..], cut, true, &blocks, window);
        arrays.copy_window[0] = kept;
        arrays.copy_block.copy_from_slice(&[partial, blocks[shared]]);
    } else {
        let mut first = BatchArrays::empty();
        first.push(&prompt[..cut], 0, false, &blocks, window);
        model.step(&first.view()).expect("a step");
        arrays.push(&prompt[cut..], cut, true, &blocks, window);
    }
    arrays.draft_next[0] = depth;
    let mut emitted = Vec::new();
    for _ in 0..10 {
        let result = model.step(&arrays.view()).expect("a step");
        let sent = arrays.tokens.len() - arrays.draft_len[0] as usize;
        context += sent + result.tokens.len() - 1;
        tokens.extend(&result.tokens);
        emitted.extend(&result.tokens);
        // The drafts are part of what must agree.
        emitted.push(-1);
        emitted.extend(&result.drafts);
        let input = [&tokens[context..], &result.drafts].concat();
        arrays = BatchArrays::empty();
        arrays.push(&input, context, true, &blocks, window);
        arrays.draft_len[0] = result.drafts.len() as i32;
        arrays.draft_next[0] = depth;
    }
    emitted
}

/// Routes of a row are those of its tokens, whatever runs beside it, ascending and in range.
pub fn check_routes<B: Backend>(model_name: &str, make: &dyn Fn(Setup) -> B) {
    let mut model = load(model_name, make(Setup::EXACT), None);
    let prompts = prompts(model.info().vocab_size, 4);
    let inspected = model.inspect(&prompts[3], &["routes"]).expect("inspect").remove(0);
    let mimokit_model::TapValues::I32(expected) = inspected.values else { panic!("routes are integers") };
    let mut arrays = BatchArrays::empty();
    for (row, prompt) in prompts.iter().enumerate() {
        let blocks: Vec<i32> = (0..4).map(|block| (4 * row + block) as i32).collect();
        arrays.push(prompt, 0, true, &blocks, row as i32);
    }
    arrays.want_routes[3] = 1;
    let routes = match model.step(&arrays.view()).expect("a step").routes {
        Some(mimokit_model::Routes::Narrow(ids)) => ids.into_iter().map(i32::from).collect::<Vec<_>>(),
        Some(mimokit_model::Routes::Wide(ids)) => ids.into_iter().map(i32::from).collect(),
        None => panic!("routes were asked for"),
    };
    assert_eq!(routes, expected, "{model_name}");
    for chosen in routes.chunks_exact(model.info().top_k) {
        assert!(chosen.windows(2).all(|pair| pair[0] < pair[1]), "{chosen:?} ascends");
    }
}
