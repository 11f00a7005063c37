"""Packs one environment and as many of its dialogues as fit into a row; every row is a pure function of (seed, index). What
users and tools say is a target in one row of four only: it teaches little and costs as much as the rest."""
from __future__ import annotations

import bisect

import torch

from .data.dialogue import dialogue, turn_messages, values
from .data.mix import environment
from .data.render import Encoder, render, system_messages
from .data.sources import sources

PROBE = [{"role": "user", "content": "x"}]


def calls_only(turns: list, thinking: bool) -> list[dict]:
    """Messages up to the last turn's first answer: a choice and its arguments, without what comes of them."""
    return [m for t in turns[:-1] for m in turn_messages(t, thinking)] + turn_messages(turns[-1], thinking)[:2]


def row(enc: Encoder, seed: int, index: int, length: int, positions: int, mix: str, cut: float = 0.0) -> dict:
    """ids, positions, branches and loss weights; `points`: for names and for values, (where the model has to know what comes
    next, first and last place that tell). `cut`: share of the dialogues that end with a call."""
    v = values(seed, index)
    env = environment(v, mix)
    head = render(system_messages(env) + PROBE, env["tools"])
    head = head[: head.index("<|im_start|>user\n")]
    ids, points = enc.ids(head), ([], [])
    starts = enc.starts(head)
    n = len(ids)
    pos, branch, weight = list(range(n)), [0] * n, [0.0] * n
    # Some rows are set far from their prefix: later turns of long chats then meet positions they know.
    gap = v.rng.randint(0, positions - length) if v.chance(0.15) else 0
    heard = index % 4 == 0
    b = 0
    misses = 0
    while misses < 3 and len(ids) < length - 24:
        turns, thinking = dialogue(v, env)
        short = cut > 0 and v.chance(cut)
        said = calls_only(turns, thinking) if short else [m for t in turns for m in turn_messages(t, thinking)]
        text = render(system_messages(env) + said, env["tools"])
        assert text.startswith(head)
        part = enc.ids(text[len(head):])
        if len(ids) + len(part) > length:
            misses += 1
            continue
        b += 1
        if env["tools"]:
            offset, places = len(ids), enc.starts(text[len(head):])

            def token(char: int) -> int:
                """Index in the row of the piece that holds a character of the text."""
                inside = char >= len(head)
                return bisect.bisect_right(places if inside else starts, char - len(head) * inside) - 1 + offset * inside
            for found, pairs in zip(points, sources(text, len(head))):
                for copy, first, last in pairs:
                    t, p, q = token(copy), token(first), token(last)
                    if enc.same((ids + part)[t], (ids + part)[p]):
                        found.append((t - 1, p, q))
        ids += part
        shift = gap if b > 1 else 0
        pos += range(n + shift, n + shift + len(part))
        branch += [b] * len(part)
        weight += enc.weights(part, heard)
    pad = length - len(ids)
    return {"ids": ids + [0] * pad, "pos": pos + [0] * pad, "branch": branch + [-1] * pad, "weight": weight + [0.0] * pad, "points": points}


def batch(enc: Encoder, seed: int, index: int, length: int, positions: int, mix: str, cut: float = 0.0) -> tuple:
    """One row as a batch: ids, pos, branch, weight [1, length], and points, two lists of [n, 3]."""
    r = row(enc, seed, index, length, positions, mix, cut)
    tensors = (torch.tensor([r[k]], dtype=torch.float32 if k == "weight" else torch.long) for k in ("ids", "pos", "branch", "weight"))
    return *tensors, [torch.tensor(p, dtype=torch.long).reshape(-1, 3) for p in r["points"]]
