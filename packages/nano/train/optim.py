"""Muon for matrices (batched by shape, five Newton-Schulz steps), Adam for embeddings, head, router, norms and sinks; shared
between worker processes: every worker updates its own share of the parameters from the gradients of all of them."""
from __future__ import annotations

import torch

ADAM_NAMES = ("embed_tokens", "lm_head", "mlp.gate")


def orthogonal(g: torch.Tensor) -> torch.Tensor:
    """[n, r, c] -> nearest semi-orthogonal matrices, roughly; the usual quintic, in BF16."""
    a, b, c = 3.4445, -4.7750, 2.0315
    flip = g.shape[-2] > g.shape[-1]
    x = g.transpose(-1, -2) if flip else g
    x = (x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)).bfloat16()
    for _ in range(5):
        m = x @ x.transpose(-1, -2)
        x = a * x + (b * m + c * m @ m) @ x
    return (x.transpose(-1, -2) if flip else x).float()


class Optimizer:
    """Parameters, gradients and state in shared memory; `grads[w]` is worker w's own gradient buffer."""

    def __init__(self, model, plan, workers: int, twins: list[tuple[int, int]] = ()):
        """twins: pairs of ids whose rows of the embedding and the head keep their difference: they share their gradients."""
        self.twins = torch.tensor(twins, dtype=torch.long).reshape(-1, 2).T
        self.plan, self.params = plan, dict(model.named_parameters())
        self.muon = {n for n, p in self.params.items() if p.ndim >= 2 and not n.endswith(ADAM_NAMES)}
        for p in self.params.values():
            p.data = p.data.share_memory_()
        zeros = lambda p: torch.zeros_like(p).share_memory_()
        self.grads = [{n: zeros(p) for n, p in self.params.items()} for _ in range(workers)]
        self.first = {n: zeros(p) for n, p in self.params.items()}
        self.second = {n: zeros(p) for n, p in self.params.items() if n not in self.muon}
        cost = {n: p.numel() * (min(p.shape[-2:]) if n in self.muon else 8) for n, p in self.params.items()}
        self.shares: list[list[str]] = [[] for _ in range(workers)]
        load = [0.0] * workers
        for n in sorted(cost, key=cost.get, reverse=True):
            w = load.index(min(load))
            self.shares[w].append(n)
            load[w] += cost[n]

    def attach(self, worker: int) -> None:
        """Lets this process's backward passes add to its own buffer."""
        for n, p in self.params.items():
            p.grad = self.grads[worker][n]

    def clear(self, worker: int) -> None:
        for g in self.grads[worker].values():
            g.zero_()

    def state(self) -> dict:
        return {"first": self.first, "second": self.second}

    def restore(self, state: dict) -> None:
        for mine, theirs in ((self.first, state["first"]), (self.second, state["second"])):
            for n, t in theirs.items():
                mine[n].copy_(t)

    @torch.no_grad()
    def step(self, worker: int, factor: float, total: float, step: int, skip: tuple = ()) -> None:
        """One update of this worker's share; gradients are divided by `total`, names starting with one of `skip` rest."""
        shapes: dict[tuple, list] = {}
        for n in self.shares[worker]:
            if n.startswith(skip):
                continue
            p, m = self.params[n], self.first[n]
            g = sum(b[n] for b in self.grads) / total
            if n in ADAM_NAMES:
                a, b = self.twins
                g[a] = g[b] = g[a] + g[b]
            if n in self.muon:
                m.lerp_(g, 1 - 0.95)
                shapes.setdefault(tuple(p.shape[-2:]), []).append((p, g.lerp(m, 0.95)))
                continue
            v = self.second[n]
            m.lerp_(g, 1 - 0.9)
            v.lerp_(g * g, 1 - 0.97)
            rate = self.plan.adam * factor / (1 - 0.9 ** step)
            p.addcdiv_(m, (v / (1 - 0.97 ** step)).sqrt_().add_(1e-10), value=-rate)
        rate = self.plan.muon * factor
        for (r, c), items in shapes.items():
            u = orthogonal(torch.cat([g.reshape(-1, r, c) for _, g in items])) * max(1, r / c) ** 0.5
            for (p, _), d in zip(items, u.split([max(1, p.numel() // (r * c)) for p, _ in items])):
                p.mul_(1 - rate * 0.01).add_(d.view_as(p), alpha=-rate)
