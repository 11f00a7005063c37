// The seam between the forward pass and a device: one method is one op, one kernel file, one bench row.
// Values live on the device behind associated types; what crosses per step is integers in (`Pass`) and picked ids out.
// What is computed, in which order of layers, is forward.rs and mtp.rs; how ids are drawn is pick.rs.
//
// Laws for every op:
// - Row r of a result depends on row r of its inputs (and, in attention, on the keys and values of r's own sequence) only,
//   with one fixed order of accumulation per output element, whatever the number of rows, spans or threads.
// - Sums of products accumulate in FP32 or better; activations are FP32.
// - Inputs of FP8 linears are used as they are, or, when the backend was built with FP8 activations, quantised first: per
//   row and group of 128 columns (the last may be short), scale = max(amax, 1e-10) / 448, x / scale clamped to +-448, rounded to
//   nearest even E4M3. Other linears never quantise.

use mimokit_checkpoint::Linear;

use crate::error::Result;
use crate::kv::{KvCopy, KvDtype, KvLayout};
use crate::pass::{HiddenRow, Pass, Rope};
use crate::pick::{PickAsk, Picked};
use crate::weights::{AttentionWeights, FfnWeights, JoinWeights, MoeWeights};

/// A device that can run the model. Methods take `&self`: one engine thread calls them, scratch memory is the backend's own.
pub trait Backend: Send + Sync + Sized + 'static {
    /// A linear's weight [out, in] in its stored type. May go on sharing the mapped bytes of `Linear`.
    type Matrix: Send + Sync;
    /// Norm weights, sinks, biases: FP32.
    type Vector: Send + Sync;
    /// The experts of one MoE layer; a type of its own so that a backend may group, stream or place them.
    type Experts: Send + Sync;
    /// Activations [rows, width], FP32.
    type Act: Send;
    /// Result of `router` for all rows of a pass; may also hold the normalised rows, for `moe`.
    type Routes: Send;
    /// Pools of blocks and windows of all layers.
    type Kv: Send;
    /// A `Pass` prepared for the device: positions, slots, cosines.
    type Step: Send;

    // ---- plumbing -------------------------------------------------------------------------------------------------

    fn upload_matrix(&self, linear: &Linear) -> Result<Self::Matrix>;
    /// A weight that no option rounds further: embedding, head, router.
    fn upload_exact(&self, linear: &Linear) -> Result<Self::Matrix> {
        self.upload_matrix(linear)
    }
    fn upload_vector(&self, values: &[f32]) -> Result<Self::Vector>;
    /// All experts have the same shapes, checked; `experts[e]` is expert e.
    fn upload_experts(&self, experts: Vec<ExpertSource>) -> Result<Self::Experts>;

    /// How keys and values are stored. Fixed when the backend is built.
    fn kv_dtype(&self) -> KvDtype;
    /// Allocates the pools; contents are unspecified until written.
    fn kv_new(&self, layout: &KvLayout) -> Result<Self::Kv>;
    /// Makes all copies; no copy's target is another's source or target.
    fn kv_copy(&self, kv: &mut Self::Kv, copies: &[KvCopy]) -> Result<()>;
    /// Stores rows of `hidden` [rows, hidden] in the windows' slots for hidden rows, always FP32.
    fn keep_hidden(&self, kv: &mut Self::Kv, hidden: &Self::Act, keep: &[KeepHidden]) -> Result<()>;

    /// Prepares a pass. `ropes[i]` is what `AttentionShape::rope == i` means: angle(p, j) = p * theta^(-2j / dim), cosine and
    /// sine taken in FP64 and rounded to FP32.
    fn begin(&self, pass: &Pass, ropes: &[Rope]) -> Result<Self::Step>;

    /// Rows `rows` of `x`, in that order.
    fn take_rows(&self, x: &Self::Act, rows: &[u32]) -> Result<Self::Act>;
    /// Row-major values, for `inspect` and tests.
    fn read(&self, x: &Self::Act) -> Result<Vec<f32>>;
    /// The inverse of `read`.
    fn write(&self, values: &[f32], width: usize) -> Result<Self::Act>;
    /// Chosen experts of all rows: ids ascending within a row, with their mixing weights.
    fn read_routes(&self, routes: &Self::Routes) -> Result<HostRoutes>;

    // ---- the twelve ops (kv_copy, above, is one of them) ------------------------------------------------------------

    /// Rows of the embedding for the pass's ids -> [rows, hidden].
    fn embed(&self, step: &Self::Step, table: &Self::Matrix) -> Result<Self::Act>;

    /// n = rmsnorm(x; norm, eps); q, k, v = n W (+ bias); rotary on the first `rope.dim` dims of each q and k head (half-split
    /// pairs i, i + dim/2, absolute positions of the pass); v *= value_scale.
    /// -> q [rows, heads, qk_dim], k [rows, kv_heads, qk_dim], v [rows, kv_heads, v_dim].
    fn qkv_rope(&self, step: &Self::Step, x: &Self::Act, weights: &AttentionWeights<Self>) -> Result<Qkv<Self>>;

    /// Writes k and v of every row of the pass into the blocks of global layer `layer` (counted among global layers), rounded to the
    /// storage type; then each row of `queries` (rows of the pass) attends causally over positions 0 ..= its own, read back from
    /// the blocks. Softmax over q.k / sqrt(qk_dim); with `sinks`, exp(sink - max) joins the denominator (unscaled).
    /// -> [queries, heads * v_dim].
    fn attn_global(
        &self,
        step: &Self::Step,
        qkv: &Qkv<Self>,
        weights: &AttentionWeights<Self>,
        kv: &mut Self::Kv,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Self::Act>;

    /// Each row of `queries` attends over the last `window_keys` positions, its own included: those before its span's start from
    /// the ring (position p at slot p % ring; nothing before position 0), the rest from the fresh k and v, *rounded to the
    /// storage type first*, so that chunking changes nothing. Then the last `ring` positions of every span are written.
    /// `layer` counts rings: sliding layers first, then MTP heads. -> [queries, heads * v_dim].
    fn attn_window(
        &self,
        step: &Self::Step,
        qkv: &Qkv<Self>,
        weights: &AttentionWeights<Self>,
        kv: &mut Self::Kv,
        layer: usize,
        queries: Queries<'_>,
    ) -> Result<Self::Act>;

    /// x += attended W_o; rows of both agree.
    fn o_proj(&self, attended: &Self::Act, weights: &AttentionWeights<Self>, x: &mut Self::Act) -> Result<()>;

    /// x += (silu(n W_gate) * (n W_up)) W_down with n = rmsnorm(x; norm, eps).
    fn dense_ffn(&self, weights: &FfnWeights<Self>, x: &mut Self::Act) -> Result<()>;

    /// s = sigmoid(n W_gate) with n = rmsnorm(x; norm, eps), all in FP32, never quantised; the `top_k` largest s + selection_bias (the
    /// lower expert on a tie); weights are s of those, divided by their sum if `normalise`, times `scale`.
    fn router(&self, x: &Self::Act, weights: &MoeWeights<Self>) -> Result<Self::Routes>;

    /// x += sum over chosen e, ascending, of w_e * expert_e(n), n = rmsnorm(x; norm, eps): down(silu(gate n) * up n).
    fn moe(&self, routes: &Self::Routes, weights: &MoeWeights<Self>, x: &mut Self::Act) -> Result<()>;

    /// Input of an MTP head for each row of the pass: [enorm(embed(id)), hnorm(h)] W_join (embedding first) -> [rows, hidden].
    /// `hidden[r]` says where h of row r is: in `fresh` or kept in a window.
    fn mtp_join(
        &self,
        step: &Self::Step,
        table: &Self::Matrix,
        fresh: &Self::Act,
        kv: &Self::Kv,
        hidden: &[HiddenRow],
        weights: &JoinWeights<Self>,
    ) -> Result<Self::Act>;

    /// Logits of rows `rows` of x: rmsnorm(x; norm, eps) W_head -> [rows.len(), vocab].
    fn lm_head(
        &self,
        x: &Self::Act,
        rows: &[u32],
        norm: &Self::Vector,
        eps: f32,
        head: &Self::Matrix,
    ) -> Result<Self::Act>;

    /// Verifies and samples. The algorithm is `pick::pick_rows`; a backend whose logits are in host memory calls it.
    fn pick(&self, logits: &Self::Act, asks: &[PickAsk<'_>]) -> Result<Vec<Picked>>;
}

/// Result of `qkv_rope`, rows of the pass.
pub struct Qkv<B: Backend> {
    pub q: B::Act,
    pub k: B::Act,
    pub v: B::Act,
}

/// Which rows of a pass an attention must produce; keys and values are written for all rows in any case.
#[derive(Clone, Copy, Debug)]
pub enum Queries<'a> {
    All,
    /// Ascending row numbers.
    Rows(&'a [u32]),
}

/// One expert's linears, not yet on the device.
pub struct ExpertSource {
    pub gate: Linear,
    pub up: Linear,
    pub down: Linear,
}

/// Row `row` of an activation is kept in `slot` of `window`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepHidden {
    pub row: u32,
    pub window: u32,
    pub slot: u32,
}

/// Chosen experts, row-major [rows, top_k].
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HostRoutes {
    pub top_k: usize,
    /// Ascending within a row.
    pub ids: Vec<u16>,
    pub weights: Vec<f32>,
}
