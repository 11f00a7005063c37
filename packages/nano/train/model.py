"""The whole model: trunk, MTP heads (not chained: every head sees the trunk's hidden state before model.norm), losses."""
from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F

from .configs import Size
from .layers import Block, angles, matrix, rms
from .quant import STATE, bf16, linear


class MtpHead(nn.Module):
    def __init__(self, s: Size):
        super().__init__()
        self.eps = s.eps
        self.enorm, self.hnorm, self.final_layernorm = (nn.Parameter(torch.ones(s.hidden)) for _ in range(3))
        self.eh_proj = matrix(s.hidden, 2 * s.hidden)
        self.block = Block(s, True, s.dense)  # its post_attention_layernorm is stored as pre_mlp_layernorm

    def forward(self, e, h, lay):
        z = linear(torch.cat([rms(e, self.enorm, self.eps), rms(h, self.hnorm, self.eps)], -1), bf16(self.eh_proj)).float()
        return rms(self.block(z, lay), self.final_layernorm, self.eps)


class Model(nn.Module):
    def __init__(self, s: Size):
        super().__init__()
        self.s, self.theta = s, s.theta  # theta of the global layers, raised by the long phase
        self.embed_tokens = nn.Parameter(torch.randn(s.vocab, s.hidden) * 0.3)
        self.layers = nn.ModuleList(Block(s, bool(p), 0 if i and s.experts else s.dense) for i, p in enumerate(s.pattern))
        self.layers[-1].self_attn.pointing = True
        self.norm = nn.Parameter(torch.ones(s.hidden))
        self.lm_head = nn.Parameter(torch.randn(s.vocab, s.hidden) * 0.01)
        self.mtp = nn.ModuleList(MtpHead(s) for _ in range(s.mtp))

    @torch.no_grad()
    def widen_mtp(self) -> None:
        """The one trained head is copied over the others, as in the paper."""
        for head in self.mtp[1:]:
            for mine, first in zip(head.parameters(), self.mtp[0].parameters()):
                mine.copy_(first)

    def layout(self, pos, branch) -> dict:
        """Angles and masks of a packed batch; pos, branch [B, T]; branch 0 = prefix, -1 = padding."""
        s, (B, T), W = self.s, pos.shape, 128
        assert s.window == W and T % W == 0
        at = torch.arange(T)
        see = (at[None, :] <= at[:, None]) & ((branch[:, None, :] == 0) | (branch[:, None, :] == branch[:, :, None]))
        near = see & (pos[:, :, None] - pos[:, None, :] < W)
        nb = T // W
        prefix = (branch == 0).sum(1)
        tail = prefix[:, None] - (W - 1) + torch.arange(W - 1)[None]  # may start below 0
        blocks = near.view(B, nb, W, T)
        ki = torch.arange(nb)[:, None] * W - W + torch.arange(2 * W)[None]  # [nb, 2W]
        local = blocks.gather(3, ki.clamp_min(0)[None, :, None].expand(B, nb, W, 2 * W)) & (ki >= 0)[None, :, None]
        far = blocks.gather(3, tail.clamp_min(0)[:, None, None].expand(B, nb, W, W - 1))
        far = far & ((tail[:, None] >= 0) & (tail[:, None] < ki[None, :, :1]))[:, :, None]
        ok = torch.cat([local, far, torch.ones(B, nb, W, 1, dtype=torch.bool)], -1)
        kind = torch.bfloat16 if STATE["half"] else torch.float32

        def bias(ok):
            return torch.zeros(ok.shape, dtype=kind).masked_fill_(~ok, float("-inf"))
        return {
            "angles": angles(pos, s.rotary, self.theta), "swa_angles": angles(pos, s.rotary, s.swa_theta), "mask": bias(see),
            "points": None, "tail": tail.clamp_min(0), "local_mask": bias(ok)[:, None, :, None],
        }

    def trunk(self, ids, lay):
        x = F.embedding(ids, bf16(self.embed_tokens))
        for b in self.layers:
            x = b(x, lay)
        return x

    def logits(self, x):
        return linear(x, bf16(self.lm_head)).float()

    def losses(self, ids, pos, branch, weight, points, heads: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, dict]:
        """(main loss, mean loss of the first `heads` MTP heads, loss of the pointing heads, figures), all of them SUMS over the
        batch's weighted targets; weight[b, t] is the weight of token t as a target. Figures count the full-weight targets.
        points: None or the pairs of pack.row, of a batch of one row."""
        lay = self.layout(pos, branch) | {"points": points}
        h = self.trunk(ids, lay)
        fig: dict[str, float] = {}

        def ce(x, shift, name):
            same = (branch[:, shift:] == branch[:, :-shift]) & (branch[:, shift:] > 0)
            w = weight[:, shift:] * same
            at = w > 0
            lg = self.logits(x[:, :-shift][at])
            target, w = ids[:, shift:][at], w[at]
            loss = F.cross_entropy(lg, target, reduction="none")
            with torch.no_grad():
                full = w >= 1
                fig[name + "weight"] = float(w.sum())
                fig[name + "count"] = float(full.sum())
                fig[name + "loss"] = float(loss[full].sum())
                fig[name + "right"] = float((lg[full].argmax(-1) == target[full]).sum())
            return (loss * w).sum()
        main = ce(rms(h, self.norm, self.s.eps), 1, "")
        extra = main.new_zeros(())
        for i, head in enumerate(self.mtp[:heads]):
            fed = torch.cat([ids[:, 1 + i:], ids.new_zeros(len(ids), 1 + i)], 1)
            z = head(F.embedding(fed, bf16(self.embed_tokens)), h, lay)
            extra = extra + ce(z, 2 + i, f"mtp{i}_") / heads
        pointed, fig["points"], fig["points_right"] = lay.get("pointed", (main.new_zeros(()), 0, 0))
        return main, extra, pointed, fig
