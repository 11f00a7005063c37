"""Greedy decoding of a batch with a key/value cache, and the accept length of self-speculation on a finished text."""
from __future__ import annotations

import torch
import torch.nn.functional as F

from .layers import angles, rms
from .model import Model
from .quant import bf16, linear


class Cache:
    """Keys and values by position. Prompts are padded on the right: what padding writes is overwritten before anyone
    may look at it."""

    def __init__(self, batch: int, length: int):
        self.size, self.kv = (batch, length), {}

    def attend(self, mod, q, k, v, lay):
        s, (B, T, H, d) = mod.s, q.shape
        if mod not in self.kv:
            self.kv[mod] = (q.new_zeros(*self.size, mod.kv, s.dk), q.new_zeros(*self.size, mod.kv, s.dv))
        K, V = self.kv[mod]
        rows, pos = torch.arange(B)[:, None], lay["pos"]
        K[rows, pos], V[rows, pos] = k, v
        g, n = H // mod.kv, int(pos.max()) + 1
        a = torch.einsum("btkgd,bnkd->bkgtn", q.view(B, T, mod.kv, g, d), K[:, :n]) * s.dk ** -0.5
        dist = pos[:, :, None] - torch.arange(n)
        bad = dist < 0
        if mod.swa:
            bad = bad | (dist >= s.window)
        a = a.masked_fill(bad[:, None, None], float("-inf"))
        if mod.swa:
            sink = bf16(mod.attention_sink_bias).view(1, mod.kv, g, 1, 1).expand(B, -1, -1, T, 1)
            p = torch.cat([a, sink], -1).softmax(-1)[..., :-1]
        else:
            p = a.softmax(-1)
        return linear(torch.einsum("bkgtn,bnkd->btkgd", p, V[:, :n]).reshape(B, T, H * s.dv), bf16(mod.o_proj))


@torch.no_grad()
def greedy(model: Model, prompts: list[list[int]], stop: int, limit: int, temperature: float = 0.0) -> list[list[int]]:
    """Continuations without the stop token; above temperature 0 they are drawn."""
    s, B = model.s, len(prompts)
    lens = torch.tensor([len(p) for p in prompts])
    ids = torch.zeros(B, int(lens.max()), dtype=torch.long)
    for i, p in enumerate(prompts):
        ids[i, : len(p)] = torch.tensor(p)
    cache = Cache(B, ids.shape[1] + limit)

    def run(t, pos):
        h = model.trunk(t, {"cache": cache, "pos": pos, "angles": angles(pos, s.rotary, model.theta), "swa_angles": angles(pos, s.rotary, s.swa_theta)})
        return h

    def pick(h):
        lg = model.logits(rms(h, model.norm, s.eps))
        return torch.multinomial((lg / temperature).softmax(-1), 1)[:, 0] if temperature else lg.argmax(-1)
    h = run(ids, torch.arange(ids.shape[1]).expand(B, -1))
    nxt, pos = pick(h[torch.arange(B), lens - 1]), lens.clone()
    out: list[list[int]] = [[] for _ in prompts]
    done = torch.zeros(B, dtype=torch.bool)
    for _ in range(limit):
        done |= nxt == stop
        if done.all():
            break
        for i in (~done).nonzero().flatten().tolist():
            out[i].append(int(nxt[i]))
        nxt = pick(run(nxt[:, None], pos[:, None])[:, 0])
        pos += 1
    return out


@torch.no_grad()
def accept_lengths(model: Model, prompt: list[int], written: list[int]) -> list[int]:
    """Tokens per verify step when the heads draft while the model writes `written`. With exact boundaries, teacher forcing
    gives the same drafts as speculation does: a head only ever follows drafts that were right."""
    ids = prompt + written
    pad = -len(ids) % 128
    t = torch.tensor([ids + [0] * pad])
    branch = torch.tensor([[0] * len(ids) + [-1] * pad])
    lay = model.layout(torch.arange(len(ids) + pad)[None], branch)
    h = model.trunk(t, lay)
    right = []
    for i, head in enumerate(model.mtp):
        fed = torch.cat([t[:, 1 + i:], t.new_zeros(1, 1 + i)], 1)
        best = model.logits(head(F.embedding(fed, bf16(model.embed_tokens)), h, lay))[0].argmax(-1).tolist()
        right.append([p + 2 + i < len(ids) and best[p] == ids[p + 2 + i] for p in range(len(ids))])
    n, out = len(prompt), []  # token n is the prefill's own; the first step drafts n+1..
    while n < len(ids) - 1:
        a = 0
        while a < len(right) and right[a][n - 1]:
            a += 1
        out.append(a + 1)
        n += a + 1
    return out
