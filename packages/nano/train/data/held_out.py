"""The held-out dialogues: values training never sees, each dialogue cut before the assistant's last answer.

A line: {id, kind, thinking, messages, tools, expected: {steps: [{calls, results}], answer, restate}}. An evaluator runs the
turn, compares the calls, appends the expected results as tool messages, runs again, and so on until the answer, which has to
contain every string of `restate`. `kind` is the tool, or nonce, nonce_parallel, nonce_three (invented tools), three, parallel,
chained, talk, refusal, clarify, story, tale, reading, reason.

eval/dialogues.jsonl holds 500 of the mix `micro`, eval/held-out.jsonl.gz 2,400 of the mix `held`."""
from __future__ import annotations

import gzip
import json
import pathlib

from .dialogue import dialogue, turn_messages, values
from .mix import environment
from .render import system_messages
from .turns import Turn

FOLDER = pathlib.Path(__file__).parents[2] / "eval"
SETS = {"micro": (FOLDER / "dialogues.jsonl", 500), "held": (FOLDER / "held-out.jsonl.gz", 2400)}
SEED = 90210


def history(turn: Turn) -> list[dict]:
    """An earlier turn as a client would send it: reasoning of earlier turns is dropped by the template anyway, and
    arguments are JSON text, as on the wire."""
    out = turn_messages(turn, False)
    for m in out:
        for i, c in enumerate(m.get("tool_calls", [])):
            c["id"] = f"call_{i}"
            c["function"]["arguments"] = json.dumps(c["function"]["arguments"], ensure_ascii=False)
    pending: list[str] = []
    for m in out:
        if m["role"] == "assistant":
            pending = [c["id"] for c in m.get("tool_calls", [])]
        elif m["role"] == "tool":
            m["tool_call_id"] = pending.pop(0)
    return out


def line(index: int, mix: str) -> dict:
    v = values(SEED, index, "eval")
    env = environment(v, mix)
    turns, thinking = dialogue(v, env)
    turns = turns[:3]
    msgs = system_messages(env)
    for t in turns[:-1]:
        msgs = msgs + history(t)
    last = turns[-1]
    steps = [{"calls": [{"name": n, "arguments": a} for n, a in s.calls], "results": s.results} for s in last.steps]
    return {
        "id": index, "kind": last.kind, "thinking": thinking, "messages": msgs + [{"role": "user", "content": last.user}], "tools": env["tools"],
        "expected": {"steps": steps, "answer": last.answer if thinking else last.aloud or last.answer, "restate": last.restate},
    }


def write(mix: str) -> None:
    path, count = SETS[mix]
    path.parent.mkdir(exist_ok=True)
    text = "".join(json.dumps(line(i, mix), ensure_ascii=False, separators=(",", ":")) + "\n" for i in range(count)).encode()
    path.write_bytes(gzip.compress(text, 9, mtime=0) if path.suffix == ".gz" else text)
    print(path.name, count, "dialogues,", path.stat().st_size, "bytes")


def read(mix: str, count: int) -> list[dict]:
    path, _ = SETS[mix]
    data = path.read_bytes()
    return [json.loads(x) for x in (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines()[:count]]
