// Cases of qkv_rope, attn_global, attn_window, o_proj and kv_copy.

use mimokit_model::backend::{Qkv, Queries};
use mimokit_model::kv::{KvCopy, KvLayout, KvShape};
use mimokit_model::pass::{Pass, Rope, Span};
use mimokit_model::weights::{AttentionShape, AttentionWeights, QkvBiases};
use mimokit_model::{Backend, Result};

use super::OpCase;
use super::inputs::{FP8, Inputs, Stored};

/// Sizes of an attention under test.
#[derive(Clone, Copy, Debug)]
pub struct Sizes {
    hidden: usize,
    heads: usize,
    kv_heads: usize,
    qk_dim: usize,
    v_dim: usize,
    rotary_dim: usize,
    stored: Stored,
    biases: bool,
    sinks: bool,
    window_keys: Option<usize>,
}

const PLAIN: Sizes = Sizes {
    hidden: 64,
    heads: 8,
    kv_heads: 2,
    qk_dim: 48,
    v_dim: 32,
    rotary_dim: 16,
    stored: Stored::Bf16,
    biases: false,
    sinks: false,
    window_keys: None,
};

const ODD: Sizes =
    Sizes { hidden: 131, heads: 3, kv_heads: 3, qk_dim: 22, v_dim: 13, rotary_dim: 22, stored: Stored::F32, ..PLAIN };

const REAL_HEADS: Sizes = Sizes {
    hidden: 320,
    heads: 4,
    kv_heads: 1,
    qk_dim: 192,
    v_dim: 128,
    rotary_dim: 64,
    stored: FP8,
    biases: true,
    sinks: true,
    ..PLAIN
};

fn weights<B: Backend>(backend: &B, sizes: &Sizes, inputs: &mut Inputs) -> Result<AttentionWeights<B>> {
    let Sizes { hidden, heads, kv_heads, qk_dim, v_dim, stored, .. } = *sizes;
    let (q, k, v) = (heads * qk_dim, kv_heads * qk_dim, kv_heads * v_dim);
    let vector = |values: Vec<f32>| backend.upload_vector(&values);
    let biases = if sizes.biases {
        Some(QkvBiases {
            q: vector(inputs.numbers(q, 0.5))?,
            k: vector(inputs.numbers(k, 0.5))?,
            v: vector(inputs.numbers(v, 0.5))?,
        })
    } else {
        None
    };
    let sinks = if sizes.sinks { Some(vector(inputs.numbers(heads, 1.0))?) } else { None };
    Ok(AttentionWeights {
        shape: AttentionShape {
            heads,
            kv_heads,
            qk_dim,
            v_dim,
            rope: 1,
            value_scale: 0.707,
            window_keys: sizes.window_keys,
            eps: 1e-5,
        },
        norm: vector(inputs.norm(hidden))?,
        q: backend.upload_matrix(&inputs.linear(q, hidden, stored))?,
        k: backend.upload_matrix(&inputs.linear(k, hidden, stored))?,
        v: backend.upload_matrix(&inputs.linear(v, hidden, stored))?,
        biases,
        o: backend.upload_matrix(&inputs.linear(hidden, heads * v_dim, stored))?,
        sinks,
    })
}

fn ropes(sizes: &Sizes) -> [Rope; 2] {
    [Rope { dim: 2, theta: 10.0 }, Rope { dim: sizes.rotary_dim, theta: 5e6 }]
}

fn fresh<B: Backend>(backend: &B, sizes: &Sizes, rows: usize, inputs: &mut Inputs) -> Result<Qkv<B>> {
    let mut act = |width: usize| backend.write(&inputs.numbers(rows * width, 1.0), width);
    Ok(Qkv {
        q: act(sizes.heads * sizes.qk_dim)?,
        k: act(sizes.kv_heads * sizes.qk_dim)?,
        v: act(sizes.kv_heads * sizes.v_dim)?,
    })
}

/// A pass over spans (start, rows); span i uses window `spans - 1 - i` and blocks in falling order.
fn pass(spans: &[(u32, usize)], block_tokens: usize, inputs: &mut Inputs) -> Pass {
    let mut pass = Pass::default();
    let blocks_of = |&(start, rows): &(u32, usize)| (start as usize + rows).div_ceil(block_tokens);
    let mut next_block: usize = spans.iter().map(blocks_of).sum();
    for (index, span) in spans.iter().enumerate() {
        let (start, rows) = *span;
        let first = pass.rows();
        pass.ids.extend(inputs.ids(rows, 50));
        pass.positions.extend(start..start + rows as u32);
        let first_block = pass.blocks.len();
        for _ in 0..blocks_of(span) {
            next_block -= 1;
            pass.blocks.push(next_block as u32);
        }
        pass.spans.push(Span {
            rows: first..pass.rows(),
            start,
            window: (spans.len() - 1 - index) as u32,
            blocks: first_block..pass.blocks.len(),
        });
    }
    pass
}

fn layout(sizes: &Sizes, passes: &[&Pass], block_tokens: usize, ring: usize) -> KvLayout {
    let shape = KvShape { kv_heads: sizes.kv_heads, qk_dim: sizes.qk_dim, v_dim: sizes.v_dim };
    KvLayout {
        block_tokens,
        blocks: passes.iter().map(|pass| pass.blocks.len()).max().unwrap_or(0).max(1) + 1,
        windows: passes.iter().map(|pass| pass.spans.len()).max().unwrap_or(1) + 1,
        global: vec![shape; 2],
        rings: vec![shape; 2],
        ring,
        kept_hidden: 2,
        hidden: sizes.hidden,
    }
}

#[derive(Clone, Debug)]
pub struct QkvRope(Sizes, usize);

impl QkvRope {
    pub fn cases() -> Vec<QkvRope> {
        vec![QkvRope(PLAIN, 1), QkvRope(PLAIN, 9), QkvRope(ODD, 5), QkvRope(REAL_HEADS, 1), QkvRope(REAL_HEADS, 34)]
    }
}

impl OpCase for QkvRope {
    fn name(&self) -> String {
        format!("qkv_rope of {} rows, {:?}", self.1, self.0)
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let QkvRope(sizes, rows) = self;
        let inputs = &mut Inputs::new(1);
        let weights = weights(backend, sizes, inputs)?;
        let step = backend.begin(&pass(&[(70_000, *rows)], 100_000, inputs), &ropes(sizes))?;
        let x = backend.write(&inputs.numbers(rows * sizes.hidden, 2.0), sizes.hidden)?;
        let qkv = backend.qkv_rope(&step, &x, &weights)?;
        Ok([backend.read(&qkv.q)?, backend.read(&qkv.k)?, backend.read(&qkv.v)?].concat())
    }
}

/// Two passes over the same sequences, so that the second reads what the first stored.
#[derive(Clone, Debug)]
pub struct AttnGlobal {
    sizes: Sizes,
    block_tokens: usize,
    first: Vec<(u32, usize)>,
    second: Vec<(u32, usize)>,
    /// Queried rows of the second pass; all if `None`.
    queries: Option<Vec<u32>>,
}

impl AttnGlobal {
    pub fn cases() -> Vec<AttnGlobal> {
        let case = |sizes, block_tokens, first: &[_], second: &[_], queries: Option<&[u32]>| AttnGlobal {
            sizes,
            block_tokens,
            first: first.to_vec(),
            second: second.to_vec(),
            queries: queries.map(<[u32]>::to_vec),
        };
        vec![
            case(PLAIN, 4, &[(0, 7)], &[(7, 1)], None),
            case(ODD, 3, &[(0, 5), (0, 1), (0, 9)], &[(5, 4), (1, 1), (9, 2)], None),
            case(REAL_HEADS, 16, &[(0, 70), (0, 33)], &[(70, 4), (33, 1)], None),
            case(PLAIN, 32, &[(0, 200)], &[(200, 40)], None),
            case(PLAIN, 5, &[(0, 11), (0, 3)], &[(11, 3), (3, 2)], Some(&[2, 4])),
            case(PLAIN, 5, &[(0, 11)], &[(11, 3)], Some(&[])),
        ]
    }
}

impl OpCase for AttnGlobal {
    fn name(&self) -> String {
        format!("attn_global {self:?}")
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let inputs = &mut Inputs::new(2);
        let weights = weights(backend, &self.sizes, inputs)?;
        // The second pass names every block; the first uses those it needs.
        let second = pass(&self.second, self.block_tokens, inputs);
        let mut first = pass(&self.first, self.block_tokens, inputs);
        first.blocks = second.blocks.clone();
        for (span, later) in first.spans.iter_mut().zip(&second.spans) {
            span.blocks = later.blocks.clone();
        }
        let mut kv = backend.kv_new(&layout(&self.sizes, &[&first, &second], self.block_tokens, 1))?;
        let mut values = Vec::new();
        for (pass, queries) in [(&first, None), (&second, self.queries.as_deref())] {
            let step = backend.begin(pass, &ropes(&self.sizes))?;
            let qkv = fresh(backend, &self.sizes, pass.rows(), inputs)?;
            let queries = queries.map_or(Queries::All, Queries::Rows);
            let attended = backend.attn_global(&step, &qkv, &weights, &mut kv, 1, queries)?;
            values.extend(backend.read(&attended)?);
        }
        Ok(values)
    }
}

/// Passes over the same windows, one after the other.
#[derive(Clone, Debug)]
pub struct AttnWindow {
    sizes: Sizes,
    ring: usize,
    passes: Vec<Vec<(u32, usize)>>,
    queries: Option<Vec<u32>>,
}

impl AttnWindow {
    pub fn cases() -> Vec<AttnWindow> {
        let case = |sizes: Sizes, window: usize, extra: usize, passes: &[&[(u32, usize)]]| AttnWindow {
            sizes: Sizes { window_keys: Some(window), sinks: true, ..sizes },
            ring: window + extra,
            passes: passes.iter().map(|spans| spans.to_vec()).collect(),
            queries: None,
        };
        vec![
            case(PLAIN, 8, 2, &[&[(0, 3)], &[(3, 1)], &[(4, 4)], &[(6, 4)], &[(10, 30)], &[(40, 1)]]),
            case(PLAIN, 8, 0, &[&[(0, 20)], &[(20, 1)], &[(21, 8)]]),
            case(PLAIN, 1, 0, &[&[(0, 3)], &[(3, 2)]]),
            case(ODD, 5, 3, &[&[(0, 4), (0, 7)], &[(4, 3), (7, 1)], &[(6, 2), (8, 4)]]),
            case(REAL_HEADS, 128, 2, &[&[(0, 127), (0, 300)], &[(127, 4), (300, 4)], &[(129, 4), (302, 1)]]),
            AttnWindow {
                sizes: Sizes { sinks: false, ..case(PLAIN, 6, 2, &[]).sizes },
                queries: Some(vec![1, 3]),
                ..case(PLAIN, 6, 2, &[&[(0, 2), (0, 2)], &[(1, 3), (2, 2)]])
            },
            AttnWindow { queries: Some(Vec::new()), ..case(PLAIN, 6, 2, &[&[(0, 9)], &[(9, 1)]]) },
        ]
    }
}

impl OpCase for AttnWindow {
    fn name(&self) -> String {
        format!("attn_window {self:?}")
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let inputs = &mut Inputs::new(3);
        let weights = weights(backend, &self.sizes, inputs)?;
        let passes: Vec<Pass> = self.passes.iter().map(|spans| pass(spans, 1000, inputs)).collect();
        let all: Vec<&Pass> = passes.iter().collect();
        let mut kv = backend.kv_new(&layout(&self.sizes, &all, 1, self.ring))?;
        let mut values = Vec::new();
        for (index, pass) in passes.iter().enumerate() {
            let step = backend.begin(pass, &ropes(&self.sizes))?;
            let qkv = fresh(backend, &self.sizes, pass.rows(), inputs)?;
            // The listed queries hold for all passes but the last, which shows what was written.
            let queries = match &self.queries {
                Some(rows) if index + 1 < passes.len() => Queries::Rows(rows),
                _ => Queries::All,
            };
            let attended = backend.attn_window(&step, &qkv, &weights, &mut kv, 1, queries)?;
            values.extend(backend.read(&attended)?);
        }
        Ok(values)
    }
}

#[derive(Clone, Debug)]
pub struct OProj(Sizes, usize);

impl OProj {
    pub fn cases() -> Vec<OProj> {
        vec![OProj(PLAIN, 1), OProj(ODD, 7), OProj(REAL_HEADS, 33)]
    }
}

impl OpCase for OProj {
    fn name(&self) -> String {
        format!("o_proj of {} rows, {:?}", self.1, self.0)
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let OProj(sizes, rows) = self;
        let inputs = &mut Inputs::new(4);
        let weights = weights(backend, sizes, inputs)?;
        let width = sizes.heads * sizes.v_dim;
        let attended = backend.write(&inputs.numbers(rows * width, 1.0), width)?;
        let mut x = backend.write(&inputs.numbers(rows * sizes.hidden, 1.0), sizes.hidden)?;
        backend.o_proj(&attended, &weights, &mut x)?;
        backend.read(&x)
    }
}

/// A window and a block are written, copied, and read in their new places.
#[derive(Clone, Debug)]
pub struct KvCopyCase(Sizes);

impl KvCopyCase {
    pub fn cases() -> Vec<KvCopyCase> {
        vec![KvCopyCase(Sizes { window_keys: Some(6), ..PLAIN }), KvCopyCase(Sizes { window_keys: Some(4), ..ODD })]
    }
}

impl OpCase for KvCopyCase {
    fn name(&self) -> String {
        format!("kv_copy {:?}", self.0)
    }

    fn run<B: Backend>(&self, backend: &B) -> Result<Vec<f32>> {
        let KvCopyCase(sizes) = self;
        let inputs = &mut Inputs::new(5);
        let weights = weights(backend, sizes, inputs)?;
        let first = pass(&[(0, 9)], 16, inputs);
        let mut kv = backend.kv_new(&layout(sizes, &[&first], 16, 7))?;
        let step = backend.begin(&first, &ropes(sizes))?;
        let qkv = fresh(backend, sizes, 9, inputs)?;
        backend.attn_global(&step, &qkv, &weights, &mut kv, 0, Queries::Rows(&[]))?;
        backend.attn_window(&step, &qkv, &weights, &mut kv, 0, Queries::Rows(&[]))?;
        backend.kv_copy(&mut kv, &[KvCopy::Window { from: 0, to: 1 }, KvCopy::Block { from: 0, to: 1 }])?;

        let mut second = pass(&[(9, 2)], 16, inputs);
        second.blocks = vec![1];
        second.spans[0].window = 1;
        let step = backend.begin(&second, &ropes(sizes))?;
        let qkv = fresh(backend, sizes, 2, inputs)?;
        let global = backend.attn_global(&step, &qkv, &weights, &mut kv, 0, Queries::All)?;
        let window = backend.attn_window(&step, &qkv, &weights, &mut kv, 0, Queries::All)?;
        Ok([backend.read(&global)?, backend.read(&window)?].concat())
    }
}
