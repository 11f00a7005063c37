"""Sizes and schedules. `micro` ships in the package today; `nano-s` is the next size, same code."""
from __future__ import annotations

import dataclasses


@dataclasses.dataclass(frozen=True)
class Size:
    vocab: int
    hidden: int
    pattern: tuple  # 1 = sliding window, 0 = global, per layer
    heads: int
    kv: int  # KV heads of a global layer; sliding layers have twice as many
    dk: int
    dv: int
    dense: int  # layer 0 and MTP feed-forward width
    experts: int
    topk: int
    width: int
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
    row: int  # tokens per packed row
    rows: int  # rows per step
    steps: int
    warmup: int
    decay_from: float  # share of the steps after which the rate falls linearly to 0
    mtp_from: float  # share after which the single head becomes `mtp` heads
    quant_from: float  # share after which weights are seen through their stored precision
    muon: float = 0.008
    adam: float = 1.5e-3
    tokenizer_samples: int = 3000
    seed: int = 7


CONFIGS = {
    "micro": (
        Size(vocab=1024, hidden=128, pattern=(0, 1, 1, 1, 1, 0), heads=4, kv=1, dk=48, dv=32, dense=384, experts=8, topk=2, width=96),
        Plan(row=1024, rows=4, steps=2400, warmup=60, decay_from=0.5, mtp_from=0.6, quant_from=0.85),
    ),
    "nano-s": (
        Size(vocab=4096, hidden=256, pattern=(0, 1, 1, 1, 1, 0), heads=8, kv=1, dk=48, dv=32, dense=1024, experts=16, topk=4, width=128),
        Plan(row=1024, rows=8, steps=4000, warmup=100, decay_from=0.5, mtp_from=0.7, quant_from=0.9, tokenizer_samples=12000),
    ),
}
