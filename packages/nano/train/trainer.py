"""The training loop: schedule, phases, checkpoints, metrics. Everything it writes goes to train/.runs/<config>/.

Two processes (of one thread each) share the parameters. They take rows of a step one by one, add to a gradient buffer of
their own, and then update half of the parameters each, so a neighbour on one core delays a step by a row at most. Workers
are forked, so that they carry the command line of the run."""
from __future__ import annotations

import ctypes
import dataclasses
import json
import multiprocessing
import os
import pathlib
import signal
import time

import torch
from tokenizers import Tokenizer

from . import quant, start, tokenizer
from .configs import CONFIGS
from .data.render import Encoder
from .layers import Experts
from .model import Model
from .optim import Optimizer
from .pack import batch

RUNS = pathlib.Path(__file__).parent / ".runs"
SAVE_SECONDS = 240
FIGURES = ["weight", "count", "loss", "right", "points", "points_right"] + [f"mtp{i}_{k}" for i in range(3) for k in ("weight", "count", "loss", "right")]


@dataclasses.dataclass
class Phase:
    """What a step is like, by the share of the plan that is done."""

    rate: float
    heads: int
    quant: bool
    mix: str
    row: int
    rows: int
    long: bool
    cut: float
    pointing: float


def phase(p: float, step: int, plan) -> Phase:
    warm = min(1.0, (step + 1) / plan.warmup)
    rate = warm * (1.0 if p < plan.decay_from else max(0.0, (1 - p) / (1 - plan.decay_from)))
    heads = 0 if p < plan.mtp_from else 1 if p < plan.joint_from else 3
    mix, row, rows = [rest for share, *rest in plan.stages if p >= share][-1]
    if long := p >= plan.long_from:
        mix, row, rows = "long", plan.long_row, max(1, row * rows // plan.long_row)
    early = p < plan.decay_from
    return Phase(rate, heads, p >= plan.quant_from, mix, row, rows, long, plan.cut * early, plan.pointing * early)


def prepare(config: str) -> tuple[pathlib.Path, Encoder]:
    folder = RUNS / config
    folder.mkdir(parents=True, exist_ok=True)
    size, plan = CONFIGS[config]
    if not (folder / "tokenizer.json").exists():
        tokenizer.save(tokenizer.train(size.vocab, plan.seed, plan.tokenizer_samples, plan.tokenizer_mix), folder)
    return folder, Encoder(Tokenizer.from_file(str(folder / "tokenizer.json")))


def load(folder: pathlib.Path, config: str) -> tuple[Model, dict] | None:
    """Model of the newest checkpoint, or None before the first."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        return None
    state = torch.load(path, weights_only=True, mmap=True)
    model = Model(CONFIGS[config][0])
    model.load_state_dict(state["model"])
    model.theta = state.get("theta", model.s.theta)
    return model, state


class Run:
    """What the workers share."""

    def __init__(self, config: str, workers: int):
        self.size, self.plan = CONFIGS[config]
        torch.manual_seed(self.plan.seed)
        self.folder, self.enc = prepare(config)
        found = load(self.folder, config)
        self.model, state = found or (Model(self.size), {"step": 0, "seconds": 0.0, "tokens": 0, "heads": 0})
        twins = tokenizer.twins(self.enc.tok) if self.plan.copying_start else []
        if not found and twins:
            start.begin(self.model, twins)
        self.opt = Optimizer(self.model, self.plan, workers, twins)
        if found:
            self.opt.restore(state["optimizer"])
        self.heads, self.seconds, self.tokens = state["heads"], state["seconds"], state["tokens"]
        fork = multiprocessing.get_context("fork")
        self.step, self.next, self.stop = fork.Value("q", state["step"]), fork.Value("q", 0), fork.Value("b", 0)
        self.barrier = fork.Barrier(workers)
        self.moe = [b.mlp for b in self.model.layers if isinstance(b.mlp, Experts)]
        for m in self.moe:
            m.e_score_correction_bias.share_memory_()
        self.load = torch.zeros(workers, len(self.moe), self.size.experts).share_memory_()
        self.figures = torch.zeros(workers, len(FIGURES) + 1).share_memory_()
        self.workers, self.last_save = workers, time.time()

    def work(self, worker: int) -> None:
        torch.set_num_threads(1)
        keep_memory()
        quant.STATE["half"] = True
        model, plan = self.model, self.plan
        self.opt.attach(worker)
        self.opt.clear(worker)
        model.train()
        while (step := self.step.value) < plan.steps and not self.stop.value:
            began = time.time()
            now = phase(step / plan.steps, step, plan)
            if worker == 0 and now.heads > 1 and self.heads == 1:
                model.widen_mtp()
            self.heads = now.heads
            quant.STATE["on"] = now.quant
            model.theta = plan.long_theta if now.long else self.size.theta
            self.barrier.wait()
            self.rows(worker, step, now)
            self.barrier.wait()
            totals = self.figures.sum(0)
            skip = tuple(f"mtp.{i}." for i in range(now.heads, 3))
            self.opt.step(worker, now.rate, max(1.0, float(totals[0])), step + 1, skip)
            self.barrier.wait()
            if worker == 0:
                self.finish(step, now, totals.tolist(), time.time() - began)
            self.opt.clear(worker)
            self.barrier.wait()
        if worker == 0:
            self.save()

    def rows(self, worker: int, step: int, now: Phase) -> None:
        sums = self.figures[worker].zero_()
        while True:
            with self.next.get_lock():
                i = self.next.value
                self.next.value += 1
            if i >= now.rows:
                break
            data = batch(self.enc, self.plan.seed, step * 16 + i, now.row, self.size.positions, now.mix, now.cut)
            main, extra, pointed, fig = self.model.losses(*data, now.heads)
            (main + 0.3 * extra + now.pointing * pointed).backward()
            sums += torch.tensor([fig.get(k, 0.0) for k in FIGURES] + [float(now.row)])
        for k, m in enumerate(self.moe):
            self.load[worker, k] = m.load
            m.load.zero_()

    def finish(self, step: int, now: Phase, t: list, seconds: float) -> None:
        shares = [m.balance(load, 2e-2 * now.rate) for m, load in zip(self.moe, self.load.sum(0))]
        self.seconds += seconds
        self.tokens += int(t[-1])
        fig = dict(zip(FIGURES, t))
        line = {"step": step + 1, "tokens": self.tokens, "targets": int(fig["count"]), "mix": now.mix, "seconds": round(self.seconds, 1), "rate": round(now.rate, 4),
                "loss": round(fig["loss"] / max(1, fig["count"]), 4), "acc": round(fig["right"] / max(1, fig["count"]), 4)}
        if fig["points"]:
            line["pointed"] = round(fig["points_right"] / fig["points"], 4)
        for i in range(now.heads):
            line[f"mtp{i}_acc"] = round(fig[f"mtp{i}_right"] / max(1, fig[f"mtp{i}_count"]), 4)
        line |= {"most": round(max(float(s.max()) for s in shares) * self.size.experts, 2), "least": round(min(float(s.min()) for s in shares) * self.size.experts, 2), "tok_s": round(t[-1] / seconds)}
        with open(self.folder / "metrics.jsonl", "a") as f:
            f.write(json.dumps(line) + "\n")
        self.next.value = 0
        self.step.value = step + 1
        if time.time() - self.last_save > SAVE_SECONDS:
            self.save()

    def save(self) -> None:
        state = {"model": self.model.state_dict(), "heads": self.heads, "theta": self.model.theta, "optimizer": self.opt.state(), "step": self.step.value, "seconds": self.seconds, "tokens": self.tokens}
        torch.save(state, self.folder / "checkpoint.tmp")
        os.replace(self.folder / "checkpoint.tmp", self.folder / "checkpoint.pt")
        self.last_save = time.time()


def keep_memory() -> None:
    """glibc gives large blocks back to the system and faults them in again at every product; keeping them is 1.5 times
    as fast."""
    libc = ctypes.CDLL(None)
    if hasattr(libc, "mallopt"):
        libc.mallopt(-3, 1 << 30)  # M_MMAP_THRESHOLD
        libc.mallopt(-1, (1 << 31) - 1)  # M_TRIM_THRESHOLD


def train(config: str, workers: int) -> pathlib.Path:
    """Runs to the end of the plan, from the newest checkpoint if there is one. SIGTERM and SIGINT end it after a step."""
    run = Run(config, workers)

    def end(*_):
        run.stop.value = 1
    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    fork = multiprocessing.get_context("fork")
    children = [fork.Process(target=run.work, args=(w,)) for w in range(workers)]
    for c in children:
        c.start()
    for c in children:
        c.join()
    if any(c.exitcode for c in children):
        raise SystemExit("a worker failed")
    return run.folder
