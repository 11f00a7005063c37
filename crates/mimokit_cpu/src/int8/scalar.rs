//! INT8 products in plain Rust: any processor, and what the others are held against.

use super::{GROUP, Job, OFFSET, QUAD, Sums, quads_of};

pub(super) fn run(job: &Job<'_>, mut sums: Sums<'_>) {
    for group in job.groups.clone() {
        for (token, (x, x_scales)) in job.x.iter().zip(job.x_scales).enumerate() {
            let mut running = [0.0_f32; GROUP];
            for block in 0..job.weights.blocks {
                let inputs = &x[quads_of(job.weights.quads, block).start * QUAD..];
                let mut dots = [0_i32; GROUP];
                let quads = job.weights.block(group, block).as_chunks::<{ GROUP * QUAD }>().0;
                for (weights, x) in quads.iter().zip(inputs.as_chunks::<QUAD>().0) {
                    let x = x.map(|x| i32::from(x) - OFFSET);
                    for (dot, w) in dots.iter_mut().zip(weights.as_chunks::<QUAD>().0) {
                        for (w, x) in w.iter().zip(x) {
                            *dot += i32::from(*w) * x;
                        }
                    }
                }
                for ((running, dot), scale) in running.iter_mut().zip(dots).zip(job.weights.scales(group, block)) {
                    *running = (dot as f32).mul_add(scale * x_scales[block], *running);
                }
            }
            sums.put(token, group, &running);
        }
    }
}
