"""Requests that take three calls of the known tools: at once, or each with the result of the one before."""
from __future__ import annotations

from .other_turns import EXTRA_TURNS, talk
from .pools import Values, convert, show
from .tools import DEMO, EXTRA
from .turns import Step, Turn, calc, call_think, clock, evaluate, fresh_expression, lower, number_value, say, unit_pair, units

DONE = "I have all results."


def at_once(v: Values, makers: list) -> Turn:
    """Three independent questions, three calls in one assistant turn."""
    turns: list[Turn] = []
    while len(turns) < 3:
        t = v.one(makers)(v, {})
        if len(t.steps) == 1 and not t.steps[0].results[0].startswith("Error"):
            turns.append(t)
    a, b, c = (lower(t.user) for t in turns)
    user = v.one(["{a}, {b} and {c}?", "{a}? Also {b} and {c}.", "{a}, {b}, and {c}."]).format(a=a[:1].upper() + a[1:], b=b, c=c)
    n = [t.steps[0].calls[0][0] for t in turns]
    step = Step(f"I will call {n[0]}, {n[1]} and {n[2]}.", [x for t in turns for x in t.steps[0].calls], [x for t in turns for x in t.steps[0].results])
    return Turn(user, [step], DONE, " ".join(t.answer for t in turns), "three", [x for t in turns for x in t.restate])


def positive(v: Values) -> tuple[str, str, str]:
    while True:
        said, e = fresh_expression(v)
        r = evaluate(e)
        if not r.startswith(("Error", "-")) and len(r) < 10:
            return said, e, r


def one_by_one(v: Values, have: list[str]) -> Turn:
    """Calculate, calculate on, convert; or store the converted value where there is a tool for it."""
    said, e, r = positive(v)
    a, b = unit_pair(v)
    steps = [Step("First I will call calculator.", [("calculator", {"expression": e})], [r])]
    if "remember" in have and v.chance(0.5):
        c = show(convert(float(r), a, b), 6) + f" {b}"
        key = v.word()
        user = say(v, ["Calculate {s}, convert that from {a} to {b} and store it as my {k}.", "What is {s}? Convert it from {a} to {b}, then remember it as my {k}."], s=said, a=a, b=b, k=key)
        steps += [Step(call_think("convert_units"), [("convert_units", {"value": number_value(r), "from": a, "to": b})], [c]),
                  Step(call_think("remember"), [("remember", {"key": key, "value": c})], ["ok"])]
        return Turn(user, steps, DONE, f"{e} = {r}. {r} {a} is {c}. I stored {key} = {c}.", "three", [r, c, key])
    op, n = v.one("+*"), v.number()
    e2 = f"{r} {op} {n}"
    r2 = evaluate(e2)
    c = show(convert(float(r2), a, b), 6) + f" {b}"
    then = {"+": "add {n}", "*": "multiply that by {n}"}[op].format(n=n)
    user = say(v, ["Calculate {s}, {t} and convert the result from {a} to {b}.", "What is {s}? Then {t} and convert it from {a} to {b}."], s=said, t=then, a=a, b=b)
    steps += [Step(call_think("calculator"), [("calculator", {"expression": e2})], [r2]), Step(call_think("convert_units"), [("convert_units", {"value": number_value(r2), "from": a, "to": b})], [c])]
    return Turn(user, steps, DONE, f"{e} = {r}. {e2} = {r2}. {r2} {a} is {c}.", "three", [r, r2, c])


def chain_turn(v: Values, env: dict, ctx: dict) -> Turn:
    r = v.rng.random()
    if r < 0.06:
        return talk(v, ctx)
    if r < 0.2:
        return v.one(env["makers"])(v, ctx)
    return at_once(v, env["makers"]) if r < 0.6 else one_by_one(v, env["have"])


def chain_environment(v: Values) -> dict:
    extra = v.rng.sample(list(EXTRA.values()), v.rng.choice([0, 0, 1, 2, 3]))
    tools = list(DEMO) + extra
    if extra:
        v.rng.shuffle(tools)
    have = [t["function"]["name"] for t in tools]
    system = None if v.chance(0.6) else v.one(["You are a helpful assistant.", "Be brief.", "Answer with the help of tools."])
    return {"system": system, "tools": tools, "have": have, "makers": [calc, units, clock] + [EXTRA_TURNS[n] for n in have if n in EXTRA_TURNS], "turn": chain_turn}
