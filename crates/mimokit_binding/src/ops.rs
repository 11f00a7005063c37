//! Ops alone over plain arrays, for tests, benches and research: they run on the calling thread, at once.

use std::sync::Arc;

use mimokit_checkpoint::{BlockScales, Dtype, Linear, SharedBytes};
use mimokit_cpu::{CpuBackend, CpuOptions, Matrix, fp8};
use mimokit_model::backend::{Backend, Qkv, Queries};
use mimokit_model::kv::{KvLayout, KvShape};
use mimokit_model::pass::{Pass, Span};
use mimokit_model::weights::{AttentionShape, AttentionWeights, MoeWeights};
use napi::bindgen_prelude::*;
use napi_derive::napi;

use crate::errors::{Failure, without_panic};

/// Sizes of `attnWindow`.
#[napi(object, object_to_js = false)]
pub struct AttnWindowShape {
    pub heads: u32,
    pub kv_heads: u32,
    pub qk_dim: u32,
    pub v_dim: u32,
    /// Keys a query sees, itself included.
    pub window_keys: u32,
}

/// Sizes of `router`.
#[napi(object, object_to_js = false)]
pub struct RouterShape {
    pub experts: u32,
    pub top_k: u32,
    pub eps: f64,
}

/// Chosen experts [n, topK], ascending, and their mixing weights.
#[napi(object, object_from_js = false)]
pub struct RouterResult {
    pub ids: Uint16Array,
    pub weights: Float32Array,
}

/// The values of E4M3 bytes; NaN for 0x7f and 0xff.
#[napi]
pub fn fp8_decode(bytes: &[u8]) -> Float32Array {
    Float32Array::new(bytes.iter().map(|byte| fp8::DECODED[usize::from(*byte)]).collect())
}

/// The nearest E4M3 bytes, ties to even, after clamping to ±448.
#[napi]
pub fn fp8_encode(values: &[f32]) -> Uint8Array {
    Uint8Array::new(values.iter().map(|x| fp8::encode(*x)).collect())
}

/// y [n, rows] = W x for E4M3 weights [rows, columns] with scales [ceil(rows / 128), ceil(columns / 128)] and x [n, columns]; with
/// `quantise`, x is rounded to E4M3 per 128 columns first.
#[napi]
pub fn fp8_linear(x: &[f32], weight: &[u8], scales: &[f32], columns: u32, quantise: bool) -> Result<Float32Array> {
    alone(|| {
        let columns = columns as usize;
        let rows = whole("weight", weight.len(), columns)?;
        whole("x", x.len(), columns)?;
        let col_blocks = columns.div_ceil(fp8::BLOCK);
        exact("scales", scales.len(), rows.div_ceil(fp8::BLOCK) * col_blocks)?;
        let backend =
            CpuBackend::new(&CpuOptions { threads: Some(1), quantise_activations: quantise, ..CpuOptions::default() })?;
        let scales = BlockScales {
            block_cols: fp8::BLOCK,
            col_blocks,
            row_index: (0..rows).map(|row| (row / fp8::BLOCK) as u32).collect(),
            values: Arc::from(scales),
        };
        let weight = matrix(&backend, Dtype::F8E4M3, rows, columns, weight.to_vec(), Some(scales))?;
        let y = backend.multiply(&weight, &backend.write(x, columns)?);
        Ok(backend.read(&y)?.into())
    })
}

/// Sliding-window attention of positions 0..n with learned sinks (one per head; empty: none): q [n, heads, qkDim], k [n, kvHeads, qkDim],
/// v [n, kvHeads, vDim] -> [n, heads, vDim].
#[napi]
pub fn attn_window(q: &[f32], k: &[f32], v: &[f32], sinks: &[f32], shape: AttnWindowShape) -> Result<Float32Array> {
    alone(|| {
        let AttnWindowShape { heads, kv_heads, qk_dim, v_dim, window_keys } = shape;
        let [heads, kv_heads, qk_dim, v_dim, window_keys] =
            [heads, kv_heads, qk_dim, v_dim, window_keys].map(|size| size as usize);
        if kv_heads == 0 || heads == 0 || !heads.is_multiple_of(kv_heads) || v_dim == 0 || window_keys == 0 {
            return Err(wrong("heads must be a multiple of kvHeads, and no size 0"));
        }
        let rows = whole("q", q.len(), heads * qk_dim)?;
        exact("k", k.len(), rows * kv_heads * qk_dim)?;
        exact("v", v.len(), rows * kv_heads * v_dim)?;
        if !sinks.is_empty() {
            exact("sinks", sinks.len(), heads)?;
        }
        let backend = CpuBackend::new(&CpuOptions { threads: Some(1), ..CpuOptions::default() })?;
        let none = || matrix(&backend, Dtype::F32, 0, 0, Vec::new(), None);
        let weights = AttentionWeights::<CpuBackend> {
            shape: AttentionShape {
                heads,
                kv_heads,
                qk_dim,
                v_dim,
                rope: 0,
                value_scale: 1.0,
                window_keys: Some(window_keys),
                eps: 0.0,
            },
            norm: Vec::new(),
            q: none()?,
            k: none()?,
            v: none()?,
            biases: None,
            o: none()?,
            sinks: if sinks.is_empty() { None } else { Some(sinks.to_vec()) },
        };
        let mut kv = backend.kv_new(&KvLayout {
            block_tokens: 16,
            blocks: 0,
            windows: 1,
            global: Vec::new(),
            rings: vec![KvShape { kv_heads, qk_dim, v_dim }],
            ring: window_keys,
            kept_hidden: 0,
            hidden: 0,
        })?;
        let pass = Pass {
            ids: vec![0; rows],
            positions: (0..rows as u32).collect(),
            spans: vec![Span { rows: 0..rows, start: 0, window: 0, blocks: 0..0 }],
            blocks: Vec::new(),
        };
        let step = backend.begin(&pass, &[])?;
        let qkv = Qkv {
            q: backend.write(q, heads * qk_dim)?,
            k: backend.write(k, kv_heads * qk_dim)?,
            v: backend.write(v, kv_heads * v_dim)?,
        };
        let out = backend.attn_window(&step, &qkv, &weights, &mut kv, 0, Queries::All)?;
        Ok(backend.read(&out)?.into())
    })
}

/// The router of a MoE layer: x [n, hidden] through RMSNorm with `norm`, sigmoid scores of gate [experts, hidden], the topK largest of
/// score + bias, their scores divided by their sum.
#[napi]
pub fn router(x: &[f32], norm: &[f32], gate: &[f32], bias: &[f32], shape: RouterShape) -> Result<RouterResult> {
    alone(|| {
        let experts = shape.experts as usize;
        let top_k = shape.top_k as usize;
        let hidden = norm.len();
        whole("x", x.len(), hidden)?;
        exact("gate", gate.len(), experts * hidden)?;
        exact("bias", bias.len(), experts)?;
        if top_k == 0 || top_k > experts || experts > 1 << 16 {
            return Err(wrong("topK must lie in 1..=experts, and experts below 65537"));
        }
        let backend = CpuBackend::new(&CpuOptions { threads: Some(1), ..CpuOptions::default() })?;
        let gate = gate.iter().flat_map(|x| x.to_le_bytes()).collect();
        let weights = MoeWeights::<CpuBackend> {
            norm: norm.to_vec(),
            eps: shape.eps as f32,
            gate: matrix(&backend, Dtype::F32, experts, hidden, gate, None)?,
            selection_bias: bias.to_vec(),
            experts: backend.upload_experts(Vec::new())?,
            expert_count: experts,
            top_k,
            normalise: true,
            scale: 1.0,
        };
        let routes = backend.router(&backend.write(x, hidden)?, &weights)?;
        let chosen = backend.read_routes(&routes)?;
        Ok(RouterResult { ids: chosen.ids.into(), weights: chosen.weights.into() })
    })
}

fn matrix(
    backend: &CpuBackend,
    dtype: Dtype,
    rows: usize,
    cols: usize,
    bytes: Vec<u8>,
    scales: Option<BlockScales>,
) -> std::result::Result<Matrix, Failure> {
    let linear = Linear { name: "weight".into(), rows, cols, dtype, bytes: SharedBytes::owned(bytes), scales };
    Ok(backend.upload_matrix(&linear)?)
}

fn alone<T>(job: impl FnOnce() -> std::result::Result<T, Failure>) -> Result<T> {
    without_panic(job).map_err(Failure::into_napi)
}

/// How many rows of `width` there are.
fn whole(name: &str, length: usize, width: usize) -> std::result::Result<usize, Failure> {
    if width == 0 || length == 0 || !length.is_multiple_of(width) {
        return Err(wrong(&format!("{name} has {length} elements, which are no rows of {width}")));
    }
    Ok(length / width)
}

fn exact(name: &str, length: usize, wanted: usize) -> std::result::Result<(), Failure> {
    if length == wanted { Ok(()) } else { Err(wrong(&format!("{name} has {length} elements, not {wanted}"))) }
}

fn wrong(problem: &str) -> Failure {
    Failure::new("invalid-argument", format!("{problem}."))
}
