// Batches and prompts that cannot be: refused with the right code before anything is written, and the next good step is none the worse.

use mimokit_model::{Error, Model};
use mimokit_reference::Reference;
use mimokit_reference::driver::BatchArrays;
use mimokit_reference::goldens::load;

/// The code a change of the good batch is refused with.
type Change = (&'static str, fn(&mut BatchArrays));

fn good() -> BatchArrays {
    let mut arrays = BatchArrays::empty();
    arrays.push(&[5, 6, 7], 0, true, &[0], 0);
    arrays.push(&[9, 10], 0, true, &[1], 1);
    arrays.draft_next = vec![3, 3];
    arrays
}

fn refusal(model: &mut Model<Reference>, change: fn(&mut BatchArrays)) -> Error {
    let mut arrays = good();
    change(&mut arrays);
    model.step(&arrays.view()).expect_err("refused")
}

#[test]
fn every_impossible_batch_is_refused_and_leaves_the_model_as_it_was() {
    let mut model = load("t1-bf16", Reference::default(), None);
    let mut expected = good();
    // A later step that reads everything the first one wrote.
    let next = |model: &mut Model<Reference>, arrays: &mut BatchArrays| {
        let first = model.step(&good().view()).expect("a step");
        *arrays = BatchArrays::empty();
        arrays.push(&[first.tokens[0]], 3, true, &[0], 0);
        arrays.push(&[first.tokens[1]], 2, true, &[1], 1);
        arrays.draft_next = vec![3, 3];
        model.step(&arrays.view()).expect("a step")
    };
    let result = next(&mut model, &mut expected);

    let changes: &[Change] = &[
        ("token-out-of-range", |batch| batch.tokens[1] = 512),
        ("token-out-of-range", |batch| batch.tokens[4] = -1),
        ("batch-invalid", |batch| batch.row_start = Vec::new()),
        ("batch-invalid", |batch| batch.row_start = vec![0, 3, 4]),
        ("batch-invalid", |batch| batch.row_start = vec![0, -1, 5]),
        ("batch-invalid", |batch| batch.row_start = vec![0, 9, 5]),
        ("batch-invalid", |batch| batch.row_start = vec![0, 0, 5]),
        ("batch-invalid", |batch| batch.row_start = vec![0, 5]),
        ("batch-invalid", |batch| batch.context_len[0] = -1),
        ("context-overflow", |batch| batch.context_len[0] = 4094),
        ("context-overflow", |batch| batch.context_len[0] = i32::MAX),
        ("batch-invalid", |batch| batch.context_len[0] = 14),
        ("batch-invalid", |batch| batch.draft_len[0] = 3),
        ("batch-invalid", |batch| batch.draft_len[0] = 4),
        ("batch-invalid", |batch| batch.draft_len[0] = -1),
        ("batch-invalid", |batch| (batch.draft_len[0], batch.samples[0]) = (1, 0)),
        ("batch-invalid", |batch| batch.draft_next[0] = 4),
        ("batch-invalid", |batch| batch.block_table[0] = -1),
        ("batch-invalid", |batch| batch.block_table[0] = 256),
        ("batch-invalid", |batch| batch.block_table[0] = 1),
        ("batch-invalid", |batch| (batch.block_table, batch.block_start) = (vec![0], vec![0, 1, 1])),
        ("batch-invalid", |batch| batch.block_start = vec![0, 3, 2]),
        ("batch-invalid", |batch| batch.windows[0] = 1),
        ("batch-invalid", |batch| batch.windows[0] = -1),
        ("batch-invalid", |batch| batch.windows[0] = 16),
        ("batch-invalid", |batch| batch.copy_window[0] = 16),
        ("batch-invalid", |batch| batch.copy_window[0] = -2),
        ("batch-invalid", |batch| batch.copy_window = vec![1, 2]),
        ("batch-invalid", |batch| batch.save_window[0] = 1),
        ("batch-invalid", |batch| batch.save_window = vec![4, 4]),
        ("batch-invalid", |batch| batch.copy_block[0] = 7),
        ("batch-invalid", |batch| batch.copy_block = vec![0, 7, -1, -1]),
        ("batch-invalid", |batch| batch.copy_block = vec![7, 0, 8, 0]),
        ("batch-invalid", |batch| batch.copy_block = vec![7, 0, 0, 1]),
        ("batch-invalid", |batch| batch.copy_block = vec![7, 999, -1, -1]),
        ("batch-invalid", |batch| batch.sampling[0] = f32::NAN),
        ("batch-invalid", |batch| batch.sampling[1] = 1.5),
        ("batch-invalid", |batch| batch.sampling[4] = 0.0),
        ("batch-invalid", |batch| batch.sampling.truncate(13)),
        ("batch-invalid", |batch| batch.seeds.truncate(1)),
        ("batch-invalid", |batch| batch.bias_start = vec![0, 1, 1]),
        ("token-out-of-range", |batch| bias(batch, 512, 0.0)),
        ("batch-invalid", |batch| bias(batch, 1, f32::NAN)),
        ("batch-invalid", |batch| bias(batch, 1, f32::INFINITY)),
        ("token-out-of-range", |batch| count(batch, -1, 1)),
        ("batch-invalid", |batch| count(batch, 1, -1)),
    ];
    for (index, (code, change)) in changes.iter().enumerate() {
        let error = refusal(&mut model, *change);
        assert_eq!(error.code(), *code, "change {index}: {error}");
    }
    assert_eq!(next(&mut model, &mut expected), result);
}

fn bias(batch: &mut BatchArrays, id: i32, value: f32) {
    (batch.bias_ids, batch.bias_values, batch.bias_start) = (vec![id], vec![value], vec![0, 1, 1]);
}

fn count(batch: &mut BatchArrays, id: i32, value: i32) {
    (batch.count_ids, batch.count_values, batch.count_start) = (vec![id], vec![value], vec![0, 1, 1]);
}

#[test]
fn refused_batches_write_nothing_between_two_steps() {
    let mut model = load("t1-bf16", Reference::default(), None);
    let run = |model: &mut Model<Reference>, disturb: bool| {
        let first = model.step(&good().view()).expect("a step");
        if disturb {
            // The second row is bad; the first, which would write window 0 and block 0, must not run either.
            refusal(model, |batch| batch.windows[1] = 99);
            refusal(model, |batch| batch.tokens[4] = 9999);
        }
        let mut arrays = BatchArrays::empty();
        arrays.push(&[first.tokens[0]], 3, true, &[0], 0);
        arrays.draft_next = vec![3];
        model.step(&arrays.view()).expect("a step")
    };
    assert_eq!(run(&mut model, false), run(&mut model, true));
}

#[test]
fn an_empty_batch_gives_an_empty_result() {
    let mut model = load("t1-bf16", Reference::default(), None);
    let result = model.step(&BatchArrays::empty().view()).expect("a step");
    assert_eq!((result.tokens.len(), result.token_start), (0, vec![0]));
}

#[test]
fn prompts_and_taps_that_cannot_be_are_refused() {
    let model = load("t1-bf16", Reference::default(), None);
    let code = |ids: &[i32], tap: &str| model.inspect(ids, &[tap]).expect_err("refused").code();
    assert_eq!(code(&[512], "logits"), "token-out-of-range");
    assert_eq!(code(&[-1], "logits"), "token-out-of-range");
    assert_eq!(code(&[], "logits"), "invalid-argument");
    assert_eq!(code(&[1; 4097], "logits"), "invalid-argument");
    for tap in
        ["", "hidden", "hidden.6", "hidden.-1", "router.0.ids", "router.1.scores", "mtp.3.logits", "logits.first"]
    {
        assert_eq!(code(&[1], tap), "invalid-argument", "{tap}");
    }
}
