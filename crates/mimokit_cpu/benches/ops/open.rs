//! open: all 313 GB of the shell checkpoint, which are holes: config, index, the headers of 143 shards, every check of them (C8).

use std::time::Instant;

use crate::real;
use crate::report::Row;

pub fn run(rounds: usize) {
    let checkpoint = real::open("shell");
    let (tensors, bytes) = (checkpoint.tensors().count(), checkpoint.total_bytes());
    let shape = format!("{tensors} tensors, {:.1} GB, headers in the page cache", bytes as f64 / 1e9);
    let mut row = Row::new("open a checkpoint", shape, "ms");
    (row.goal, row.target) = (Some("C8"), Some(100.0));
    for _ in 0..rounds {
        let start = Instant::now();
        let checkpoint = real::open("shell");
        row.values.push(start.elapsed().as_secs_f64() * 1e3);
        drop(checkpoint);
    }
    row.print();
}
