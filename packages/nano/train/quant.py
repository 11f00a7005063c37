"""Stored precisions: E4M3 in 128x128 blocks with F32 scales, and BF16. Used by the exporter for real and by the last
training phase as a straight-through rounding, so that training sees exactly the numbers that will be stored.

STATE["half"] is about speed only: products of training run in BF16 (FP32 masters, FP32 residual stream), twice as fast on
CPUs with AVX512-BF16. Decoding and verification leave it off."""
from __future__ import annotations

import torch

MAX, BLOCK = 448.0, 128
STATE = {"on": False, "half": False}


def block_scales(w: torch.Tensor) -> torch.Tensor:
    """[..., out, in] -> scale per 128x128 block [..., ceil(out/128), ceil(in/128)]; the last block may be short."""
    rows, cols = w.shape[-2:]
    parts = [torch.stack([w[..., i:i + BLOCK, j:j + BLOCK].abs().amax((-2, -1)) for j in range(0, cols, BLOCK)], -1) for i in range(0, rows, BLOCK)]
    return (torch.stack(parts, -2) / MAX).clamp_min(1e-12)


def spread(scales: torch.Tensor, rows: int, cols: int) -> torch.Tensor:
    return scales.repeat_interleave(BLOCK, -2)[..., :rows, :].repeat_interleave(BLOCK, -1)[..., :cols]


def quantise(w: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    s = block_scales(w)
    return (w / spread(s, *w.shape[-2:])).clamp(-MAX, MAX).to(torch.float8_e4m3fn), s


def dequantise(q: torch.Tensor, s: torch.Tensor) -> torch.Tensor:
    return q.float() * spread(s, *q.shape[-2:])


class _Through(torch.autograd.Function):
    @staticmethod
    def forward(ctx, w, fp8):
        return dequantise(*quantise(w)) if fp8 else w.bfloat16().float()

    @staticmethod
    def backward(ctx, g):
        return g, None


def fp8(w: torch.Tensor) -> torch.Tensor:
    return _Through.apply(w, True) if STATE["on"] else w


def bf16(w: torch.Tensor) -> torch.Tensor:
    return _Through.apply(w, False) if STATE["on"] else w


def linear(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    """x @ w.T for w [out, in], in BF16 while STATE["half"]."""
    return x.bfloat16() @ w.bfloat16().T if STATE["half"] else x @ w.T
