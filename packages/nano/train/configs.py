"""Sizes and schedules. `micro` is the model in the package; `nano-s` is its successor in training, same code."""
from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Size:
    vocab: int
    hidden: int
    pattern: tuple  # 1 = sliding window, 0 = global, per layer
    heads: int
    kv: int  # KV heads of a global layer
    dk: int
    dv: int
    dense: int  # feed-forward width of layer 0 and of the MTP heads: the format knows one
    experts: int  # 0: every layer is dense
    topk: int
    width: int
    swa_kv: int = 0  # KV heads of a sliding layer; 0: twice as many as a global one
    window: int = 128
    mtp: int = 3
    rotary_factor: float = 0.334
    theta: float = 50000.0
    swa_theta: float = 10000.0
    vscale: float = 0.707
    eps: float = 1e-5
    positions: int = 4096

    @property
    def rotary(self) -> int:
        return int(self.dk * self.rotary_factor)


@dataclasses.dataclass(frozen=True)
class Plan:
    steps: int
    warmup: int
    decay_from: float  # share of the steps after which the rate falls linearly to 0
    mtp_from: float  # share after which one MTP head is trained
    joint_from: float  # share after which all heads are, as copies of the first
    quant_from: float  # share after which weights are seen through their stored precision
    stages: tuple  # (share from which it holds, data mix (see data/mix.py), tokens per packed row, rows per step)
    long_from: float = 1.0  # share after which rows are `long_row` tokens and the global layers' theta is `long_theta`
    long_row: int = 4096
    long_theta: float = 0.0
    muon: float = 0.008
    adam: float = 1.5e-3
    tokenizer_samples: int = 3000
    tokenizer_mix: str = "micro"
    cut: float = 0.0  # until the decay: share of the dialogues that end with a call
    pointing: float = 0.0  # until the decay: weight of the loss that points heads at what is copied
    copying_start: bool = False  # begin with the circuits of start.py
    seed: int = 7


CONFIGS = {
    "micro": (
        Size(vocab=1024, hidden=128, pattern=(0, 1, 1, 1, 1, 0), heads=4, kv=1, dk=48, dv=32, dense=384, experts=8, topk=2, width=96),
        Plan(steps=2400, warmup=60, decay_from=0.5, mtp_from=0.0, joint_from=0.6, quant_from=0.85, stages=((0.0, "micro", 1024, 4),)),
    ),
    "nano-s": (
        Size(vocab=4096, hidden=256, pattern=(0, 1, 1, 1, 1, 0), heads=8, kv=4, swa_kv=4, dk=48, dv=32, dense=512, experts=16, topk=4, width=128, theta=10000.0),
        Plan(steps=8000, warmup=20, decay_from=0.6, mtp_from=0.45, joint_from=0.65, quant_from=0.9,
             stages=((0.0, "repeat", 1024, 4), (0.005, "copy", 1024, 4), (0.03, "early", 1536, 4), (0.1, "full", 1536, 4), (0.5, "full", 2048, 4)), long_from=0.94, long_theta=80000.0, tokenizer_samples=8000, tokenizer_mix="words", copying_start=True, cut=0.4, pointing=0.3, muon=0.015, adam=2e-3),
    ),
}
