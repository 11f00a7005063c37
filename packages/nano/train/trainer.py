"""The training loop: schedule, phases, checkpoints, metrics. Everything it writes goes to train/.runs/<config>/."""
from __future__ import annotations

import json
import os
import pathlib
import time

import torch
from tokenizers import Tokenizer

from . import quant, tokenizer
from .configs import CONFIGS
from .data.render import Encoder
from .layers import Experts
from .model import Model
from .optim import optimizers, set_rate
from .pack import batch

RUNS = pathlib.Path(__file__).parent / ".runs"
SAVE_SECONDS = 180


def factor(p: float, step: int, plan) -> float:
    """Warm-up, constant, then linear to zero."""
    warm = min(1.0, (step + 1) / plan.warmup)
    return warm * (1.0 if p < plan.decay_from else max(0.0, (1 - p) / (1 - plan.decay_from)))


def prepare(config: str) -> tuple[pathlib.Path, Encoder]:
    folder = RUNS / config
    folder.mkdir(parents=True, exist_ok=True)
    size, plan = CONFIGS[config]
    if not (folder / "tokenizer.json").exists():
        tokenizer.save(tokenizer.train(size.vocab, plan.seed, plan.tokenizer_samples), folder)
    return folder, Encoder(Tokenizer.from_file(str(folder / "tokenizer.json")))


def load(folder: pathlib.Path, config: str) -> tuple[Model, dict] | None:
    """Model of the newest checkpoint, or None before the first."""
    path = folder / "checkpoint.pt"
    if not path.exists():
        return None
    state = torch.load(path, weights_only=True)
    model = Model(CONFIGS[config][0], state["heads"])
    model.load_state_dict(state["model"])
    return model, state


def save(folder: pathlib.Path, model: Model, opts: list, step: int, seconds: float) -> None:
    state = {"model": model.state_dict(), "heads": len(model.mtp), "opts": [o.state_dict() for o in opts], "step": step, "seconds": seconds}
    torch.save(state, folder / "checkpoint.tmp")
    os.replace(folder / "checkpoint.tmp", folder / "checkpoint.pt")


def train(config: str, minutes: float | None) -> pathlib.Path:
    """Runs to the end of the plan, or of the minutes if given (then progress is measured in time, which a shared machine
    needs; the data of a step are the same either way)."""
    size, plan = CONFIGS[config]
    torch.manual_seed(plan.seed)
    folder, enc = prepare(config)
    found = load(folder, config)
    model, state = found or (Model(size, 1), {"step": 0, "seconds": 0.0})
    opts = optimizers(model, plan)
    if found:
        for o, st in zip(opts, state["opts"]):
            o.load_state_dict(st)
    step, seconds, saved = state["step"], state["seconds"], time.time()
    log = open(folder / "metrics.jsonl", "a")
    while True:
        p = seconds / (minutes * 60) if minutes else step / plan.steps
        if p >= 1:
            break
        t0 = time.time()
        if p >= plan.mtp_from and len(model.mtp) < size.mtp:
            model.widen_mtp()
            opts = reopen(model, plan, opts)
        quant.STATE["on"] = p >= plan.quant_from
        f = factor(p, step, plan)
        set_rate(opts, plan, f)
        main, extra, fig = model.losses(*batch(enc, plan.seed, step, plan.rows, plan.row, size.positions))
        (main + 0.3 * extra).backward()
        for o in opts:
            o.step()
        model.zero_grad()
        uneven = [b.mlp.balance(2e-3 * f) for b in model.layers if isinstance(b.mlp, Experts)]
        step += 1
        dt = time.time() - t0
        seconds += dt
        fig = {k: round(v, 4) for k, v in fig.items()}
        log.write(json.dumps({"step": step, "progress": round(p, 4), "seconds": round(seconds, 1), "rate": round(f, 4), **fig, "uneven": round(max(uneven), 2), "tok_s": round(plan.rows * plan.row / dt)}) + "\n")
        log.flush()
        if time.time() - saved > SAVE_SECONDS:
            save(folder, model, opts, step, seconds)
            saved = time.time()
    save(folder, model, opts, step, seconds)
    return folder


def reopen(model: Model, plan, old: list) -> list:
    """Optimizers for a model that gained parameters; what the old ones knew is kept."""
    new = optimizers(model, plan)
    for a, b in zip(old, new):
        for p in (p for g in b.param_groups for p in g["params"]):
            if p in a.state:
                b.state[p] = a.state[p]
    return new
