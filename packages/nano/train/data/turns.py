"""User turns for the three demonstration tools: what is asked, which calls answer it, what comes back, what is said.

A turn is a Turn; everything the assistant says is formulaic on purpose, because a model of this size learns one phrasing
of each thing well and several phrasings badly. What the user says varies.
"""
from __future__ import annotations

import dataclasses
import datetime
import math
import re

from .pools import TEMPERATURES, UNITS, WEEKDAYS, ZONES, Values, convert, show


@dataclasses.dataclass
class Step:
    think: str
    calls: list  # (name, arguments)
    results: list  # one string per call


@dataclasses.dataclass
class Turn:
    user: str
    steps: list  # of Step
    think: str  # reasoning before the final answer
    answer: str
    kind: str
    restate: list = dataclasses.field(default_factory=list)  # what the answer has to contain
    value: str | None = None  # a number later turns may refer to
    unit: tuple | None = None  # (value, from) of the last conversion
    aloud: str = ""  # what is said instead of `answer` when thinking is off


def call_think(name: str) -> str:
    return f"I will call {name}."


DONE = "I have the result."
FAILED = "The tool failed."
NO_TOOL = "No tool is needed."
NONE_FITS = "No tool fits."


IMPERATIVES = "Calculate Compute Work Tell Add Subtract Multiply Divide Convert Change Put Schedule Read Show Open Remember Store Set Start Get Use Call".split()


def say(v: Values, forms: list[str], **kw) -> str:
    """One of the phrasings, with the small variations of people typing."""
    t = v.one(forms).format(**kw)
    if v.chance(0.12):
        imperative = t.split()[0] in IMPERATIVES
        t = v.one(["Hey, ", "Hi! ", "Ok, ", "So "] + ["Please ", "Can you ", "Now "] * imperative) + t[:1].lower() + t[1:]
    if v.chance(0.2):
        t = t[:1].lower() + t[1:]
    if v.chance(0.2):
        t = t.rstrip("?.!")
    return t


# --- calculator -----------------------------------------------------------------------------------------------------

WORDS = {"+": ["plus"], "-": ["minus"], "*": ["times", "x", "multiplied by"], "/": ["divided by", "over"]}


def evaluate(expr: str) -> str:
    """The calculator: the result as text, or `Error: ...`."""
    try:
        return show(float(eval(expr.replace("^", "**"), {"__builtins__": {}}, {"sqrt": math.sqrt})))
    except ZeroDivisionError:
        return "Error: division by zero"


def expression(v: Values) -> tuple[str, str]:
    """(how it is typed, the expression of the call)."""
    n = v.number
    style = v.rng.random()
    op = v.one("+-**/")
    if style < 0.62:
        e = f"{n()} {op} {n()}"
        if v.chance(0.35):
            return e.replace(op, v.one(WORDS[op]), 1), e
        return (e.replace(" ", "") if v.chance(0.25) and "-" not in e else e), e
    if style < 0.74:
        e = v.one(["{} {} {} {} {}", "({} {} {}) {} {}", "{} {} ({} {} {})"]).format(n(), op, n(), v.one("+-*"), n())
        return e, e
    if style < 0.82:
        a, b = n(), n()
        return f"{a}% of {b}", f"{a} / 100 * {b}"
    if style < 0.89:
        a = str(v.integer())
        return v.one(["the square root of {}", "sqrt({})"]).format(a), f"sqrt({a})"
    if style < 0.95:
        a = str(v.rng.randint(2, 99))
        return v.one(["{} squared", "the square of {}"]).format(a), f"{a} ^ 2"
    a, b = v.rng.randint(2, 20), v.rng.randint(2, 6)
    return v.one(["{} ^ {}", "{} to the power of {}"]).format(a, b), f"{a} ^ {b}"


def fresh_expression(v: Values) -> tuple[str, str]:
    box = {}

    def make():
        said, e = expression(v)
        box[e] = said
        return e
    e = v.fresh(make)
    return box[e], e


ASK_CALC = ["What is {s}?", "What's {s}?", "Calculate {s}.", "Compute {s}.", "How much is {s}?", "{s}", "{s} = ?", "{s}?", "Work out {s}.", "I need {s}.", "Tell me {s}."]


def calc_answer(e: str, result: str) -> str:
    return f"The tool failed: {result[7:]}." if result.startswith("Error") else f"{e} = {result}."


def calc(v: Values, ctx: dict) -> Turn:
    if ctx.get("value") and v.chance(0.35):
        n, op = v.number(), v.one("+-*/")
        e = f"{ctx['value']} {op} {n}"
        said = {"+": ["Add {n} to that.", "And plus {n}?", "Plus {n}?"], "-": ["Subtract {n} from that.", "Minus {n}?"],
                "*": ["Multiply that by {n}.", "And times {n}?", "Times {n}?"], "/": ["Divide that by {n}.", "Divided by {n}?"]}[op]
        user = say(v, said, n=n)
    else:
        s, e = fresh_expression(v)
        if v.chance(0.03):
            a = v.number()
            s = e = f"{a} / 0"
        user = say(v, ASK_CALC, s=s)
    r = evaluate(e)
    bad = r.startswith("Error")
    return Turn(user, [Step(call_think("calculator"), [("calculator", {"expression": e})], [r])], FAILED if bad else DONE, calc_answer(e, r), "calculator",
                [r[7:] if bad else r], None if bad or r.startswith("-") else r)


# --- convert_units --------------------------------------------------------------------------------------------------


def number_value(t: str):
    return float(t) if "." in t else int(t)


def unit_pair(v: Values) -> tuple[str, str]:
    fam = v.one(list(UNITS) + ["length", "length", "mass", "t"])
    return tuple(v.rng.sample(TEMPERATURES if fam == "t" else list(UNITS[fam]), 2))


ASK_CONVERT = ["Convert {n} {a} to {b}.", "convert {n} {a} to {b}", "How many {b} are {n} {a}?", "What is {n} {a} in {b}?", "{n} {a} in {b}", "{n} {a} to {b}?", "How many {b} is {n} {a}?",
               "Change {n} {a} into {b}.", "Tell me {n} {a} in {b}.", "I have {n} {a}. What is that in {b}?", "{n} {a} = ? {b}"]


def units(v: Values, ctx: dict) -> Turn:
    a, b = unit_pair(v)
    if ctx.get("unit") and v.chance(0.35):
        n, a = ctx["unit"]
        fam = next((f for f in UNITS.values() if a in f), TEMPERATURES)
        b = v.one([u for u in fam if u != a])
        user = say(v, ["And in {b}?", "In {b}?", "Now in {b}.", "And what is it in {b}?"], b=b)
    else:
        n = v.fresh(v.number) if v.chance(0.9) else v.number()
        user = say(v, ASK_CONVERT, n=n, a=a, b=b)
    r = show(convert(float(n), a, b), 6) + f" {b}"
    args = {"value": number_value(n), "from": a, "to": b}
    return Turn(user, [Step(call_think("convert_units"), [("convert_units", args)], [r])], DONE, f"{n} {a} is {r}.", "convert_units", [r], None, (n, a))


def units_clarify(v: Values, ctx: dict) -> Turn:
    a, _ = unit_pair(v)
    return Turn(say(v, ["Convert {n} {a}.", "Can you convert {n} {a}?"], n=v.number(), a=a), [], "The target unit is missing.", "To which unit?", "clarify")


# --- clock ----------------------------------------------------------------------------------------------------------


def now_text(v: Values, zone: str) -> str:
    d = datetime.datetime(2025, 1, 1) + datetime.timedelta(minutes=v.rng.randint(0, 60 * 24 * 1200))
    return f"{d:%Y-%m-%d %H:%M} {WEEKDAYS[d.weekday()]}, {zone}"


def clock(v: Values, ctx: dict) -> Turn:
    if v.chance(0.5):
        zone, args = "UTC", {}
        user = say(v, ["What time is it?", "What is the time?", "What's the time now?", "Tell me the time.", "what time is it", "What day is it today?", "What is the date today?",
                       "What is today's date?", "Which day is it?", "Time please.", "Do you know what time it is?", "What time is it now?"])
    else:
        city = v.one(ZONES)
        zone = ZONES[city]
        args = {"timezone": zone}
        user = say(v, ["What time is it in {c}?", "What is the time in {c}?", "Time in {c}?", "Tell me the time in {c}.", "What day is it in {c}?", "What's the time in {c} now?", "{c} time?"],
                   c=zone if v.chance(0.2) else city)
        if ctx.get("clocked") and v.chance(0.5):
            user = say(v, ["And in {c}?", "And in {c} now?", "What about {c}?"], c=city)
    ctx["clocked"] = True
    r = now_text(v, zone)
    return Turn(user, [Step(call_think("clock"), [("clock", args)], [r])], DONE, f"It is {r}.", "clock", [r])


# --- two calls ------------------------------------------------------------------------------------------------------


def lower(t: str) -> str:
    return re.sub(r"[?.!]+$", "", t[:1].lower() + t[1:])


def parallel(v: Values, ctx: dict, makers: list) -> Turn:
    """Two independent questions in one sentence, both calls in one assistant turn."""
    for _ in range(20):
        a, b = v.one(makers)(v, {}), v.one(makers)(v, {})
        if all(len(t.steps) == 1 and not t.steps[0].results[0].startswith("Error") for t in (a, b)):
            break
    user = v.one(["{a} and {b}?", "{a}, and {b}?", "{a}? Also {b}?", "{a} and then {b}?"]).format(a=lower(a.user)[:1].upper() + lower(a.user)[1:], b=lower(b.user))
    names = [t.steps[0].calls[0][0] for t in (a, b)]
    think = f"I will call {names[0]} and {names[1]}."
    return Turn(user, [Step(think, a.steps[0].calls + b.steps[0].calls, a.steps[0].results + b.steps[0].results)], "I have both results.", a.answer + " " + b.answer, "parallel", a.restate + b.restate)


def chained(v: Values, ctx: dict) -> Turn:
    """A calculation whose result is then converted: the second call needs the first one's result."""
    while True:
        s, e = fresh_expression(v)
        r = evaluate(e)
        if not r.startswith(("Error", "-")):
            break
    a, b = unit_pair(v)
    c = show(convert(float(r), a, b), 6) + f" {b}"
    user = say(v, ["What is {s}? Then convert the result from {a} to {b}.", "Calculate {s} and convert that from {a} to {b}.", "Compute {s}, then convert it from {a} to {b}."], s=s, a=a, b=b)
    steps = [Step("First I will call calculator, then convert_units.", [("calculator", {"expression": e})], [r]),
             Step(call_think("convert_units"), [("convert_units", {"value": number_value(r), "from": a, "to": b})], [c])]
    return Turn(user, steps, DONE, f"{e} = {r}. {r} {a} is {c}.", "chained", [r, c])
