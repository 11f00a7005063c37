"""Runs held-out dialogues greedily in PyTorch: the quick look during training, on the numbers that will be stored."""
from __future__ import annotations

import json
import re

from . import quant
from .data.held_out import line
from .data.render import render
from .decode import accept_lengths, greedy
from .trainer import load, prepare

CALL = re.compile(r"<tool_call>\n<function=([^>\n]+)>\n((?:<parameter=[^>\n]+>[^<]*</parameter>\n)*)</function>\n</tool_call>")
PARAMETER = re.compile(r"<parameter=([^>\n]+)>([^<]*)</parameter>\n")


def parse(text: str) -> dict:
    """Strict reading of a generated turn: {think, content, calls, ok}; values stay text."""
    m = re.fullmatch(r"(?:<think>([^<]*)</think>)?([^<]*)((?:<tool_call>.*)?)", text, re.S)
    if not m:
        return {"think": None, "content": text, "calls": [], "ok": False}
    calls = [(f, dict(PARAMETER.findall(p))) for f, p in CALL.findall(m[3])]
    return {"think": m[1], "content": m[2], "calls": calls, "ok": CALL.sub("", m[3]) == ""}


class Case:
    def __init__(self, row: dict):
        self.row, self.step, self.over, self.marks, self.log = row, 0, False, {}, []
        self.messages = [dict(m) for m in row["messages"]]
        for m in self.messages:
            for c in m.get("tool_calls", []):
                c["function"]["arguments"] = json.loads(c["function"]["arguments"])

    def prompt(self) -> str:
        return render(self.messages, self.row["tools"], self.row["thinking"], True)

    def take(self, text: str) -> None:
        out, steps = parse(text), self.row["expected"]["steps"]
        self.log.append(text)
        mark = lambda k, ok: self.marks.setdefault(k, []).append(bool(ok))
        mark("thinking", (out["think"] is not None) == self.row["thinking"])
        if "<tool_call>" in text:
            mark("well_formed", out["ok"] and out["calls"])
        if self.step == len(steps):
            mark("restated" if steps else "no_tool", not out["calls"] and (not steps or all(x in out["content"] for x in self.row["expected"]["restate"])))
            mark("answer", out["content"] == self.row["expected"]["answer"])
            self.over = True
            return
        want = [(c["name"], {k: str(x) for k, x in c["arguments"].items()}) for c in steps[self.step]["calls"]]
        nonce = self.row["kind"].startswith("nonce")
        named = [n for n, _ in out["calls"]] == [n for n, _ in want]
        mark("nonce_choice" if nonce else "tool_choice", named)
        mark("nonce_exact" if nonce else "exact", out["calls"] == want)
        if not named:
            self.over = True
            return
        m = {"role": "assistant", "content": out["content"], "tool_calls": [{"function": {"name": n, "arguments": a}} for n, a in out["calls"]]}
        if out["think"]:
            m["reasoning_content"] = out["think"]
        self.messages += [m] + [{"role": "tool", "content": r} for r in steps[self.step]["results"]]
        self.step += 1


def evaluate(config: str, mix: str, count: int, show: int = 12, batch: int = 32, seed_from: int = 0) -> dict:
    """Judges the newest checkpoint on dialogues of the mix, as it would be stored."""
    folder, enc = prepare(config)
    model, state = load(folder, config)
    model.eval()
    quant.STATE["on"] = True
    cases, accepted, failures = [Case(line(seed_from + i, mix)) for i in range(count)], [], []
    cases.sort(key=lambda c: len(c.prompt()))
    for i in range(0, len(cases), batch):
        live = cases[i:i + batch]
        while live:
            prompts = [enc.ids(c.prompt()) for c in live]
            outs = greedy(model, prompts, enc.end, 160)
            for c, p, o in zip(live, prompts, outs):
                if state["heads"] > 1:
                    accepted += accept_lengths(model, p, o + [enc.end])
                c.take(enc.tok.decode(o, skip_special_tokens=False))
            live = [c for c in live if not c.over]
    marks: dict[str, list] = {}
    kinds: dict[str, list] = {}
    for c in cases:
        for k, xs in c.marks.items():
            marks.setdefault(k, []).extend(xs)
        good = all(all(xs) for k, xs in c.marks.items())
        kinds.setdefault(c.row["kind"], []).append(good)
        if not good:
            failures.append(c)
    result = {k: [round(sum(x) / len(x), 4), len(x)] for k, x in sorted(marks.items())}
    if accepted:
        result["accept_length"] = [round(sum(accepted) / len(accepted), 4), len(accepted)]
    print("step", state["step"], "tokens", state.get("tokens"), json.dumps(result))
    print("fully right by kind", {k: f"{sum(x)}/{len(x)}" for k, x in sorted(kinds.items())})
    for c in failures[:show]:
        print("-", c.row["kind"], "|", c.row["messages"][-1]["content"], "|", [s["calls"] for s in c.row["expected"]["steps"]], c.row["expected"]["answer"], "|", c.log)
    return result
