"""How the weights begin: at random, but for two circuits that training would otherwise spend most of a CPU's budget on finding.

Copying a word that is in the context takes two attention layers (Olsson et al., arXiv 2209.11895): one that tells every
position what came before it, and one that looks for the place whose predecessor is the current token and copies what
stands there. Both are written into the random start, in residual dimensions that the embeddings leave free, and trained
like everything else:

- layer 1, KV head 0: query head 0 attends one token back, query head 1 two back, by rotary phases on a constant input;
  the values, a random projection of the token, go to dimensions BACK1 and BACK2.
- the last layer (global): KV head 0 compares the current token with BACK1, KV head 1 (current, BACK1) with (BACK1, BACK2);
  both copy a projection of the token found to COPY, which the head reads as that token.
"""
from __future__ import annotations

import torch

from .model import Model

ONE, BACK1, BACK2, COPY, FREE = 0, slice(1, 33), slice(33, 65), (slice(65, 97), slice(97, 129)), 129
PEAK = (10.0, 6.0, 3.0)  # score of the three fastest rotary pairs at the distance looked for
MATCH, LOUD = 1.7, 0.25  # gain of queries and keys, and of the copied token in the head


def projection(hidden: int, rows: int) -> torch.Tensor:
    """[rows, hidden], orthonormal rows over the dimensions the embeddings use."""
    q, _ = torch.linalg.qr(torch.randn(hidden - FREE, rows))
    return torch.cat([torch.zeros(rows, FREE), q.T], 1)


@torch.no_grad()
def pair(model: Model, twins: list[tuple[int, int]]) -> None:
    """A piece with a space before it begins as the piece and a constant; training keeps it so (optim.py)."""
    a, b = torch.tensor(twins).T
    for rows, size in ((model.embed_tokens, 1.2), (model.lm_head, 0.5)):
        space = torch.cat([torch.zeros(FREE), torch.randn(rows.shape[1] - FREE)])
        rows[a] = rows[b] + size * space / space.norm()


@torch.no_grad()
def begin(model: Model, twins: list[tuple[int, int]]) -> None:
    s, e = model.s, model.embed_tokens
    assert s.dv == 32 and s.dk - s.rotary == 32 and s.hidden >= 192
    e[:, :FREE] = 0
    e[:, FREE:] = torch.randn(s.vocab, s.hidden - FREE) * 0.42
    e[:, ONE] = 1.0
    token, copied = projection(s.hidden, 32), (projection(s.hidden, 32), projection(s.hidden, 32))
    back(model, token)
    match(model, token, copied)
    model.lm_head.zero_()
    for at, c in zip(COPY, copied):
        model.lm_head[:, at] = LOUD * e @ c.T
    pair(model, twins)


def back(model: Model, token: torch.Tensor) -> None:
    s, a, half = model.s, model.layers[1].self_attn, model.s.rotary // 2
    turn = s.swa_theta ** (-torch.arange(half) * 2 / s.rotary)
    size = torch.zeros(half)
    size[: len(PEAK)] = torch.tensor(PEAK)
    size = (size * s.dk ** 0.5).sqrt() / 3.3  # 3.3: the constant after the norm
    a.k_proj[: s.dk] = 0
    a.k_proj[:half, ONE] = size
    a.v_proj[: s.dv] = token
    for head, distance, at in ((0, 1, BACK1), (1, 2, BACK2)):
        q = a.q_proj[head * s.dk:(head + 1) * s.dk]
        q.zero_()
        # A query turned back by `distance` meets the key of that distance in phase.
        q[:half, ONE], q[half:s.rotary, ONE] = size * (turn * distance).cos(), -size * (turn * distance).sin()
        o = a.o_proj[:, head * s.dv:(head + 1) * s.dv]
        o.zero_()
        o[at] = 0.43 * torch.eye(32)


def match(model: Model, token: torch.Tensor, copied: tuple) -> None:
    s, a = model.s, model.layers[-1].self_attn
    eye = torch.eye(s.hidden)
    one, two = eye[BACK1], eye[BACK2]
    wanted = (token, torch.cat([token[:16], one[:16]]))
    known = (one, torch.cat([one[:16], two[:16]]))
    for kv in range(2):
        head = kv * (s.heads // a.kv)
        q = a.q_proj[head * s.dk:(head + 1) * s.dk]
        q[: s.rotary] = 0
        q[s.rotary:] = MATCH * wanted[kv]
        a.k_proj[kv * s.dk + s.rotary:(kv + 1) * s.dk] = MATCH * known[kv]
        a.v_proj[kv * s.dv:(kv + 1) * s.dv] = copied[kv]
        o = a.o_proj[:, head * s.dv:(head + 1) * s.dv]
        o.zero_()
        o[COPY[kv]] = torch.eye(32)
