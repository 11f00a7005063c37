//! Measurements in turn with their limits, round after round, and what they print: a JSON line each, which
//! packages/bench/src/native.ts reads.

use serde_json::json;

/// One row: what is measured, and in which unit a value and its limit are.
pub struct Row {
    pub goal: Option<&'static str>,
    pub target: Option<f64>,
    pub op: String,
    pub shape: String,
    pub unit: &'static str,
    /// What the limit is; empty when there is none.
    pub bound: String,
    pub values: Vec<f64>,
    pub bounds: Vec<f64>,
}

impl Row {
    pub fn new(op: impl Into<String>, shape: impl Into<String>, unit: &'static str) -> Row {
        let bound = String::new();
        let (values, bounds) = (Vec::new(), Vec::new());
        Row { goal: None, target: None, op: op.into(), shape: shape.into(), unit, bound, values, bounds }
    }

    /// The row decides `goal`: the median value must be at least `target` of the median limit.
    pub fn deciding(mut self, goal: &'static str, target: f64) -> Row {
        (self.goal, self.target) = (Some(goal), Some(target));
        self
    }

    pub fn bounded_by(mut self, bound: impl Into<String>) -> Row {
        self.bound = bound.into();
        self
    }

    pub fn print(&self) {
        let line = json!({
            "goal": self.goal, "target": self.target, "op": self.op, "shape": self.shape, "unit": self.unit,
            "bound": self.bound, "values": self.values, "bounds": self.bounds,
        });
        println!("{line}");
        if !self.values.is_empty() {
            let (value, bound) = (median(&self.values), median(&self.bounds));
            eprintln!("{} | {} | {value:.2} {} of {bound:.2} = {:.3}", self.op, self.shape, self.unit, value / bound);
        }
    }
}

pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// `--rounds N` and the other words of the command line; cargo's own `--bench` is dropped.
pub fn arguments() -> (usize, Vec<String>) {
    let mut words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let at = words.iter().position(|word| word == "--rounds");
    let rounds = at.map_or(25, |at| {
        let rounds = words.get(at + 1).and_then(|word| word.parse().ok()).expect("--rounds N");
        words.drain(at..=at + 1);
        rounds
    });
    (rounds, words)
}
