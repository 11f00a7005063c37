"""Muon for matrices (batched by shape, five Newton-Schulz steps), Adam for embeddings, head, router, norms and sinks."""
from __future__ import annotations

import torch

ADAM_NAMES = ("embed_tokens", "lm_head", "mlp.gate")


def orthogonal(g: torch.Tensor) -> torch.Tensor:
    """[n, r, c] -> nearest semi-orthogonal matrices, roughly; the usual quintic."""
    a, b, c = 3.4445, -4.7750, 2.0315
    flip = g.shape[-2] > g.shape[-1]
    x = g.transpose(-1, -2) if flip else g
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(5):
        m = x @ x.transpose(-1, -2)
        x = a * x + (b * m + c * m @ m) @ x
    return x.transpose(-1, -2) if flip else x


class Muon(torch.optim.Optimizer):
    def __init__(self, params, lr: float, momentum: float = 0.95, decay: float = 0.01):
        super().__init__(params, dict(lr=lr, momentum=momentum, decay=decay))

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            shapes: dict[tuple, list] = {}
            for p in group["params"]:
                if p.grad is None:
                    continue
                st = self.state[p]
                if "m" not in st:
                    st["m"] = torch.zeros_like(p)
                st["m"].lerp_(p.grad, 1 - group["momentum"])
                shapes.setdefault(tuple(p.shape[-2:]), []).append((p, p.grad.lerp(st["m"], group["momentum"])))
            for (r, c), items in shapes.items():
                u = orthogonal(torch.cat([g.reshape(-1, r, c) for _, g in items])) * max(1, r / c) ** 0.5
                for (p, _), d in zip(items, u.split([max(1, p.numel() // (r * c)) for p, _ in items])):
                    p.mul_(1 - group["lr"] * group["decay"]).add_(d.view_as(p), alpha=-group["lr"])


def optimizers(model, plan) -> list:
    muon, adam = [], []
    for name, p in model.named_parameters():
        (adam if p.ndim < 2 or name.endswith(ADAM_NAMES) else muon).append(p)
    return [Muon(muon, plan.muon), torch.optim.Adam(adam, plan.adam, betas=(0.9, 0.97), eps=1e-10)]


def set_rate(opts, plan, factor: float) -> None:
    for o, base in zip(opts, (plan.muon, plan.adam)):
        for g in o.param_groups:
            g["lr"] = base * factor
