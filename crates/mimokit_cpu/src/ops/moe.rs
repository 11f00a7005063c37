//! moe: x += sum over chosen experts e, ascending, of w_e * down_e(silu(gate_e n) * up_e n), n the router's normalised rows.
//!
//! Rows are grouped by expert, so an expert's bytes are read once for all rows of the batch that chose it. Bound: the bytes of
//! the union of the chosen experts.

use crate::backend::Experts;
use crate::buffers::buffer;
use crate::linear::{Input, Rows, product, task_rows};
use crate::ops::dense_ffn::gated;
use crate::pool::Parts;
use crate::{Act, CpuBackend, Routes};

/// An expert that some rows chose.
struct Group {
    expert: usize,
    /// Which rows, ascending, and with which weight.
    tokens: Vec<u32>,
    weights: Vec<f32>,
    /// Where their rows begin among all (row, expert) pairs.
    first_pair: usize,
}

pub(crate) fn moe(backend: &CpuBackend, routes: &Routes, experts: &Experts, x: &mut Act) {
    let groups = groups(routes, experts.each.len());
    let Some(first) = groups.first() else { return };
    let shape = &experts.each[first.expert];
    let width = shape.gate.rows();
    for group in &groups {
        let expert = &experts.each[group.expert];
        routes.input.prepare(&expert.gate);
        routes.input.prepare(&expert.up);
    }

    let most = groups.iter().map(|group| group.tokens.len()).max().unwrap_or(0);
    let mut hidden = Rows::zeroed(routes.chosen.ids.len(), width);
    let stride = hidden.stride;
    let step = task_rows(&shape.gate, most, backend.pool.threads());
    let parts_of_expert = width.div_ceil(step);
    let parts = Parts::new(&mut hidden.values);
    let cost = 2 * routes.chosen.ids.len() * width * routes.input.plain.stride;
    backend.pool.run(groups.len() * parts_of_expert, cost, &|task| {
        let group = &groups[task / parts_of_expert];
        let expert = &experts.each[group.expert];
        let part = task % parts_of_expert;
        let rows = part * step..width.min((part + 1) * step);
        let mut sums = buffer(group.tokens.len() * rows.len());
        let weights = (&expert.gate, &expert.up);
        gated(backend.level, weights, &routes.input, &group.tokens, rows.clone(), &mut sums);
        for (t, sums) in sums.chunks_exact(rows.len()).enumerate() {
            // SAFETY: tasks have disjoint pairs or disjoint columns of them.
            unsafe { parts.part((group.first_pair + t) * stride + rows.start, rows.len()) }.copy_from_slice(sums);
        }
    });

    let hidden = Input::new(hidden, width, backend.quantise);
    for group in &groups {
        hidden.prepare(&experts.each[group.expert].down);
    }
    let height = x.width;
    let step = task_rows(&shape.down, x.rows, backend.pool.threads());
    let count = x.rows;
    let parts = Parts::new(&mut x.values);
    let cost = routes.chosen.ids.len() * height * stride;
    backend.pool.run(height.div_ceil(step), cost, &|task| {
        let rows = task * step..height.min((task + 1) * step);
        let mut mixed = buffer(count * rows.len());
        mixed.fill(0.0);
        let mut sums = buffer(most * rows.len());
        for group in &groups {
            let pairs: Vec<u32> = (0..group.tokens.len()).map(|t| (group.first_pair + t) as u32).collect();
            let sums = &mut sums[..pairs.len() * rows.len()];
            product(backend.level, &experts.each[group.expert].down, &hidden, &pairs, rows.clone(), sums);
            for ((sums, &token), &weight) in sums.chunks_exact(rows.len()).zip(&group.tokens).zip(&group.weights) {
                let mixed = &mut mixed[token as usize * rows.len()..][..rows.len()];
                for (mixed, sum) in mixed.iter_mut().zip(sums) {
                    *mixed += weight * sum;
                }
            }
        }
        for (t, mixed) in mixed.chunks_exact(rows.len()).enumerate() {
            // SAFETY: tasks have disjoint columns of every row.
            super::o_proj::add(unsafe { parts.part(t * height + rows.start, rows.len()) }, mixed);
        }
    });
}

/// Chosen experts ascending, so that every row adds its own in ascending order.
fn groups(routes: &Routes, experts: usize) -> Vec<Group> {
    let chosen = &routes.chosen;
    let mut of_expert: Vec<Option<Group>> = (0..experts).map(|_| None).collect();
    for (index, (&expert, &weight)) in chosen.ids.iter().zip(&chosen.weights).enumerate() {
        let expert = usize::from(expert);
        let group = of_expert[expert].get_or_insert_with(|| Group {
            expert,
            tokens: Vec::new(),
            weights: Vec::new(),
            first_pair: 0,
        });
        group.tokens.push((index / chosen.top_k) as u32);
        group.weights.push(weight);
    }
    let mut groups: Vec<Group> = of_expert.into_iter().flatten().collect();
    let mut first_pair = 0;
    for group in &mut groups {
        group.first_pair = first_pair;
        first_pair += group.tokens.len();
    }
    groups
}
