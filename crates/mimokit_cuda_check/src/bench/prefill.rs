//! Prefill: products of many rows (G3) and attention of a long prompt (G8).

use mimokit_model::Result;
use mimokit_model::backend::{Backend, Queries};
use mimokit_model::kv::KvDtype;

use super::shapes::{self, Bench, HIDDEN};
use super::{Row, measured};

/// G3: a MoE layer of many tokens, and q, k and v. TFLOPS of the products alone: the layer's over the times of its fp8_wgmma launches.
pub(super) fn products(bench: &Bench<'_>, kv: KvDtype) -> Result<Vec<Row<'static>>> {
    if kv != KvDtype::Bf16 || !bench.quantises() {
        return Ok(Vec::new());
    }
    let mut rows = Vec::new();
    let moe = bench.moe()?;
    // 64, 256 and 1024 rows an expert.
    for tokens in [2048, 8192, 32_768] {
        let x = bench.act(tokens, HIDDEN)?;
        let (seconds, launches) = measured(bench.backend, || {
            let mut y = bench.backend.take_rows(&x, &shapes::all(tokens))?;
            let routes = bench.backend.router(&x, &moe)?;
            bench.backend.moe(&routes, &moe, &mut y)
        })?;
        let bytes = 256.0 * shapes::EXPERT_BYTES + shapes::ROUTER_BYTES;
        let flops = tokens as f64 * 8.0 * 2.0 * shapes::EXPERT_BYTES;
        rows.push(Row { goal: "G3", op: "moe", shape: format!("{tokens} tokens"), seconds, bytes, flops, launches });
    }
    drop(moe);
    let attention = bench.attention(8, Some(128))?;
    let tokens = 8192;
    let x = bench.act(tokens, HIDDEN)?;
    let (step, _, _) = bench.decode(&attention, 1, 4096, tokens)?;
    let (seconds, launches) = measured(bench.backend, || bench.backend.qkv_rope(&step, &x, &attention).map(drop))?;
    let flops = 2.0 * tokens as f64 * shapes::QKV_BYTES;
    let shape = format!("{tokens} tokens");
    rows.push(Row { goal: "G3", op: "qkv_rope", shape, seconds, bytes: shapes::QKV_BYTES, flops, launches });
    Ok(rows)
}

/// G8: a prompt of 16,384 tokens, causal and in windows of 128 keys.
pub(super) fn attention(bench: &Bench<'_>, kv: KvDtype) -> Result<Vec<Row<'static>>> {
    if !bench.quantises() {
        return Ok(Vec::new());
    }
    let tokens = 16_384;
    let element = if kv == KvDtype::Fp8 { 1.0 } else { 2.0 };
    let mut rows = Vec::new();
    let shape = format!("{tokens} tokens, {kv:?}");
    let global = bench.attention(4, None)?;
    let (step, qkv, mut pools) = bench.decode(&global, 1, 0, tokens)?;
    let cell = std::cell::RefCell::new(&mut pools);
    let (seconds, launches) = measured(bench.backend, || {
        bench.backend.attn_global(&step, &qkv, &global, &mut cell.borrow_mut(), 0, Queries::All).map(drop)
    })?;
    let flops = 64.0 * 640.0 * (tokens * tokens) as f64 / 2.0;
    let bytes = (tokens * 4 * 320) as f64 * element;
    rows.push(Row { goal: "G8", op: "attn_global", shape: shape.clone(), seconds, bytes, flops, launches });
    drop((step, qkv, pools, global));
    let window = bench.attention(8, Some(128))?;
    let (step, qkv, mut pools) = bench.decode(&window, 1, 0, tokens)?;
    let cell = std::cell::RefCell::new(&mut pools);
    let (seconds, launches) = measured(bench.backend, || {
        bench.backend.attn_window(&step, &qkv, &window, &mut cell.borrow_mut(), 0, Queries::All).map(drop)
    })?;
    let flops = 64.0 * 640.0 * (tokens * 128) as f64;
    let bytes = (tokens * 8 * 320) as f64 * element;
    rows.push(Row { goal: "G8", op: "attn_window", shape, seconds, bytes, flops, launches });
    Ok(rows)
}
