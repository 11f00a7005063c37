//! Times of ops on a GPU beside limits measured in the same run: how fast memory reads and how fast the clock lets a kernel start. Rows are
//! those of packages/bench (`goal` names the row of docs/cuda.md that it decides). Real dimensions of MiMo-V2-Flash; weights are random bytes.

mod shapes;

use mimokit_cuda::arguments::{ReadProbe, ReadProbeArgs};
use mimokit_cuda::device::{Device, Memory};
use mimokit_cuda::driver::Gpu;
use mimokit_cuda::{CudaBackend, CudaOptions, Result};
use mimokit_model::backend::{Backend, Queries};
use mimokit_model::kv::KvDtype;
use mimokit_model::{Error as ModelError, Result as ModelResult};
use serde_json::json;

use crate::report::{Report, line};
use shapes::{Bench, HIDDEN};

/// Timed repetitions; the median counts.
const REPEATS: usize = 30;
/// More than any L2, so that a probe reads memory.
const PROBE_BYTES: usize = 2 << 30;

/// A measured row.
struct Row<'r> {
    goal: &'r str,
    op: &'r str,
    shape: String,
    /// Median seconds of one run.
    seconds: f64,
    /// Bytes that must be read, and FLOPs that must be done.
    bytes: f64,
    flops: f64,
}

/// All benches. A goal's number is printed, not judged: the machine of the run is part of the row.
///
/// # Errors
/// What the device says; out of memory skips the rows that need it.
pub fn run(report: &Report, ordinal: usize) -> Result<()> {
    let gpu = Gpu::open(ordinal)?;
    let read = read_bandwidth(&gpu)?;
    line(&json!({ "limit": "memory read", "value": read, "unit": "bytes/s" }));
    let empty = median(&gpu, || launch_nothing(&gpu))?;
    line(&json!({ "limit": "launch of an empty kernel", "value": empty, "unit": "s" }));
    for kv in [KvDtype::Bf16, KvDtype::Fp8] {
        let backend = CudaBackend::new(Gpu::open(ordinal)?, CudaOptions { kv, quantise_activations: true });
        let bench = Bench::new(&backend);
        for (name, rows) in [
            ("moe", moe(&bench, kv)),
            ("o_proj and lm_head", linears(&bench, kv)),
            ("attention", attention(&bench, kv)),
            ("layers", layers(&bench, kv)),
        ] {
            if !report.wants(name) {
                continue;
            }
            match rows {
                Ok(rows) => rows.iter().for_each(|row| print(row, read)),
                Err(error) => line(&json!({ "bench": name, "skipped": error.to_string() })),
            }
        }
    }
    Ok(())
}

fn print(row: &Row<'_>, read: f64) {
    let bound = row.bytes / read;
    line(&json!({
        "goal": row.goal, "op": row.op, "shape": row.shape, "value": row.seconds, "unit": "s", "bound": bound,
        "fraction": bound / row.seconds, "bytes": row.bytes, "tflops": row.flops / row.seconds / 1e12,
    }));
}

/// Median device time of `work`, warm.
fn median(gpu: &Gpu, work: impl Fn() -> Result<()>) -> Result<f64> {
    for _ in 0..3 {
        work()?;
    }
    let mut times = Vec::with_capacity(REPEATS);
    for _ in 0..REPEATS {
        times.push(gpu.time(&work)?);
    }
    times.sort_by(f64::total_cmp);
    Ok(times[REPEATS / 2])
}

fn timed(backend: &CudaBackend<Gpu>, work: impl Fn() -> ModelResult<()>) -> ModelResult<f64> {
    let as_device = |error: ModelError| mimokit_cuda::Error::Unsupported(error.to_string());
    Ok(median(backend.device(), || work().map_err(as_device))?)
}

/// Best streaming read.
fn read_bandwidth(gpu: &Gpu) -> Result<f64> {
    let memory = gpu.allocate(PROBE_BYTES)?;
    let sums = gpu.allocate(4 * 4096)?;
    let arguments = ReadProbeArgs { from: memory.address(), sums: sums.address(), loads: (PROBE_BYTES / 16) as u64 };
    // SAFETY: the kernel reads `loads` times 16 bytes and writes one word a block.
    let seconds = median(gpu, || unsafe { gpu.launch(&ReadProbe(arguments), [4096, 1, 1], 0) })?;
    Ok(PROBE_BYTES as f64 / seconds)
}

fn launch_nothing(gpu: &Gpu) -> Result<()> {
    let arguments = ReadProbeArgs::default();
    // SAFETY: no loads, and a null list of sums is not written.
    unsafe { gpu.launch(&ReadProbe(arguments), [1, 1, 1], 0) }
}

/// G1, G2: a whole MoE layer, router to combine.
fn moe(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    if kv != KvDtype::Bf16 {
        return Ok(Vec::new());
    }
    let weights = bench.moe()?;
    let mut rows = Vec::new();
    for tokens in [1, 2, 4, 8, 16, 32, 64, 128] {
        let x = bench.act(tokens, HIDDEN)?;
        let routes = bench.backend.router(&x, &weights)?;
        let mut experts = bench.backend.read_routes(&routes)?.ids;
        experts.sort_unstable();
        experts.dedup();
        let seconds = timed(bench.backend, || {
            let mut y = bench.backend.take_rows(&x, &shapes::all(tokens))?;
            let routes = bench.backend.router(&x, &weights)?;
            bench.backend.moe(&routes, &weights, &mut y)
        })?;
        rows.push(Row {
            goal: if tokens <= 8 { "G1" } else { "G2" },
            op: "moe",
            shape: format!("{tokens} tokens, {} experts", experts.len()),
            seconds,
            bytes: experts.len() as f64 * shapes::EXPERT_BYTES + shapes::ROUTER_BYTES,
            flops: tokens as f64 * 8.0 * 2.0 * shapes::EXPERT_BYTES,
        });
    }
    Ok(rows)
}

/// G4: BF16 projections of few rows.
fn linears(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    if kv != KvDtype::Bf16 {
        return Ok(Vec::new());
    }
    let attention = bench.attention(4, None)?;
    let head = bench.head()?;
    let norm = bench.norm()?;
    let mut rows = Vec::new();
    for tokens in [1, 2, 4, 8] {
        let attended = bench.act(tokens, 8192)?;
        let x = bench.act(tokens, HIDDEN)?;
        let list = shapes::all(tokens);
        let o_proj = timed(bench.backend, || {
            let mut y = bench.backend.take_rows(&x, &list)?;
            bench.backend.o_proj(&attended, &attention, &mut y)
        })?;
        let lm_head = timed(bench.backend, || bench.backend.lm_head(&x, &list, &norm, 1e-5, &head).map(drop))?;
        for (op, seconds, bytes) in
            [("o_proj", o_proj, 8192.0 * 4096.0 * 2.0), ("lm_head", lm_head, 152_576.0 * 4096.0 * 2.0)]
        {
            let flops = tokens as f64 * bytes;
            rows.push(Row { goal: "G4", op, shape: format!("{tokens} rows"), seconds, bytes, flops });
        }
    }
    Ok(rows)
}

/// G5, G6, G7: decode attention over long contexts, the window, and four tokens against one.
fn attention(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    let element = if kv == KvDtype::Fp8 { 1.0 } else { 2.0 };
    let mut rows = Vec::new();
    let global = bench.attention(4, None)?;
    for (sequences, context, tokens) in [(1, 32_768, 1), (1, 32_768, 4), (1, 131_072, 1), (16, 32_768, 1)] {
        let (step, qkv, mut pools) = bench.decode(&global, sequences, context, tokens)?;
        let pools = std::cell::RefCell::new(&mut pools);
        let seconds = timed(bench.backend, || {
            bench.backend.attn_global(&step, &qkv, &global, &mut pools.borrow_mut(), 0, Queries::All).map(drop)
        })?;
        rows.push(Row {
            goal: if tokens > 1 { "G7" } else { "G5" },
            op: "attn_global",
            shape: format!("{sequences} x {tokens} rows at {context}, {kv:?}"),
            seconds,
            bytes: (sequences * context * 4 * 320) as f64 * element,
            flops: (sequences * context * tokens * 64 * 640) as f64,
        });
    }
    let window = bench.attention(8, Some(128))?;
    for (sequences, context) in [(1, 1024), (1, 131_072), (16, 1024)] {
        let (step, qkv, mut pools) = bench.decode(&window, sequences, context, 1)?;
        let pools = std::cell::RefCell::new(&mut pools);
        let seconds = timed(bench.backend, || {
            bench.backend.attn_window(&step, &qkv, &window, &mut pools.borrow_mut(), 0, Queries::All).map(drop)
        })?;
        rows.push(Row {
            goal: "G6",
            op: "attn_window",
            shape: format!("{sequences} rows at {context}, {kv:?}"),
            seconds,
            bytes: (sequences * 128 * 8 * 320) as f64 * element,
            flops: (sequences * 128 * 64 * 640) as f64,
        });
    }
    Ok(rows)
}

/// G9: one sliding MoE layer of a decode step, launch by launch.
fn layers(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    if kv != KvDtype::Bf16 {
        return Ok(Vec::new());
    }
    let attention = bench.attention(8, Some(128))?;
    let moe = bench.moe()?;
    let x = bench.act(1, HIDDEN)?;
    let (step, _, mut pools) = bench.decode(&attention, 1, 4096, 1)?;
    let pools = std::cell::RefCell::new(&mut pools);
    let seconds = timed(bench.backend, || {
        let mut x = bench.backend.take_rows(&x, &[0])?;
        let qkv = bench.backend.qkv_rope(&step, &x, &attention)?;
        let attended = bench.backend.attn_window(&step, &qkv, &attention, &mut pools.borrow_mut(), 0, Queries::All)?;
        bench.backend.o_proj(&attended, &attention, &mut x)?;
        let routes = bench.backend.router(&x, &moe)?;
        bench.backend.moe(&routes, &moe, &mut x)
    })?;
    let bytes = 60_817_408.0 + 67_108_864.0 + 8.0 * shapes::EXPERT_BYTES + shapes::ROUTER_BYTES;
    Ok(vec![Row {
        goal: "G9",
        op: "layer",
        shape: "1 token, sliding and MoE".into(),
        seconds,
        bytes,
        flops: 2.0 * bytes,
    }])
}
