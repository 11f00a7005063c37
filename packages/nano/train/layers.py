"""The blocks of MiMo-V2-Flash in PyTorch, written for packed rows on a CPU.

A row is one shared prefix (system turn with tools) followed by branches (dialogues) that see the prefix and themselves.
Sliding-window layers work in blocks of 128 queries over [previous block, own block, tail of the prefix], which costs a
third of full attention; the spare last slot of the tail is the attention sink."""
from __future__ import annotations

import torch
import torch.nn as nn
import torch.nn.functional as F

from .configs import Size
from .quant import STATE, bf16, fp8, linear


POINTERS = (2, 6)  # heads of the last layer that learn to look at the source of a name and of a value


def rms(x: torch.Tensor, w: torch.Tensor, eps: float) -> torch.Tensor:
    return F.rms_norm(x, (x.shape[-1],), bf16(w), eps)


def angles(pos: torch.Tensor, rotary: int, theta: float) -> tuple[torch.Tensor, torch.Tensor]:
    a = pos[..., None].float() * theta ** (-torch.arange(rotary // 2, dtype=torch.float32) * 2 / rotary)
    return a.cos()[:, :, None], a.sin()[:, :, None]


def rope(x: torch.Tensor, cs: tuple) -> torch.Tensor:
    """x [B, T, heads, d]: the first 2*half dims rotate in pairs (i, i + half), the rest passes."""
    c, s = cs
    half = c.shape[-1]
    a, b = x[..., :half], x[..., half:2 * half]
    return torch.cat([(a * c - b * s).to(x.dtype), (b * c + a * s).to(x.dtype), x[..., 2 * half:]], -1)


def matrix(out: int, inp: int, scale: float = 1.0, *lead: int) -> nn.Parameter:
    return nn.Parameter(torch.randn(*lead, out, inp) * (scale * inp ** -0.5))


class Attention(nn.Module):
    def __init__(self, s: Size, swa: bool):
        super().__init__()
        self.s, self.swa, self.kv = s, swa, (s.swa_kv or 2 * s.kv) if swa else s.kv
        self.pointing = False
        self.q_proj = matrix(s.heads * s.dk, s.hidden)
        self.k_proj = matrix(self.kv * s.dk, s.hidden)
        self.v_proj = matrix(self.kv * s.dv, s.hidden)
        self.o_proj = matrix(s.hidden, s.heads * s.dv, 0.1)
        if swa:
            self.attention_sink_bias = nn.Parameter(torch.zeros(s.heads))

    def project(self, x, lay):
        s, (B, T, _) = self.s, x.shape
        cs = lay["swa_angles"] if self.swa else lay["angles"]
        q = rope(linear(x, fp8(self.q_proj)).view(B, T, s.heads, s.dk), cs)
        k = rope(linear(x, fp8(self.k_proj)).view(B, T, self.kv, s.dk), cs)
        v = linear(x, fp8(self.v_proj)).view(B, T, self.kv, s.dv) * s.vscale
        return q, k, v

    def forward(self, x, lay):
        q, k, v = self.project(x, lay)
        if "cache" in lay:
            return lay["cache"].attend(self, q, k, v, lay)
        if self.pointing and lay["points"] is not None:
            lay["pointed"] = self.pointed(q, k, lay)
        return linear(self.local(q, k, v, lay) if self.swa else self.full(q, k, v, lay), bf16(self.o_proj))

    def pointed(self, q, k, lay):
        """(loss, places, hits): how well POINTERS' heads look where pack.row says the next piece is told."""
        loss, count, hits = q.new_zeros((), dtype=torch.float32), 0, 0
        keys = torch.arange(q.shape[1])
        for head, places in zip(POINTERS, lay["points"]):
            at, first, last = places.T[..., None]
            if len(at):
                a = (q[0, at[:, 0], head] @ k[0, :, head * self.kv // self.s.heads].T).float() * self.s.dk ** -0.5 + lay["mask"][0, at[:, 0]]
                inside = (keys >= first) & (keys <= last)
                loss = loss + (a.logsumexp(-1) - a.masked_fill(~inside, float("-inf")).logsumexp(-1)).sum()
                count, hits = count + len(at), hits + int(inside.gather(1, a.argmax(-1, keepdim=True)).sum())
        return loss, count, hits

    def full(self, q, k, v, lay):
        """Blocks of 256 queries over the keys up to their end: what lies above the diagonal is hardly computed, and a
        block's scores stay in cache."""
        s, (B, T, H, d), Q = self.s, q.shape, 256
        g = H // self.kv
        q = q.view(B, T, self.kv, g, d).permute(0, 2, 3, 1, 4)  # [B, kv, g, T, d]
        k, v = (k * s.dk ** -0.5).permute(0, 2, 3, 1), v.transpose(1, 2)  # [B, kv, d, T], [B, kv, T, dv]
        parts = []
        for i in range(0, T, Q):
            c, n = min(Q, T - i), min(i + Q, T)
            a = (q[:, :, :, i:n].reshape(B, self.kv, g * c, d) @ k[..., :n]).view(B, self.kv, g, c, n)
            p = (a + lay["mask"][:, None, None, i:n, :n]).softmax(-1).view(B, self.kv, g * c, n)
            parts.append((p @ v[:, :, :n]).view(B, self.kv, g, c, s.dv))
        return torch.cat(parts, 3).permute(0, 3, 1, 2, 4).reshape(B, T, H * s.dv)

    def local(self, q, k, v, lay):
        s, (B, T, H, d), W = self.s, q.shape, 128
        nb, g = T // W, H // self.kv
        q = q.view(B, nb, W, self.kv, g, d).permute(0, 3, 1, 4, 2, 5).reshape(B, self.kv, nb, g * W, d)

        def keys(t):
            t = t.transpose(1, 2)  # [B, kv, T, d]
            e = t.shape[-1]
            own = t.reshape(B, self.kv, nb, W, e)
            prev = F.pad(own, (0, 0, 0, 0, 1, 0))[:, :, :nb]
            tail = F.pad(t.gather(2, lay["tail"][:, None, :, None].expand(B, self.kv, W - 1, e)), (0, 0, 0, 1))
            return torch.cat([prev, own, tail[:, :, None].expand(B, self.kv, nb, W, e)], 3)
        a = (q @ (keys(k) * s.dk ** -0.5).transpose(-1, -2)).view(B, self.kv, nb, g, W, 3 * W)
        a = a + lay["local_mask"]
        a[..., -1] = bf16(self.attention_sink_bias).view(1, self.kv, 1, g, 1).to(a.dtype)
        p = a.softmax(-1).view(B, self.kv, nb, g * W, 3 * W)
        o = (p @ keys(v)).view(B, self.kv, nb, g, W, s.dv)
        return o.permute(0, 2, 4, 1, 3, 5).reshape(B, T, H * s.dv)


class Dense(nn.Module):
    def __init__(self, s: Size, width: int):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = matrix(width, s.hidden), matrix(width, s.hidden), matrix(s.hidden, width, 0.1)

    def forward(self, x):
        return linear(F.silu(linear(x, fp8(self.gate_proj))) * linear(x, fp8(self.up_proj)), fp8(self.down_proj))


class Experts(nn.Module):
    """Sigmoid router in FP32; the correction bias takes part in the choice only and is moved by load, not by gradient."""

    def __init__(self, s: Size):
        super().__init__()
        self.s = s
        self.gate = matrix(s.experts, s.hidden)
        self.register_buffer("e_score_correction_bias", torch.zeros(s.experts))
        self.gate_proj = matrix(s.width, s.hidden, 1.0, s.experts)
        self.up_proj = matrix(s.width, s.hidden, 1.0, s.experts)
        self.down_proj = matrix(s.hidden, s.width, 0.1, s.experts)
        self.load = torch.zeros(s.experts)

    def forward(self, x):
        s, shape = self.s, x.shape
        x = x.reshape(-1, s.hidden)
        score = torch.sigmoid(x @ self.gate.T)
        top = (score.detach() + self.e_score_correction_bias).topk(s.topk, -1).indices
        w = score.gather(1, top)
        w = (w / w.sum(-1, keepdim=True)).reshape(-1)
        flat = top.reshape(-1)
        order = flat.argsort()
        count = torch.bincount(flat, minlength=s.experts)
        if self.training:
            self.load += count.float()
        src = order // s.topk
        g, u, d = fp8(self.gate_proj), fp8(self.up_proj), fp8(self.down_proj)
        if STATE["half"]:
            x, g, u, d = x.bfloat16(), g.bfloat16(), u.bfloat16(), d.bfloat16()
        parts = [(F.silu(p @ g[e].T) * (p @ u[e].T)) @ d[e].T for e, p in enumerate(x[src].split(count.tolist())) if len(p)]
        y = torch.zeros(x.shape).index_add(0, src, torch.cat(parts).float() * w[order][:, None])
        return y.view(shape)

    def balance(self, load: torch.Tensor, step: float) -> torch.Tensor:
        """Moves the bias towards even load; returns the experts' shares of the tokens."""
        share = load / load.sum().clamp_min(1)
        self.e_score_correction_bias += step * (1 - share / share.mean()).clamp(-1, 1)
        return share


class Block(nn.Module):
    def __init__(self, s: Size, swa: bool, dense: int):
        """dense: the feed-forward width, 0 for experts."""
        super().__init__()
        self.eps = s.eps
        self.input_layernorm = nn.Parameter(torch.ones(s.hidden))
        self.post_attention_layernorm = nn.Parameter(torch.ones(s.hidden))
        self.self_attn = Attention(s, swa)
        self.mlp = Dense(s, dense) if dense else Experts(s)

    def forward(self, x, lay):
        x = x + self.self_attn(rms(x, self.input_layernorm, self.eps), lay)
        return x + self.mlp(rms(x, self.post_attention_layernorm, self.eps))
