// How ids are drawn from logits: penalties, bias, temperature, top-k, top-p, min-p, and the verification of drafts. Plain code
// over host memory; the order of operations is that of docs/step.md, "Picking". All arithmetic in FP64.

/// Sampling parameters of a row; temperature 0 is greedy.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sampling {
    pub temperature: f32,
    pub top_p: f32,
    /// 0 = off.
    pub top_k: u32,
    pub min_p: f32,
    pub repetition_penalty: f32,
    pub frequency_penalty: f32,
    pub presence_penalty: f32,
}

impl Sampling {
    pub const GREEDY: Sampling = Sampling {
        temperature: 0.0,
        top_p: 1.0,
        top_k: 0,
        min_p: 0.0,
        repetition_penalty: 1.0,
        frequency_penalty: 0.0,
        presence_penalty: 0.0,
    };

    fn has_penalties(&self) -> bool {
        self.repetition_penalty != 1.0 || self.frequency_penalty != 0.0 || self.presence_penalty != 0.0
    }
}

/// What is to be drawn for one row of a batch: ids of positions `first_position ..= first_position + drafts.len()` from logit rows
/// `first_logits ..= first_logits + drafts.len()`.
#[derive(Clone, Copy, Debug)]
pub struct PickAsk<'a> {
    pub first_logits: usize,
    pub first_position: u32,
    pub drafts: &'a [u32],
    pub sampling: Sampling,
    pub seed: u32,
    /// Wanted log-probabilities: 0 = none, n = the chosen id's and the n largest.
    pub top_logprobs: usize,
    /// Logit bias, ids below the vocabulary size.
    pub bias_ids: &'a [i32],
    pub bias_values: &'a [f32],
    /// Ids seen in prompt or answer, and how often in the answer. Drafts are counted here, not by the caller.
    pub count_ids: &'a [i32],
    pub count_values: &'a [i32],
    /// Ids at or above are never picked; at least 1.
    pub pickable_ids: usize,
}

impl<'a> PickAsk<'a> {
    /// The largest logit of one row, as an MTP head's draft is chosen.
    pub fn greedy(first_logits: usize, pickable_ids: usize) -> PickAsk<'a> {
        PickAsk {
            first_logits,
            first_position: 0,
            drafts: &[],
            sampling: Sampling::GREEDY,
            seed: 0,
            top_logprobs: 0,
            bias_ids: &[],
            bias_values: &[],
            count_ids: &[],
            count_values: &[],
            pickable_ids,
        }
    }

    /// Whether nothing but the largest logits matters, so that a device may answer with ids alone.
    pub fn is_plain_greedy(&self) -> bool {
        self.sampling.temperature == 0.0
            && !self.sampling.has_penalties()
            && self.bias_ids.is_empty()
            && self.top_logprobs == 0
    }
}

/// Accepted drafts, then one drawn id.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Picked {
    /// Empty if no logit of a row was a finite number: the weights are broken, or a bias forbids every id.
    pub ids: Vec<u32>,
    /// Per id, if asked for: the chosen id's log-probability, then the n largest.
    pub logprobs: Vec<f32>,
    /// Per id, if asked for: the ids of the n largest.
    pub rivals: Vec<u32>,
}

/// Draws for every ask. `logits` is row-major [rows, vocab].
pub fn pick_rows(logits: &[f32], vocab: usize, asks: &[PickAsk<'_>]) -> Vec<Picked> {
    let mut scratch = Scratch::default();
    asks.iter().map(|ask| pick_row(logits, vocab, ask, &mut scratch)).collect()
}

fn pick_row(logits: &[f32], vocab: usize, ask: &PickAsk<'_>, scratch: &mut Scratch) -> Picked {
    let mut picked = Picked::default();
    for j in 0..=ask.drafts.len() {
        let start = (ask.first_logits + j) * vocab;
        let row = &logits[start..start + vocab];
        // Draft j is reached only if all before it were accepted, so the ids emitted so far are drafts[..j].
        let Some(id) = draw(row, ask, &ask.drafts[..j], ask.first_position + j as u32, scratch) else {
            return Picked::default();
        };
        picked.ids.push(id);
        if ask.top_logprobs > 0 {
            log_probabilities(row, id, ask.top_logprobs, &mut picked);
        }
        if ask.drafts.get(j) != Some(&id) {
            break;
        }
    }
    picked
}

#[derive(Default)]
struct Scratch {
    values: Vec<f64>,
    order: Vec<u32>,
    probabilities: Vec<f64>,
}

fn draw(row: &[f32], ask: &PickAsk<'_>, emitted: &[u32], position: u32, scratch: &mut Scratch) -> Option<u32> {
    let pickable = ask.pickable_ids.min(row.len());
    let sampling = &ask.sampling;
    if sampling.temperature == 0.0 && !sampling.has_penalties() && ask.bias_ids.is_empty() {
        return largest_logit(&row[..pickable]);
    }
    scratch.values.clear();
    scratch.values.extend(row.iter().map(|&value| if value.is_nan() { f64::NEG_INFINITY } else { f64::from(value) }));
    if sampling.has_penalties() {
        penalise(&mut scratch.values, ask, emitted);
    }
    for (&id, &bias) in ask.bias_ids.iter().zip(ask.bias_values) {
        scratch.values[id as usize] += f64::from(bias);
    }
    let values = &mut scratch.values[..pickable];
    if sampling.temperature == 0.0 {
        return largest(values.iter().copied());
    }
    for value in values.iter_mut() {
        *value /= f64::from(sampling.temperature);
    }
    largest(values.iter().copied())?;
    let random = random_at(ask.seed, position);
    Some(sample(values, sampling, random, &mut scratch.order, &mut scratch.probabilities))
}

/// Index of the largest logit, the lowest on a tie; `None` if none is above minus infinity.
pub fn largest_logit(row: &[f32]) -> Option<u32> {
    largest(row.iter().map(|&value| f64::from(value)))
}

/// Index of the largest value, the lowest on a tie; NaN counts as minus infinity.
fn largest(values: impl Iterator<Item = f64>) -> Option<u32> {
    let mut best = None;
    let mut best_value = f64::NEG_INFINITY;
    for (index, value) in values.enumerate() {
        if value > best_value {
            best = Some(index as u32);
            best_value = value;
        }
    }
    best
}

fn penalise(values: &mut [f64], ask: &PickAsk<'_>, emitted: &[u32]) {
    let sampling = &ask.sampling;
    let repetition = f64::from(sampling.repetition_penalty);
    let mut apply = |id: u32, in_answer: i64| {
        let value = &mut values[id as usize];
        *value = if *value > 0.0 { *value / repetition } else { *value * repetition };
        if in_answer > 0 {
            *value -= f64::from(sampling.frequency_penalty) * in_answer as f64 + f64::from(sampling.presence_penalty);
        }
    };
    let occurrences = |id: u32| emitted.iter().filter(|&&draft| draft == id).count() as i64;
    for (&id, &count) in ask.count_ids.iter().zip(ask.count_values) {
        apply(id as u32, i64::from(count) + occurrences(id as u32));
    }
    for (index, &id) in emitted.iter().enumerate() {
        let is_listed = ask.count_ids.contains(&(id as i32)) || emitted[..index].contains(&id);
        if !is_listed {
            apply(id, occurrences(id));
        }
    }
}

fn sample(values: &[f64], sampling: &Sampling, random: f64, order: &mut Vec<u32>, probabilities: &mut Vec<f64>) -> u32 {
    order.clear();
    order.extend(0..values.len() as u32);
    // Adding 0.0 makes both zeros one value, so that they tie.
    let descending =
        |&a: &u32, &b: &u32| (values[b as usize] + 0.0).total_cmp(&(values[a as usize] + 0.0)).then_with(|| a.cmp(&b));
    let top_k = sampling.top_k as usize;
    if top_k > 0 && top_k < order.len() {
        order.select_nth_unstable_by(top_k - 1, descending);
        order.truncate(top_k);
    }
    order.sort_unstable_by(descending);

    let max = values[order[0] as usize];
    probabilities.clear();
    probabilities.extend(order.iter().map(|&id| (values[id as usize] - max).exp()));
    let total: f64 = probabilities.iter().sum();
    probabilities.iter_mut().for_each(|value| *value /= total);

    let top_p = f64::from(sampling.top_p);
    if top_p < 1.0 {
        let mut sum = 0.0;
        let mut kept = 0;
        while kept < probabilities.len() && (kept == 0 || sum < top_p) {
            sum += probabilities[kept];
            kept += 1;
        }
        probabilities.truncate(kept);
    }
    let floor = f64::from(sampling.min_p) * probabilities[0];
    let kept = probabilities.partition_point(|&value| value >= floor).max(1);
    probabilities.truncate(kept);

    let left: f64 = probabilities.iter().sum();
    let mut cumulated = 0.0;
    for (&id, &value) in order.iter().zip(probabilities.iter()) {
        cumulated += value / left;
        if cumulated > random {
            return id;
        }
    }
    order[probabilities.len() - 1]
}

fn log_probabilities(row: &[f32], chosen: u32, rivals: usize, picked: &mut Picked) {
    let max = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = row.iter().map(|&value| f64::from(value - max).exp()).sum();
    let log_sum = f64::from(max) + sum.ln();
    let log_probability = |id: u32| (f64::from(row[id as usize]) - log_sum) as f32;
    picked.logprobs.push(log_probability(chosen));
    let mut order: Vec<u32> = (0..row.len() as u32).collect();
    let descending =
        |&a: &u32, &b: &u32| (row[b as usize] + 0.0).total_cmp(&(row[a as usize] + 0.0)).then_with(|| a.cmp(&b));
    let rivals = rivals.min(order.len());
    order.select_nth_unstable_by(rivals - 1, descending);
    order.truncate(rivals);
    order.sort_unstable_by(descending);
    for &id in &order {
        picked.logprobs.push(log_probability(id));
    }
    picked.rivals.extend(order);
}

/// The random number of (seed, position), in [0, 1) with 53 bits: three rounds of the lowbias32 mixer. A function, not a
/// generator, so that a sample never depends on the batch, the chunking or on drafts. Bit-equal to `randomAt` of protocol.
pub fn random_at(seed: u32, position: u32) -> f64 {
    let a = mix(seed ^ 0x9e37_79b9);
    let b = mix(a ^ position);
    let c = mix(b.wrapping_add(0x6a09_e667));
    (f64::from(b >> 5) * 67_108_864.0 + f64::from(c >> 6)) / 9_007_199_254_740_992.0
}

fn mix(x: u32) -> u32 {
    let mut h = x;
    h = (h ^ (h >> 16)).wrapping_mul(0x21f0_aaad);
    h = (h ^ (h >> 15)).wrapping_mul(0x735a_2d97);
    h ^ (h >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pick(logits: &[f32], vocab: usize, ask: PickAsk<'_>) -> Picked {
        pick_rows(logits, vocab, &[ask]).remove(0)
    }

    fn sampled(sampling: Sampling) -> PickAsk<'static> {
        PickAsk { sampling, seed: 7, ..PickAsk::greedy(0, usize::MAX) }
    }

    #[test]
    fn random_numbers_are_those_of_the_protocol() {
        for (seed, position, bits) in [
            (0, 0, 0x3fb4_4a87_b703_4a38),
            (1, 0, 0x3fbc_06b9_e3e4_ec10),
            (0, 1, 0x3fc1_d742_4229_abd0),
            (12345, 678, 0x3fe6_fa4a_ef82_6de4),
            (4_294_967_295, 2_147_483_647, 0x3fd8_bd57_c36b_3de8),
            (2_654_435_769, 77, 0x3fd3_3ff6_3f59_5362_u64),
        ] {
            assert_eq!(random_at(seed, position).to_bits(), bits, "seed {seed}, position {position}");
        }
    }

    #[test]
    fn greedy_takes_the_largest_and_the_lowest_id_on_a_tie() {
        assert_eq!(pick(&[1.0, 3.0, f32::NAN, 3.0], 4, PickAsk::greedy(0, 4)).ids, [1]);
        assert_eq!(pick(&[1.0, 3.0, 9.0], 3, PickAsk::greedy(0, 2)).ids, [1]);
        assert!(pick(&[f32::NAN; 3], 3, PickAsk::greedy(0, 3)).ids.is_empty());
    }

    #[test]
    fn drafts_are_accepted_while_they_equal_the_drawn_id() {
        let logits = [0.0, 9.0, 0.0, 0.0, 0.0, 9.0, 9.0, 0.0, 0.0];
        let ask = |drafts| PickAsk { drafts, ..PickAsk::greedy(0, 3) };
        assert_eq!(pick(&logits, 3, ask(&[1, 2])).ids, [1, 2, 0]);
        assert_eq!(pick(&logits, 3, ask(&[1, 0])).ids, [1, 2]);
        assert_eq!(pick(&logits, 3, ask(&[0, 2])).ids, [1]);
    }

    #[test]
    fn drawn_ids_follow_the_cumulated_probabilities() {
        let logits: Vec<f32> = [0.5f32, 0.3, 0.2].iter().map(|p| p.ln()).collect();
        let mut counts = [0u32; 3];
        for position in 0..20_000 {
            let ask =
                PickAsk { first_position: position, ..sampled(Sampling { temperature: 1.0, ..Sampling::GREEDY }) };
            let id = pick(&logits, 3, ask).ids[0];
            let random = random_at(7, position);
            assert_eq!(
                id,
                if random < 0.5 {
                    0
                } else if random < 0.8 {
                    1
                } else {
                    2
                },
                "random {random}"
            );
            counts[id as usize] += 1;
        }
        assert!(counts[0].abs_diff(10_000) < 300 && counts[2].abs_diff(4_000) < 250, "{counts:?}");
    }

    #[test]
    fn top_k_top_p_and_min_p_cut_the_tail() {
        let logits: Vec<f32> = [0.4f32, 0.3, 0.2, 0.1].iter().map(|p| p.ln()).collect();
        let seen = |sampling: Sampling| {
            let mut seen = [false; 4];
            for position in 0..2000 {
                let ask = PickAsk { first_position: position, ..sampled(sampling) };
                seen[pick(&logits, 4, ask).ids[0] as usize] = true;
            }
            seen.iter().filter(|seen| **seen).count()
        };
        let plain = Sampling { temperature: 1.0, ..Sampling::GREEDY };
        assert_eq!(seen(plain), 4);
        assert_eq!(seen(Sampling { top_k: 2, ..plain }), 2);
        assert_eq!(seen(Sampling { top_p: 0.65, ..plain }), 2);
        assert_eq!(seen(Sampling { top_p: 0.0, ..plain }), 1);
        assert_eq!(seen(Sampling { min_p: 0.6, ..plain }), 2);
    }

    #[test]
    fn penalties_apply_to_listed_ids_and_to_drafts_within_the_step() {
        let penalty = Sampling { repetition_penalty: 2.0, ..Sampling::GREEDY };
        let listed = PickAsk { count_ids: &[0, 1], count_values: &[0, 3], sampling: penalty, ..PickAsk::greedy(0, 3) };
        assert_eq!(pick(&[4.0, 4.0, 3.0], 3, listed).ids, [2]);
        assert_eq!(pick(&[-1.0, -1.0, -1.5], 3, listed).ids, [2]);

        let presence = Sampling { presence_penalty: 1.0, ..Sampling::GREEDY };
        let prompt_only = PickAsk { count_ids: &[0], count_values: &[0], sampling: presence, ..PickAsk::greedy(0, 2) };
        assert_eq!(pick(&[4.0, 3.5], 2, prompt_only).ids, [0]);

        // The draft counts once it was emitted: the second row sees it.
        let drafted = PickAsk { drafts: &[0], sampling: presence, ..PickAsk::greedy(0, 2) };
        assert_eq!(pick(&[4.0, 3.5, 4.0, 3.5], 2, drafted).ids, [0, 1]);
    }

    #[test]
    fn a_bias_moves_or_forbids_an_id() {
        let bias = |bias_values: &'static [f32]| PickAsk { bias_ids: &[0], bias_values, ..PickAsk::greedy(0, 2) };
        assert_eq!(pick(&[4.0, 3.5], 2, bias(&[-1.0])).ids, [1]);
        assert_eq!(pick(&[4.0, 3.5], 2, bias(&[f32::NEG_INFINITY])).ids, [1]);
        assert_eq!(pick(&[3.0, 3.5], 2, bias(&[1.0])).ids, [0]);
    }

    #[test]
    fn log_probabilities_are_of_the_unmodified_logits() {
        let bias = PickAsk { bias_ids: &[2], bias_values: &[100.0], top_logprobs: 2, ..PickAsk::greedy(0, 3) };
        let picked = pick(&[0.5f32.ln(), 0.3f32.ln(), 0.2f32.ln()], 3, bias);
        assert_eq!((picked.ids.as_slice(), picked.rivals.as_slice()), ([2].as_slice(), [0, 1].as_slice()));
        for (value, expected) in picked.logprobs.iter().zip([0.2f32.ln(), 0.5f32.ln(), 0.3f32.ln()]) {
            assert!((value - expected).abs() < 1e-6, "{value} for {expected}");
        }
    }
}
