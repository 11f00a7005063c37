// One prompt from scratch with taps on what happens inside: for goldens, `mimokit logits` and benches. Keys and values go to pools of its own.

use crate::backend::{Backend, HostRoutes};
use crate::error::{Error, Result};
use crate::forward::{Observer, forward, run_layer};
use crate::kv::KvLayout;
use crate::model::Model;
use crate::mtp::run_head;
use crate::pass::{HiddenRow, Pass, Span};
use crate::weights::Attention;

/// Logit rows computed at once.
const LOGIT_ROWS: usize = 64;

/// A named result.
#[derive(Clone, Debug, PartialEq)]
pub struct Tapped {
    pub name: String,
    pub shape: Vec<usize>,
    pub values: TapValues,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TapValues {
    F32(Vec<f32>),
    I32(Vec<i32>),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tap {
    Embed,
    Hidden(usize),
    RouterIds(usize),
    RouterWeights(usize),
    Routes,
    Logits,
    LastLogits,
    Argmax,
    MtpLogits(usize),
    MtpBlockOut(usize),
}

impl<B: Backend> Model<B> {
    /// Runs `ids` and returns what `taps` name, in their order; see `Inspector` of @mimokit/protocol.
    ///
    /// # Errors
    /// `token-out-of-range`, `invalid-argument` for an unknown tap, an empty prompt or one beyond the context.
    pub fn inspect(&self, ids: &[i32], taps: &[&str]) -> Result<Vec<Tapped>> {
        let parsed = taps.iter().map(|name| self.parse_tap(name)).collect::<Result<Vec<_>>>()?;
        let pass = self.prompt_pass(ids)?;
        let step = self.backend.begin(&pass, &self.ropes)?;
        let mut kv = self.prompt_kv(ids.len())?;
        let mut recorder =
            Recorder { taps: &parsed, found: vec![None; taps.len()], rows: ids.len(), layers: Vec::new() };
        let hidden = forward(&self.backend, &self.weights, &step, &mut kv, &mut recorder)?;
        let Recorder { mut found, layers, .. } = recorder;
        for (slot, tap) in found.iter_mut().zip(&parsed) {
            if slot.is_none() {
                *slot = Some(self.late_tap(*tap, ids, &hidden, &layers, &mut kv)?);
            }
        }
        Ok(found
            .into_iter()
            .zip(taps)
            .filter_map(|(value, name)| value.map(|(shape, values)| Tapped { name: (*name).into(), shape, values }))
            .collect())
    }

    /// One layer alone over positions `0 .. n`: hidden states after the layer before [n, hidden] -> after this one.
    ///
    /// # Errors
    /// `invalid-argument` when there is no such layer or the values are not whole rows.
    pub fn inspect_layer(&self, layer: usize, hidden: &[f32]) -> Result<Vec<f32>> {
        let width = self.info.hidden_size;
        let rows = hidden.len() / width;
        if layer >= self.weights.layers.len() || rows == 0 || !hidden.len().is_multiple_of(width) {
            return Err(Error::Argument(format!("There is no layer {layer} over {} values.", hidden.len())));
        }
        let step = self.backend.begin(&self.prompt_pass(&vec![0; rows])?, &self.ropes)?;
        let mut kv = self.prompt_kv(rows)?;
        let mut x = self.backend.write(hidden, width)?;
        run_layer(&self.backend, &self.weights.layers[layer], layer, &step, &mut kv, &mut x, &mut Silent)?;
        self.backend.read(&x)
    }

    fn prompt_pass(&self, ids: &[i32]) -> Result<Pass> {
        if ids.is_empty() || ids.len() > self.info.context_length {
            let problem = format!("A prompt has 1 to {} tokens, not {}.", self.info.context_length, ids.len());
            return Err(Error::Argument(problem));
        }
        for (index, &token) in ids.iter().enumerate() {
            if token < 0 || token as usize >= self.info.vocab_size {
                return Err(Error::Token { field: "ids", token, index, vocab: self.info.vocab_size });
            }
        }
        let blocks = if self.layout.global.is_empty() { 0 } else { ids.len().div_ceil(self.layout.block_tokens) };
        Ok(Pass {
            ids: ids.iter().map(|&id| id as u32).collect(),
            positions: (0..ids.len() as u32).collect(),
            spans: vec![Span { rows: 0..ids.len(), start: 0, window: 0, blocks: 0..blocks }],
            blocks: (0..blocks as u32).collect(),
        })
    }

    fn prompt_kv(&self, rows: usize) -> Result<B::Kv> {
        let blocks = rows.div_ceil(self.layout.block_tokens);
        self.backend.kv_new(&KvLayout { blocks, windows: 1, ..self.layout.clone() })
    }

    fn parse_tap(&self, name: &str) -> Result<Tap> {
        let unknown = || Error::Argument(format!("There is no tap {name:?} in this model."));
        let parts: Vec<&str> = name.split('.').collect();
        let index =
            |text: &str, limit: usize| text.parse().ok().filter(|&index: &usize| index < limit).ok_or_else(unknown);
        let moe_layer = |text: &str| {
            let layer = index(text, self.info.layers)?;
            let is_moe = matches!(self.weights.layers[layer].feed_forward, crate::weights::FeedForward::Moe(_));
            if is_moe { Ok(layer) } else { Err(unknown()) }
        };
        Ok(match parts[..] {
            ["embed"] => Tap::Embed,
            ["hidden", layer] => Tap::Hidden(index(layer, self.info.layers)?),
            ["router", layer, "ids"] => Tap::RouterIds(moe_layer(layer)?),
            ["router", layer, "weights"] => Tap::RouterWeights(moe_layer(layer)?),
            ["routes"] => Tap::Routes,
            ["logits"] => Tap::Logits,
            ["logits", "last"] => Tap::LastLogits,
            ["argmax"] => Tap::Argmax,
            ["mtp", head, "logits"] => Tap::MtpLogits(index(head, self.info.max_draft)?),
            ["mtp", head, "block_out"] => Tap::MtpBlockOut(index(head, self.info.max_draft)?),
            _ => return Err(unknown()),
        })
    }

    /// Taps on what comes after the layers.
    fn late_tap(
        &self,
        tap: Tap,
        ids: &[i32],
        hidden: &B::Act,
        layers: &[Vec<u16>],
        kv: &mut B::Kv,
    ) -> Result<TapResult> {
        let (rows, vocab) = (ids.len(), self.info.vocab_size);
        let final_norm = &self.weights.final_norm;
        match tap {
            Tap::Logits => {
                let mut logits = Vec::new();
                self.for_logits(hidden, 0..rows, final_norm, |chunk| logits.extend_from_slice(chunk))?;
                Ok((vec![rows, vocab], TapValues::F32(logits)))
            }
            Tap::LastLogits => {
                let mut logits = Vec::new();
                self.for_logits(hidden, rows - 1..rows, final_norm, |chunk| logits.extend_from_slice(chunk))?;
                Ok((vec![1, vocab], TapValues::F32(logits)))
            }
            Tap::Argmax => {
                let mut best = Vec::with_capacity(rows);
                self.for_logits(hidden, 0..rows, final_norm, |chunk| {
                    best.extend(
                        chunk.chunks_exact(vocab).map(|row| crate::pick::largest_logit(row).unwrap_or(0) as i32),
                    );
                })?;
                Ok((vec![rows], TapValues::I32(best)))
            }
            Tap::Routes => {
                let top_k = self.info.top_k;
                let mut routes = Vec::with_capacity(rows * layers.len() * top_k);
                for row in 0..rows {
                    for layer in layers {
                        routes.extend(layer[row * top_k..(row + 1) * top_k].iter().map(|&id| i32::from(id)));
                    }
                }
                Ok((vec![rows, layers.len(), top_k], TapValues::I32(routes)))
            }
            Tap::MtpLogits(head) | Tap::MtpBlockOut(head) => self.mtp_tap(tap, head, ids, hidden, kv),
            Tap::Embed | Tap::Hidden(_) | Tap::RouterIds(_) | Tap::RouterWeights(_) => {
                unreachable!("recorded while the layers ran")
            }
        }
    }

    fn mtp_tap(&self, tap: Tap, head: usize, ids: &[i32], hidden: &B::Act, kv: &mut B::Kv) -> Result<TapResult> {
        let rows = ids.len().saturating_sub(head + 1);
        let width = if matches!(tap, Tap::MtpLogits(_)) { self.info.vocab_size } else { self.info.hidden_size };
        if rows == 0 {
            return Ok((vec![0, width], TapValues::F32(Vec::new())));
        }
        let weights = &self.weights.mtp[head];
        let mut pass = self.prompt_pass(&ids[head + 1..])?;
        pass.blocks.clear();
        pass.spans[0].blocks = 0..0;
        let step = self.backend.begin(&pass, &self.ropes)?;
        let sources: Vec<HiddenRow> = (0..rows as u32).map(HiddenRow::Fresh).collect();
        let z = self.backend.mtp_join(&step, &self.weights.embed, hidden, kv, &sources, &weights.join)?;
        let all: Vec<u32> = (0..rows as u32).collect();
        let out = run_head(&self.backend, weights, &step, kv, &z, &all)?;
        let out = out.ok_or_else(|| Error::Device("an MTP head gave no rows".into()))?;
        let values = if matches!(tap, Tap::MtpLogits(_)) {
            let mut logits = Vec::new();
            self.for_logits(&out, 0..rows, &weights.final_norm, |chunk| logits.extend_from_slice(chunk))?;
            logits
        } else {
            self.backend.read(&out)?
        };
        Ok((vec![rows, width], TapValues::F32(values)))
    }

    fn for_logits(
        &self,
        x: &B::Act,
        rows: std::ops::Range<usize>,
        norm: &B::Vector,
        mut take: impl FnMut(&[f32]),
    ) -> Result<()> {
        for start in rows.clone().step_by(LOGIT_ROWS) {
            let chunk: Vec<u32> = (start as u32..rows.end.min(start + LOGIT_ROWS) as u32).collect();
            let logits = self.backend.lm_head(x, &chunk, norm, self.weights.eps, self.weights.head())?;
            take(&self.backend.read(&logits)?);
        }
        Ok(())
    }

    /// Which layers attend globally, in layer order; for reports.
    pub fn global_layers(&self) -> Vec<bool> {
        self.weights.layers.iter().map(|layer| matches!(layer.attention, Attention::Global { .. })).collect()
    }
}

type TapResult = (Vec<usize>, TapValues);

struct Silent;

impl<B: Backend> Observer<B> for Silent {}

/// Fills the taps that lie inside the layers, and keeps the experts of every MoE layer when `routes` asks for them.
struct Recorder<'t> {
    taps: &'t [Tap],
    found: Vec<Option<TapResult>>,
    rows: usize,
    layers: Vec<Vec<u16>>,
}

impl Recorder<'_> {
    fn record(&mut self, wanted: Tap, value: impl FnOnce() -> Result<TapResult>) -> Result<()> {
        let slots: Vec<usize> = (0..self.taps.len()).filter(|&slot| self.taps[slot] == wanted).collect();
        if let [first, others @ ..] = slots.as_slice() {
            let value = value()?;
            for &slot in others {
                self.found[slot] = Some(value.clone());
            }
            self.found[*first] = Some(value);
        }
        Ok(())
    }

    fn record_rows<B: Backend>(&mut self, wanted: Tap, backend: &B, x: &B::Act) -> Result<()> {
        let rows = self.rows;
        self.record(wanted, || {
            let values = backend.read(x)?;
            Ok((vec![rows, values.len() / rows], TapValues::F32(values)))
        })
    }
}

impl<B: Backend> Observer<B> for Recorder<'_> {
    fn embedded(&mut self, backend: &B, x: &B::Act) -> Result<()> {
        self.record_rows(Tap::Embed, backend, x)
    }

    fn after_layer(&mut self, backend: &B, layer: usize, x: &B::Act) -> Result<()> {
        self.record_rows(Tap::Hidden(layer), backend, x)
    }

    fn routed(&mut self, backend: &B, layer: usize, routes: &B::Routes) -> Result<()> {
        let wanted = [Tap::Routes, Tap::RouterIds(layer), Tap::RouterWeights(layer)];
        if !self.taps.iter().any(|tap| wanted.contains(tap)) {
            return Ok(());
        }
        let HostRoutes { top_k, ids, weights } = backend.read_routes(routes)?;
        let shape = vec![self.rows, top_k];
        let as_i32 = || ids.iter().map(|&id| i32::from(id)).collect();
        self.record(Tap::RouterIds(layer), || Ok((shape.clone(), TapValues::I32(as_i32()))))?;
        self.record(Tap::RouterWeights(layer), || Ok((shape.clone(), TapValues::F32(weights))))?;
        self.layers.push(ids);
        Ok(())
    }
}
