//! Weights and passes of MiMo-V2-Flash's dimensions for the benches: random bytes, uploaded once a bench.

use mimokit_checkpoint::{BlockScales, Dtype, Linear, SharedBytes};
use mimokit_cuda::driver::Gpu;
use mimokit_cuda::{Act, CudaBackend, Kv, Matrix, Step, Vector};
use mimokit_model::Result;
use mimokit_model::backend::{Backend, ExpertSource, Qkv};
use mimokit_model::kv::{KvLayout, KvShape};
use mimokit_model::pass::{Pass, Rope, Span};
use mimokit_model::weights::{AttentionShape, AttentionWeights, FfnWeights, MoeWeights};

type Cuda = CudaBackend<Gpu>;

pub(super) const HIDDEN: usize = 4096;
const INNER: usize = 2048;
const EXPERTS: usize = 256;
const BLOCK_TOKENS: usize = 32;
/// Gate, up and down of one expert.
pub(super) const EXPERT_BYTES: f64 = 3.0 * 4096.0 * 2048.0;
pub(super) const ROUTER_BYTES: f64 = 256.0 * 4096.0 * 4.0;
/// q, k and v of a sliding layer.
pub(super) const QKV_BYTES: f64 = 4096.0 * (64.0 * 192.0 + 8.0 * 320.0);
pub(super) const O_BYTES: f64 = 8192.0 * 4096.0 * 2.0;
pub(super) const HEAD_BYTES: f64 = 152_576.0 * 4096.0 * 2.0;
/// The dense feed-forward of an MTP head.
pub(super) const FFN_BYTES: f64 = 3.0 * 4096.0 * 16_384.0;
const DENSE: usize = 16_384;

pub(super) struct Bench<'b> {
    pub(super) backend: &'b Cuda,
    /// Bytes without NaNs of E4M3, as many as the largest weight but the head needs.
    bytes: SharedBytes,
}

/// 0, 1, …, rows - 1.
pub(super) fn all(rows: usize) -> Vec<u32> {
    (0..rows as u32).collect()
}

impl Bench<'_> {
    pub(super) fn new(backend: &Cuda) -> Bench<'_> {
        // Exponents stay below E4M3's largest, and BF16 made of such bytes stays small.
        let bytes = (0..DENSE * HIDDEN).map(|i| ((i as u32).wrapping_mul(2_654_435_761) >> 24) as u8 & 0xbf);
        Bench { backend, bytes: SharedBytes::owned(bytes.collect()) }
    }

    fn fp8(&self, rows: usize, cols: usize) -> Linear {
        let col_blocks = cols / 128;
        Linear {
            name: "bench".into(),
            rows,
            cols,
            dtype: Dtype::F8E4M3,
            bytes: self.bytes.slice(0..rows * cols),
            scales: Some(BlockScales {
                block_cols: 128,
                col_blocks,
                row_index: (0..rows as u32).map(|row| row / 128).collect(),
                values: vec![1e-2; rows.div_ceil(128) * col_blocks].into(),
            }),
        }
    }

    fn plain(&self, dtype: Dtype, rows: usize, cols: usize) -> Linear {
        let length = rows * cols * dtype.bytes();
        let value: &[u8] = if dtype == Dtype::Bf16 { &[0x10, 0x3c] } else { &[0, 0, 0x10, 0x3c] };
        let bytes = SharedBytes::owned(value.iter().copied().cycle().take(length).collect());
        Linear { name: "bench".into(), rows, cols, dtype, bytes, scales: None }
    }

    pub(super) fn act(&self, rows: usize, width: usize) -> Result<Act<Gpu>> {
        let value = |index: usize| ((index * 2_654_435_761) % 1000) as f32 / 500.0 - 1.0;
        self.backend.write(&(0..rows * width).map(value).collect::<Vec<f32>>(), width)
    }

    pub(super) fn norm(&self) -> Result<Vector<Gpu>> {
        self.backend.upload_vector(&[1.0; HIDDEN])
    }

    /// Whether this backend quantises activations.
    pub(super) fn quantises(&self) -> bool {
        self.backend.options().quantise_activations
    }

    /// A dense feed-forward, as MTP heads have.
    pub(super) fn ffn(&self) -> Result<FfnWeights<Cuda>> {
        Ok(FfnWeights {
            norm: self.norm()?,
            eps: 1e-5,
            gate: self.backend.upload_matrix(&self.fp8(DENSE, HIDDEN))?,
            up: self.backend.upload_matrix(&self.fp8(DENSE, HIDDEN))?,
            down: self.backend.upload_matrix(&self.fp8(HIDDEN, DENSE))?,
        })
    }

    pub(super) fn head(&self) -> Result<Matrix<Gpu>> {
        self.backend.upload_matrix(&self.plain(Dtype::Bf16, 152_576, HIDDEN))
    }

    pub(super) fn moe(&self) -> Result<MoeWeights<Cuda>> {
        let experts = (0..EXPERTS).map(|_| ExpertSource {
            gate: self.fp8(INNER, HIDDEN),
            up: self.fp8(INNER, HIDDEN),
            down: self.fp8(HIDDEN, INNER),
        });
        // A gate that sends different rows to different experts.
        let mut gate = self.plain(Dtype::F32, EXPERTS, HIDDEN);
        let values =
            (0..EXPERTS * HIDDEN).map(|i| ((i as u32).wrapping_mul(747_796_405) >> 16) as f32 / 65_536.0 - 0.5);
        gate.bytes = SharedBytes::owned(values.flat_map(f32::to_le_bytes).collect());
        Ok(MoeWeights {
            norm: self.norm()?,
            eps: 1e-5,
            gate: self.backend.upload_matrix(&gate)?,
            selection_bias: self.backend.upload_vector(&[0.0; EXPERTS])?,
            experts: self.backend.upload_experts(experts.collect())?,
            expert_count: EXPERTS,
            top_k: 8,
            normalise: true,
            scale: 1.0,
        })
    }

    /// 64 heads of 192 and 128; global without a window.
    pub(super) fn attention(&self, kv_heads: usize, window_keys: Option<usize>) -> Result<AttentionWeights<Cuda>> {
        let upload = |linear| self.backend.upload_matrix(&linear);
        Ok(AttentionWeights {
            shape: AttentionShape {
                heads: 64,
                kv_heads,
                qk_dim: 192,
                v_dim: 128,
                rope: 0,
                value_scale: 0.707,
                window_keys,
                eps: 1e-5,
            },
            norm: self.norm()?,
            q: upload(self.fp8(64 * 192, HIDDEN))?,
            k: upload(self.fp8(kv_heads * 192, HIDDEN))?,
            v: upload(self.fp8(kv_heads * 128, HIDDEN))?,
            biases: None,
            o: upload(self.plain(Dtype::Bf16, HIDDEN, 64 * 128))?,
            sinks: window_keys.map(|_| self.backend.upload_vector(&[0.0; 64])).transpose()?,
        })
    }

    /// Sequences of `context` positions, each with `tokens` more rows; pools hold whatever the memory held.
    pub(super) fn decode(
        &self,
        weights: &AttentionWeights<Cuda>,
        sequences: usize,
        context: usize,
        tokens: usize,
    ) -> Result<(Step<Gpu>, Qkv<Cuda>, Kv<Gpu>)> {
        let shape = KvShape { kv_heads: weights.shape.kv_heads, qk_dim: 192, v_dim: 128 };
        let is_global = weights.shape.window_keys.is_none();
        let blocks_each = if is_global { (context + tokens).div_ceil(BLOCK_TOKENS) } else { 0 };
        let pools = self.backend.kv_new(&KvLayout {
            block_tokens: BLOCK_TOKENS,
            blocks: sequences * blocks_each,
            windows: sequences,
            global: if is_global { vec![shape] } else { Vec::new() },
            rings: if is_global { Vec::new() } else { vec![shape] },
            ring: 130,
            kept_hidden: 0,
            hidden: HIDDEN,
        })?;
        let rows = sequences * tokens;
        let mut pass = Pass { ids: vec![0; rows], ..Pass::default() };
        for sequence in 0..sequences {
            pass.positions.extend((context..context + tokens).map(|position| position as u32));
            // Blocks of sequences lie between one another, as in a pool in use.
            let first = pass.blocks.len();
            pass.blocks.extend((0..blocks_each).map(|block| (block * sequences + sequence) as u32));
            pass.spans.push(Span {
                rows: sequence * tokens..(sequence + 1) * tokens,
                start: context as u32,
                window: sequence as u32,
                blocks: first..pass.blocks.len(),
            });
        }
        let step = self.backend.begin(&pass, &[Rope { dim: 64, theta: 5e6 }])?;
        let qkv = Qkv {
            q: self.act(rows, 64 * 192)?,
            k: self.act(rows, weights.shape.kv_heads * 192)?,
            v: self.act(rows, weights.shape.kv_heads * 128)?,
        };
        Ok((step, qkv, pools))
    }
}
