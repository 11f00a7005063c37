"""Working things out without tools: sums digit by digit, comparisons, days of the week. The steps stand in the reasoning,
or in the answer where thinking is off."""
from __future__ import annotations

import datetime

from .pools import WEEKDAYS, Values
from .turns import Turn, say


def added(a: int, b: int) -> str:
    steps, carry, x, y, out = [], 0, str(a)[::-1], str(b)[::-1], ""
    for i in range(max(len(x), len(y))):
        p, q = (int(t[i]) if i < len(t) else 0 for t in (x, y))
        s = p + q + carry
        steps.append(f"{p} + {q}" + (f" + {carry}" if carry else "") + f" = {s}, write {s % 10}" + (", carry 1" if s > 9 else ""))
        out, carry = str(s % 10) + out, s // 10
    if carry:
        steps.append("write 1")
        out = "1" + out
    return ". ".join(steps) + f". So {out}."


def sums(v: Values) -> Turn:
    a, b = (v.rng.randint(10, v.one([99, 999, 9999])) for _ in range(2))
    e = v.fresh(lambda: f"{a} + {b}") if not v.evaluation else f"{a} + {b}"
    return aloud(say(v, ["Step by step: {e}", "Add {a} and {b} by hand.", "Work out {e} by hand.", "Without a tool, what is {e}?"], e=e, a=a, b=b), added(a, b), f"{e} = {a + b}.")


def bigger(v: Values) -> Turn:
    a, b = (v.rng.randint(1, v.one([99, 999, 99999])) for _ in range(2))
    if a == b:
        b += 1
    x, y = str(a), str(b)
    if len(x) != len(y):
        why = f"{x} has {len(x)} digits, {y} has {len(y)}."
    else:
        i = next(i for i in range(len(x)) if x[i] != y[i])
        why = f"Digit {i + 1}: {x[i]} and {y[i]}."
    return aloud(say(v, ["Which is bigger, {a} or {b}?", "Is {a} or {b} bigger?"], a=a, b=b), why, f"{max(a, b)} is bigger.")


def weekday(v: Values) -> Turn:
    start, n = v.rng.randint(0, 6), v.rng.randint(1, 60)
    end = WEEKDAYS[(start + n) % 7]
    why = f"{n} = {n // 7} * 7 + {n % 7}. {n % 7} days after {WEEKDAYS[start]} is {end}."
    return aloud(say(v, ["Today is {d}. What day is it in {n} days?", "It is {d}. Which day is it {n} days later?"], d=WEEKDAYS[start], n=n), why, f"It is {end}.")


def after(v: Values) -> Turn:
    d, n = datetime.date(2024, 1, 1) + datetime.timedelta(v.rng.randint(0, 2000)), v.rng.randint(1, 27)
    e = d + datetime.timedelta(n)
    last = ((d.replace(day=28) + datetime.timedelta(4)).replace(day=1) - datetime.timedelta(1)).day
    why = f"{d.day} + {n} = {d.day + n}, the month has {last} days." + (f" {d.day + n} - {last} = {e.day}." if e.month != d.month else "")
    return aloud(say(v, ["Which date is {n} days after {d}?", "What is the date {n} days after {d}?"], n=n, d=d), why, f"It is {e}.")


def aloud(user: str, steps: str, answer: str) -> Turn:
    return Turn(user, [], steps, answer, "reason", [answer.rstrip(".")], aloud=f"{steps} {answer}")


def reason_turn(v: Values, env: dict, ctx: dict) -> Turn:
    return v.one([sums, sums, bigger, weekday, after])(v)


def reason_environment(v: Values) -> dict:
    """One turn a dialogue: the template drops the reasoning of earlier ones, and answers would seem to need none."""
    return {"turns": 1, "system": None if v.chance(0.7) else "Think step by step.", "tools": [], "turn": reason_turn}
