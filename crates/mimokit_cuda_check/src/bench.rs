//! Times of ops on a GPU beside limits measured in the same run: how fast memory reads and how fast the clock lets a kernel start. Rows are
//! those of packages/bench (`goal` names the row of docs/cuda.md that it decides). Real dimensions of MiMo-V2-Flash; weights are random bytes.
//! Behind a row comes what each of its launches took, measured in a run of its own.

mod prefill;
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
    launches: Launches,
}

type Launches = Vec<(&'static str, f64)>;

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
    for (kv, quantise_activations) in [(KvDtype::Bf16, true), (KvDtype::Bf16, false), (KvDtype::Fp8, true)] {
        let backend = CudaBackend::new(Gpu::open(ordinal)?, CudaOptions { kv, quantise_activations });
        let bench = Bench::new(&backend);
        for (name, of) in GROUPS {
            if !report.wants(name) {
                continue;
            }
            match of(&bench, kv) {
                Ok(rows) => rows.iter().for_each(|row| print(row, quantise_activations, read)),
                Err(error) => line(&json!({ "bench": name, "skipped": error.to_string() })),
            }
        }
    }
    Ok(())
}

/// Measures the rows of one kind; none where this storage of keys, or these activations, make no difference to rows measured before.
type Group = fn(&Bench<'_>, KvDtype) -> ModelResult<Vec<Row<'static>>>;

const GROUPS: [(&str, Group); 6] = [
    ("bench moe", moe),
    ("bench o_proj and lm_head", linears),
    ("bench attention", attention),
    ("bench layers", layers),
    ("bench prefill products", prefill::products),
    ("bench prefill attention", prefill::attention),
];

fn print(row: &Row<'_>, quantised: bool, read: f64) {
    let bound = row.bytes / read;
    let launches: Vec<_> = row.launches.iter().map(|(kernel, seconds)| json!([kernel, seconds])).collect();
    line(&json!({
        "goal": row.goal, "op": row.op, "shape": row.shape, "activations": if quantised { "fp8" } else { "f32" },
        "value": row.seconds, "unit": "s", "bound": bound, "fraction": bound / row.seconds, "bytes": row.bytes,
        "tflops": row.flops / row.seconds / 1e12, "launches": launches,
    }));
}

/// What `work` takes, and what each of its launches does.
fn measured(backend: &CudaBackend<Gpu>, work: impl Fn() -> ModelResult<()>) -> ModelResult<(f64, Launches)> {
    let seconds = timed(backend, &work)?;
    let as_device = |error: ModelError| mimokit_cuda::Error::Unsupported(error.to_string());
    Ok((seconds, backend.device().profile(|| work().map_err(as_device))?))
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
        let (seconds, launches) = measured(bench.backend, || {
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
            launches,
        });
    }
    Ok(rows)
}

/// G4: BF16 projections of few rows.
fn linears(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    if kv != KvDtype::Bf16 || !bench.quantises() {
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
        let o_proj = measured(bench.backend, || {
            let mut y = bench.backend.take_rows(&x, &list)?;
            bench.backend.o_proj(&attended, &attention, &mut y)
        })?;
        let lm_head = measured(bench.backend, || bench.backend.lm_head(&x, &list, &norm, 1e-5, &head).map(drop))?;
        for (op, (seconds, launches), bytes) in
            [("o_proj", o_proj, 8192.0 * 4096.0 * 2.0), ("lm_head", lm_head, 152_576.0 * 4096.0 * 2.0)]
        {
            let flops = tokens as f64 * bytes;
            rows.push(Row { goal: "G4", op, shape: format!("{tokens} rows"), seconds, bytes, flops, launches });
        }
    }
    Ok(rows)
}

/// G5, G6, G7: decode attention over long contexts, the window, and four tokens against one.
fn attention(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    if !bench.quantises() {
        return Ok(Vec::new());
    }
    let element = if kv == KvDtype::Fp8 { 1.0 } else { 2.0 };
    let mut rows = Vec::new();
    let global = bench.attention(4, None)?;
    for (sequences, context, tokens) in
        [(1, 32_768, 1), (1, 32_768, 4), (1, 131_072, 1), (1, 131_072, 4), (16, 32_768, 1)]
    {
        let (step, qkv, mut pools) = bench.decode(&global, sequences, context, tokens)?;
        let pools = std::cell::RefCell::new(&mut pools);
        let (seconds, launches) = measured(bench.backend, || {
            bench.backend.attn_global(&step, &qkv, &global, &mut pools.borrow_mut(), 0, Queries::All).map(drop)
        })?;
        rows.push(Row {
            goal: if tokens > 1 { "G7" } else { "G5" },
            op: "attn_global",
            shape: format!("{sequences} x {tokens} rows at {context}, {kv:?}"),
            seconds,
            bytes: (sequences * context * 4 * 320) as f64 * element,
            flops: (sequences * context * tokens * 64 * 640) as f64,
            launches,
        });
    }
    let window = bench.attention(8, Some(128))?;
    for (sequences, context) in [(1, 1024), (1, 131_072), (16, 1024)] {
        let (step, qkv, mut pools) = bench.decode(&window, sequences, context, 1)?;
        let pools = std::cell::RefCell::new(&mut pools);
        let (seconds, launches) = measured(bench.backend, || {
            bench.backend.attn_window(&step, &qkv, &window, &mut pools.borrow_mut(), 0, Queries::All).map(drop)
        })?;
        rows.push(Row {
            goal: "G6",
            op: "attn_window",
            shape: format!("{sequences} rows at {context}, {kv:?}"),
            seconds,
            bytes: (sequences * 128 * 8 * 320) as f64 * element,
            flops: (sequences * 128 * 64 * 640) as f64,
            launches,
        });
    }
    Ok(rows)
}

/// G9, and what G10 is made of: one sliding MoE layer of a decode step for one token and for a verification of four, and one draft of an MTP head,
/// launch by launch.
fn layers(bench: &Bench<'_>, kv: KvDtype) -> ModelResult<Vec<Row<'static>>> {
    if kv != KvDtype::Bf16 {
        return Ok(Vec::new());
    }
    let attention = bench.attention(8, Some(128))?;
    let mut rows = Vec::new();
    let moe = bench.moe()?;
    for tokens in [1, 4] {
        let x = bench.act(tokens, HIDDEN)?;
        let (step, _, mut pools) = bench.decode(&attention, 1, 4096, tokens)?;
        let pools = std::cell::RefCell::new(&mut pools);
        let mut experts = bench.backend.read_routes(&bench.backend.router(&x, &moe)?)?.ids;
        experts.sort_unstable();
        experts.dedup();
        let (seconds, launches) = measured(bench.backend, || {
            let mut x = bench.backend.take_rows(&x, &shapes::all(tokens))?;
            let qkv = bench.backend.qkv_rope(&step, &x, &attention)?;
            let pools = &mut pools.borrow_mut();
            let attended = bench.backend.attn_window(&step, &qkv, &attention, pools, 0, Queries::All)?;
            bench.backend.o_proj(&attended, &attention, &mut x)?;
            let routes = bench.backend.router(&x, &moe)?;
            bench.backend.moe(&routes, &moe, &mut x)
        })?;
        let attention_bytes = shapes::QKV_BYTES + shapes::O_BYTES;
        rows.push(Row {
            goal: if tokens == 1 { "G9" } else { "G10" },
            op: "layer",
            shape: format!("{tokens} tokens, sliding and MoE"),
            seconds,
            bytes: attention_bytes + experts.len() as f64 * shapes::EXPERT_BYTES + shapes::ROUTER_BYTES,
            flops: 2.0 * tokens as f64 * (attention_bytes + 8.0 * shapes::EXPERT_BYTES),
            launches,
        });
    }
    drop(moe);
    let (ffn, head, norm) = (bench.ffn()?, bench.head()?, bench.norm()?);
    let x = bench.act(1, HIDDEN)?;
    let (step, _, mut pools) = bench.decode(&attention, 1, 4096, 1)?;
    let pools = std::cell::RefCell::new(&mut pools);
    let (seconds, launches) = measured(bench.backend, || {
        let mut x = bench.backend.take_rows(&x, &[0])?;
        let qkv = bench.backend.qkv_rope(&step, &x, &attention)?;
        let attended = bench.backend.attn_window(&step, &qkv, &attention, &mut pools.borrow_mut(), 0, Queries::All)?;
        bench.backend.o_proj(&attended, &attention, &mut x)?;
        bench.backend.dense_ffn(&ffn, &mut x)?;
        bench.backend.lm_head(&x, &[0], &norm, 1e-5, &head).map(drop)
    })?;
    let bytes = shapes::QKV_BYTES + shapes::O_BYTES + shapes::FFN_BYTES + shapes::HEAD_BYTES;
    rows.push(Row {
        goal: "G10",
        op: "draft",
        shape: "1 token, without its join".into(),
        seconds,
        bytes,
        flops: 2.0 * bytes,
        launches,
    });
    Ok(rows)
}
