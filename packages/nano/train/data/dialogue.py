"""Puts turns together: an environment (system prompt and tools) and dialogues that live in it."""
from __future__ import annotations

import random

from .other_turns import EXTRA_TURNS, nonce, refused, talk
from .pools import WEEKDAYS, Values
from .tools import DEMO, EXTRA, names, nonce_tool
from .turns import Turn, calc, chained, clock, parallel, units, units_clarify

DEMO_TURNS = {"calculator": calc, "convert_units": units, "clock": clock}


def system_prompt(v: Values) -> str | None:
    """None is the template's own default, which the demonstration uses."""
    r = v.rng.random()
    if r < 0.6:
        return None
    if r < 0.75:
        return f"You are MiMo, an AI assistant developed by Xiaomi.\n\nToday's date: {v.date()} {v.one(WEEKDAYS)}. Your knowledge cutoff date is December 2024."
    if r < 0.9:
        return v.one(["You are a helpful assistant.", "You are MiMo nano.", "You are a helpful assistant. Be brief.", "Answer with the help of tools.", "Be brief."])
    return f"You are {v.name()}, the assistant of {v.name()}."


def environment(v: Values) -> dict:
    """{system, tools, makers, missing, nonces}: makers build turns the tools can serve, missing those they cannot."""
    r = v.rng.random()
    nonces = []
    if r < 0.56:
        tools = list(DEMO)
    elif r < 0.70:
        tools = v.rng.sample(DEMO, v.rng.randint(0, 3)) + v.rng.sample(list(EXTRA.values()), v.rng.randint(1, 4))
    elif r < 0.77:
        tools = v.rng.sample(DEMO, v.rng.randint(1, 3))
    elif r < 0.89:
        nonces = [nonce_tool(v) for _ in range(v.rng.randint(1, 3))]
        tools = [n["schema"] for n in nonces] + v.rng.sample(DEMO + list(EXTRA.values()), v.rng.randint(0, 2))
    else:
        tools = []
    if r >= 0.56:
        v.rng.shuffle(tools)
    have = names(tools)
    all_turns = {**DEMO_TURNS, **EXTRA_TURNS}
    return {
        "system": system_prompt(v), "tools": tools, "nonces": nonces,
        "makers": [m for n, m in all_turns.items() if n in have], "missing": [m for n, m in all_turns.items() if n not in have],
    }


def one_turn(v: Values, env: dict, ctx: dict) -> Turn:
    demo = [m for m in env["makers"] if m in DEMO_TURNS.values()]
    r = v.rng.random()
    if r < (0.14 if env["tools"] else 0.7):
        return talk(v, ctx)
    if env["missing"] and r < (0.2 if env["tools"] else 1.0):
        return refused(v.one(env["missing"])(v, {}))
    if units in env["makers"] and r < 0.215:
        return units_clarify(v, ctx)
    if calc in demo and units in demo and r < 0.26:
        return chained(v, ctx)
    if demo and r < 0.32:
        return parallel(v, ctx, demo)
    if env["nonces"] and (not env["makers"] or v.chance(0.75)):
        return nonce(v, ctx, v.one(env["nonces"]))
    if not env["makers"]:
        return talk(v, ctx)
    return v.one(env["makers"] + ([calc] if calc in demo else []))(v, ctx)


def turn_messages(turn: Turn, thinking: bool, done: bool = True) -> list[dict]:
    """The turn in OpenAI's message form; `done` false stops after the user's message."""
    out = [{"role": "user", "content": turn.user}]
    if not done:
        return out

    def assistant(think: str, content: str, calls: list) -> dict:
        m: dict = {"role": "assistant", "content": content}
        if thinking:
            m["reasoning_content"] = think
        if calls:
            m["tool_calls"] = [{"type": "function", "function": {"name": n, "arguments": a}} for n, a in calls]
        return m
    for s in turn.steps:
        out.append(assistant(s.think, "", s.calls))
        out += [{"role": "tool", "content": r} for r in s.results]
    out.append(assistant(turn.think, turn.answer if thinking else turn.aloud or turn.answer, []))
    return out


def dialogue(v: Values, env: dict) -> tuple[list[Turn], bool]:
    """(turns, whether thinking is on), by the environment's own ways if it has some: `dialogue`, `turn`, `turns`."""
    if "dialogue" in env:
        return env["dialogue"](v, env)
    n = min(v.rng.choice([1, 1, 1, 1, 2, 2, 3, 4]), env.get("turns", 4))
    ctx: dict = {"tools": env["tools"]}
    turns = []
    for _ in range(n):
        t = env.get("turn", one_turn)(v, env, ctx)
        ctx["value"], ctx["unit"] = t.value, t.unit
        if t.kind != "clock":
            ctx["clocked"] = False
        turns.append(t)
    return turns, v.chance(0.6)


def values(seed: int, index: int, split: str = "train") -> Values:
    return Values(random.Random(f"{split}/{seed}/{index}"), split)
