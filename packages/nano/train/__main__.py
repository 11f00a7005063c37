"""`python -m train --config micro [--minutes N] [--only train|export|evaluate|verify]`, run in the package's folder.

Without --only: train (resuming if a checkpoint is there), export, make the evaluation set, verify and evaluate."""
from __future__ import annotations

import argparse

import torch


def main() -> None:
    a = argparse.ArgumentParser(prog="train", description=__doc__)
    a.add_argument("--config", default="micro", choices=["micro", "nano-s"])
    a.add_argument("--minutes", type=float, help="stop after so many minutes of training instead of after the plan's steps")
    a.add_argument("--only", choices=["train", "export", "dialogues", "evaluate", "verify"])
    a.add_argument("--count", type=int, default=500, help="dialogues to evaluate")
    a.add_argument("--threads", type=int, default=1)
    o = a.parse_args()
    torch.set_num_threads(o.threads)
    if o.only in (None, "train"):
        from .trainer import train
        train(o.config, o.minutes)
    if o.only in (None, "export"):
        from .export import export
        export(o.config)
    if o.only in (None, "dialogues"):
        from .data.held_out import write
        write(o.count)
    if o.only in (None, "verify"):
        from .verify import verify
        verify(o.config)
    if o.only in (None, "evaluate"):
        from .evaluate import evaluate
        evaluate(o.config, o.count)


main()
