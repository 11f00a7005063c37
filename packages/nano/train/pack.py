"""Packs one environment and as many of its dialogues as fit into a row; every row is a pure function of (seed, index). What
users and tools say is a target in one row of four only: it teaches little and costs as much as the rest."""
from __future__ import annotations

import torch

from .data.dialogue import dialogue, turn_messages, values
from .data.mix import environment
from .data.render import Encoder, render, system_messages

PROBE = [{"role": "user", "content": "x"}]


def row(enc: Encoder, seed: int, index: int, length: int, positions: int, mix: str) -> dict:
    v = values(seed, index)
    env = environment(v, mix)
    head = render(system_messages(env) + PROBE, env["tools"])
    head = head[: head.index("<|im_start|>user\n")]
    ids = enc.ids(head)
    n = len(ids)
    pos, branch, weight = list(range(n)), [0] * n, [0.0] * n
    # Some rows are set far from their prefix: later turns of long chats then meet positions they know.
    gap = v.rng.randint(0, positions - length) if v.chance(0.15) else 0
    heard = index % 4 == 0
    b = 0
    misses = 0
    while misses < 3 and len(ids) < length - 24:
        turns, thinking = dialogue(v, env)
        msgs = system_messages(env)
        for t in turns:
            msgs = msgs + turn_messages(t, thinking)
        text = render(msgs, env["tools"])
        assert text.startswith(head)
        part = enc.ids(text[len(head):])
        if len(ids) + len(part) > length:
            misses += 1
            continue
        b += 1
        ids += part
        shift = gap if b > 1 else 0
        pos += range(n + shift, n + shift + len(part))
        branch += [b] * len(part)
        weight += enc.weights(part, heard)
    pad = length - len(ids)
    return {"ids": ids + [0] * pad, "pos": pos + [0] * pad, "branch": branch + [-1] * pad, "weight": weight + [0.0] * pad}


def batch(enc: Encoder, seed: int, step: int, rows: int, length: int, positions: int, mix: str) -> tuple:
    rs = [row(enc, seed, step * rows + i, length, positions, mix) for i in range(rows)]
    return tuple(torch.tensor([r[k] for r in rs], dtype=torch.float32 if k == "weight" else torch.long) for k in ("ids", "pos", "branch", "weight"))
