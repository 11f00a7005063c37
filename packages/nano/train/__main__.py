"""`python -m train --config micro [--only train|export|evaluate|verify]`, run in the package's folder.

Without --only: train (resuming if a checkpoint is there), export, make the evaluation set, verify and evaluate."""
from __future__ import annotations

import argparse
import pathlib

import torch


def main() -> None:
    a = argparse.ArgumentParser(prog="train", description=__doc__)
    a.add_argument("--config", default="micro", choices=["micro", "nano-s"])
    a.add_argument("--only", choices=["train", "export", "dialogues", "evaluate", "verify"])
    a.add_argument("--count", type=int, default=500, help="dialogues to evaluate")
    a.add_argument("--workers", type=int, default=2, help="training processes of one thread each")
    a.add_argument("--mix", help="data mix of the dialogues: micro, held, or one of training's")
    a.add_argument("--to", type=pathlib.Path, help="export into this folder instead of the package")
    a.add_argument("--bf16", action="store_true", help="export all matrices in BF16, into train/.runs/bf16 if not --to: what FP8 is compared with")
    o = a.parse_args()
    o.mix = o.mix or ("micro" if o.config == "micro" else "held")
    torch.set_num_threads(1)
    if o.only in (None, "train"):
        from .trainer import train
        train(o.config, o.workers)
    if o.only in (None, "export"):
        from .export import export, export_to
        from .trainer import RUNS
        to = o.to or (RUNS / "bf16" if o.bf16 else None)
        export_to(o.config, to, o.bf16) if to else export(o.config)
    if o.only in (None, "dialogues"):
        from .data.held_out import write
        write(o.mix)
    if o.only in (None, "verify"):
        from .verify import verify
        verify(o.config, o.mix)
    if o.only in (None, "evaluate"):
        from .evaluate import evaluate
        evaluate(o.config, o.mix, o.count)


main()
