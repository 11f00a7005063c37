"""Writes eval/dialogues.jsonl: dialogues over values training never sees, each cut before the assistant's last answer.

A line: {id, kind, thinking, messages, tools, expected: {steps: [{calls, results}], answer, restate}}. An evaluator runs the
turn, compares the calls, appends the expected results as tool messages, runs again, and so on until the answer, which has to
contain every string of `restate`. `kind` is the tool (or nonce, talk, refusal, clarify, parallel, chained)."""
from __future__ import annotations

import json
import pathlib

from .dialogue import dialogue, environment, turn_messages, values
from .render import system_messages
from .turns import Turn

FILE = pathlib.Path(__file__).parents[2] / "eval" / "dialogues.jsonl"
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


def line(index: int) -> dict:
    v = values(SEED, index, "eval")
    env = environment(v)
    turns, thinking = dialogue(v, env)
    turns = turns[:3]
    msgs = system_messages(env)
    for t in turns[:-1]:
        msgs = msgs + history(t)
    last = turns[-1]
    steps = [{"calls": [{"name": n, "arguments": a} for n, a in s.calls], "results": s.results} for s in last.steps]
    return {
        "id": index, "kind": last.kind, "thinking": thinking, "messages": msgs + [{"role": "user", "content": last.user}], "tools": env["tools"],
        "expected": {"steps": steps, "answer": last.answer, "restate": last.restate},
    }


def write(count: int) -> None:
    FILE.parent.mkdir(exist_ok=True)
    with open(FILE, "w") as f:
        for i in range(count):
            f.write(json.dumps(line(i), ensure_ascii=False, separators=(",", ":")) + "\n")


def read(count: int) -> list[dict]:
    return [json.loads(x) for x in open(FILE)][:count]
