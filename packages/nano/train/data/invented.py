"""Tools nobody has seen: invented or ordinary words in every place, parameters of every JSON type, and requests that say in
the tool's own words what it should do. They teach the model to read the list of tools instead of remembering one.

A Spec is a tool and the makers of its calls: `ask(v)` gives (request, arguments, what the tool is about)."""
from __future__ import annotations

import dataclasses
import json
import string

from ..corpora import corpus
from .pools import NOUNS, Values, held
from .tools import tool
from .turns import DONE, FAILED, NONE_FITS, Step, Turn, call_think, say


@dataclasses.dataclass
class Spec:
    schema: dict
    ask: object  # v -> (request, arguments)
    answer: object  # (arguments, result) -> text
    result: object  # v -> text
    missing: tuple = ()  # (request without its value, question back)
    getter: tuple = ()  # (noun, kind, parameter) of a tool that gets something by one text value

    @property
    def name(self) -> str:
        return self.schema["function"]["name"]


def noun(v: Values) -> str:
    """A thing: half of them invented, a few everyday ones, the rest from the dictionary."""
    r = v.rng.random()
    if r < 0.5:
        return v.word()
    return v.fresh(lambda: v.rng.choice(NOUNS if r < 0.6 else corpus("wordnet")["noun"]))


def verb(v: Values) -> str:
    return v.word() if v.chance(0.35) else v.fresh(lambda: v.rng.choice(corpus("wordnet")["verb"]))


def adjective(v: Values) -> str:
    return v.fresh(lambda: v.rng.choice(corpus("wordnet")["adj"]))


def code(v: Values) -> str:
    """An identifier no vocabulary holds: hex, letters with digits, dashed groups."""
    r = v.rng

    def make():
        kind = r.randint(0, 3)
        if kind == 0:
            return "".join(r.choice("0123456789abcdef") for _ in range(r.randint(4, 12)))
        if kind == 1:
            return "".join(r.choice(string.ascii_uppercase) for _ in range(r.randint(1, 3))) + "-" + str(r.randint(1, 9999))
        if kind == 2:
            return "".join(r.choice(string.ascii_lowercase + string.digits) for _ in range(r.randint(4, 10)))
        return "-".join("".join(r.choice(string.ascii_lowercase) for _ in range(r.randint(2, 4))) for _ in range(r.randint(2, 3)))
    return v.fresh(make)


def text_value(v: Values) -> str:
    r = v.rng.random()
    if r < 0.35:
        return v.word()
    if r < 0.55:
        return v.name()
    if r < 0.75:
        return noun(v)
    if r < 0.87:
        return code(v)
    return f"{adjective(v)} {noun(v)}" if r < 0.95 else v.path()


def call_name(v: Values, words: list[str]) -> str:
    """snake_case, camelCase or one word, from words that may or may not occur in the description."""
    ws = [v.syllables(v.rng.randint(2, 3))] if v.chance(0.25) else words
    style = v.rng.random()
    if style < 0.75:
        return "_".join(ws)
    return ws[0] + "".join(w.capitalize() for w in ws[1:]) if style < 0.93 else "-".join(ws)


def besides(taken: str, make) -> str:
    """Another name than `taken`: two parameters of a tool must differ."""
    while (x := make()) == taken:
        pass
    return x


def listed(xs: list) -> str:
    xs = [str(x) for x in xs]
    return xs[0] if len(xs) == 1 else ", ".join(xs[:-1]) + " and " + xs[-1]


def getter(v: Values) -> Spec:
    n, k = noun(v), noun(v)
    number = v.chance(0.2)
    param = v.one([k, "name", "id", "query"]) if not number else v.one([k, "id", "number"])
    lead = v.one(["get", "find", "fetch", "look_up", "read"])
    name = call_name(v, v.one([[lead, n], [k, n], [lead, k, n], [n]]))
    def ask(v, x=None):
        x = (v.integer() if number else text_value(v)) if x is None else x
        forms = ["Get the {n} of the {k} {x}.", "What is the {n} of {k} {x}?", "What is the {n} of the {k} {x}?", "Tell me the {n} of {k} {x}.", "Find the {n} of {k} {x}.", "I need the {n} of the {k} {x}.", "{n} of {k} {x}?",
                 "Use {t} on {x}.", "Call {t} with {x}."]
        return say(v, forms, n=n, k=k, x=x, t=name), {param: x}
    s = tool(name, v.one(["Get the {n} of a {k}.", "Finds the {n} of the given {k}.", "The {n} of a {k}."]).format(n=n, k=k), {param: "integer" if number else "string"})
    return Spec(s, ask, lambda a, r: f"The {n} is {r}.", lambda v: v.one([v.word, v.name, v.number, lambda: code(v)])(), (v.one([f"Get the {n} of a {k}.", f"I need the {n} of a {k}."]), f"Which {k}?"), () if number else (n, k, param))


def setter(v: Values) -> Spec:
    n, k = noun(v), noun(v)
    kind = v.one(["string", "string", "integer", "number", "boolean"])
    name = call_name(v, v.one([["set", n], ["set", k, n], ["change", n], ["update", k]]))
    p = v.one([k, "name", "id"])
    q = besides(p, lambda: v.one([n, "value"]))
    def ask(v):
        x, y = text_value(v), {"string": text_value, "integer": lambda v: v.integer(), "number": lambda v: v.rng.randint(0, 400) + v.one([0.5, 0.25, 0.1, 0.7]), "boolean": lambda v: v.chance(0.5)}[kind](v)
        if kind == "boolean":
            return say(v, ["Turn {w} the {n} of {k} {x}.", "Switch {w} the {n} of the {k} {x}."], n=n, k=k, x=x, w="on" if y else "off"), {p: x, q: y}
        return say(v, ["Set the {n} of {k} {x} to {y}.", "Set the {n} of the {k} {x} to {y}.", "Change the {n} of {k} {x} to {y}."], n=n, k=k, x=x, y=y), {p: x, q: y}
    s = tool(name, v.one(["Set the {n} of a {k}.", "Changes the {n} of a {k}."]).format(n=n, k=k), {p: "string", q: kind})
    return Spec(s, ask, lambda a, r: f"Done: {r}.", outcome)


def outcome(v: Values) -> str:
    return v.one(["ok", "done", f"{noun(v)} {v.integer()}", code(v), v.word()])


def lister(v: Values) -> Spec:
    n, w = noun(v), verb(v)
    number = v.chance(0.3)
    name = call_name(v, v.one([[w, n + "s"], [w, "all"], [w]]))
    p = v.one([n + "s", "items", "list"])
    def ask(v):
        xs = [v.integer() if number else text_value(v) for _ in range(v.rng.randint(1, 4))]
        return say(v, ["{w} the {n}s {x}.", "{w} these {n}s: {x}.", "Please {w} the {n}s {x}."], w=w.capitalize(), n=n, x=listed(xs)).replace("Please " + w.capitalize(), "Please " + w), {p: xs}
    s = tool(name, v.one(["{w} several {n}s.", "{w} a list of {n}s."]).format(w=w.capitalize(), n=n), {p: {"type": "array", "items": {"type": "integer" if number else "string"}}})
    return Spec(s, ask, lambda a, r: f"Done: {r}.", outcome, (f"{w.capitalize()} some {n}s.", f"Which {n}s?"))


def chooser(v: Values) -> Spec:
    n, w, m = noun(v), verb(v), v.one(["mode", "level", "color", "style", noun(v)])
    options = [v.one([v.word, lambda: adjective(v)])() for _ in range(v.rng.randint(2, 4))]
    name, p = call_name(v, v.one([[w, n], [w, "with", m], [w]])), besides(m, lambda: v.one([n, "name", "target"]))
    optional = v.chance(0.4)
    def ask(v):
        x, y = text_value(v), v.one(options)
        if optional and v.chance(0.5):
            return say(v, ["{w} the {n} {x}.", "{w} {n} {x}."], w=w.capitalize(), n=n, x=x), {p: x}
        return say(v, ["{w} the {n} {x} with {m} {y}.", "{w} {n} {x}, {m} {y}."], w=w.capitalize(), n=n, x=x, m=m, y=y), {p: x, m: y}
    s = tool(name, v.one(["{w} a {n}.", "{w} the {n} with some {m}."]).format(w=w.capitalize(), n=n, m=m), {p: "string", m: {"type": "string", "enum": options}}, [p] if optional else None)
    return Spec(s, ask, lambda a, r: f"Done: {r}.", outcome)


def creator(v: Values) -> Spec:
    n, f = noun(v), noun(v)
    g = besides(f, lambda: v.one(["size", "count", noun(v)]))
    w = v.one(["create", "add", "make", "new"])
    name = call_name(v, [w, n])
    def ask(v):
        x, y = text_value(v), v.integer()
        said = "Create" if w == "new" else w.capitalize()
        return say(v, ["{w} a {n} with {f} {x} and {g} {y}.", "{w} a {n}: {f} {x}, {g} {y}."], w=said, n=n, f=f, x=x, g=g, y=y), {n: {f: x, g: y}}
    schema = {n: {"type": "object", "properties": {f: {"type": "string"}, g: {"type": "integer"}}, "required": [f, g]}}
    return Spec(tool(name, f"{'Create' if w == 'new' else w.capitalize()} a {n}.", schema), ask, lambda a, r: f"Done: {r}.", outcome)


def mover(v: Values) -> Spec:
    n, w = noun(v), verb(v)
    a, b = v.one([("from", "to"), ("source", "target"), (first := noun(v), besides(first, lambda: noun(v)))])
    limit = v.one(["", "limit", "count", "priority"])
    limit = "" if limit in (a, b) else limit
    name = call_name(v, v.one([[w, n], [w]]))
    def ask(v):
        x, y = text_value(v), text_value(v)
        args = {a: x, b: y}
        tail = ""
        if limit and v.chance(0.5):
            args[limit] = v.rng.randint(1, 99)
            tail = f", {limit} {args[limit]}"
        lead = "from {x} to {y}" if (a, b) in (("from", "to"), ("source", "target")) else "with {a} {x} and {b} {y}"
        return say(v, ["{w} the {n} " + lead + tail + ".", "{w} a {n} " + lead + tail + "."], w=w.capitalize(), n=n, a=a, x=x, b=b, y=y), args
    params: dict = {a: "string", b: "string"}
    if limit:
        params[limit] = {"type": "integer", "description": f"optional {limit}"}
    return Spec(tool(name, f"{w.capitalize()} a {n}.", params, [a, b]), ask, lambda a, r: f"Done: {r}.", outcome)


KINDS = [getter] * 9 + [setter] * 3 + [lister] * 2 + [chooser] * 3 + [creator] * 2 + [mover] * 2


def spec(v: Values) -> Spec:
    """One whose name lies on this side of the split."""
    while held((s := v.one(KINDS)(v)).name) != v.evaluation:
        pass
    return s


def specs_of(v: Values, count: int) -> list[Spec]:
    found: dict[str, Spec] = {}
    while len(found) < count:
        s = spec(v)
        found[s.name] = s
    return list(found.values())


def literal(v: Values, s: Spec, args: dict) -> str:
    """A request that names the tool and its parameters."""
    parts = [f"{k} {json.dumps(x, ensure_ascii=False) if isinstance(x, (list, dict, bool)) else x}" for k, x in args.items()]
    return say(v, ["Call {t} with {p}.", "Use {t} with {p}.", "{t}: {p}.", "Run {t} with {p}."], t=s.name, p=listed(parts))


def invented_turn(v: Values, ctx: dict, specs: list[Spec]) -> Turn:
    s = v.one(specs)
    r = v.rng.random()
    if r < 0.04:
        other = spec(v)
        asked = other.ask(v)[0]
        return Turn(f"What is the {noun(v)} of {v.word()}?" if other.name in asked else asked, [], NONE_FITS, "I have no tool for that.", "refusal", ["I have no tool for that."])
    if r < 0.08 and s.missing:
        user, back = s.missing
        return Turn(user, [], "A value is missing.", back, "clarify", [back])
    if r < 0.15:
        return several(v, specs)
    if r < 0.24 and any(x.getter for x in specs):
        return three(v, [x for x in specs if x.getter])
    user, args = s.ask(v)
    if v.chance(0.18):
        user = literal(v, s, args)
    if v.chance(0.07):
        e = v.one(["not found", "timeout", "no connection", f"no such {noun(v)}", f"code {v.rng.randint(100, 999)}"])
        return Turn(user, [Step(call_think(s.name), [(s.name, args)], [f"Error: {e}"])], FAILED, f"The tool failed: {e}.", "nonce", [e])
    out = s.result(v)
    wire = json.dumps({s.getter[0]: out}) if s.getter and v.chance(0.25) else out
    return Turn(user, [Step(call_think(s.name), [(s.name, args)], [wire])], DONE, s.answer(args, out), "nonce", [out])


def several(v: Values, specs: list[Spec]) -> Turn:
    """Two independent requests in one sentence, both calls at once."""
    a, b = v.one(specs), v.one(specs)
    (ua, aa), (ub, ab) = a.ask(v), b.ask(v)
    ra, rb = a.result(v), b.result(v)
    user = v.one(["{a} and {b}.", "{a}, and {b}.", "{a}. Also {b}.", "{a}, then {b}."]).format(a=ua.rstrip("?.!"), b=(ub[:1].lower() + ub[1:]).rstrip("?.!"))
    think = f"I will call {a.name} and {b.name}."
    return Turn(user, [Step(think, [(a.name, aa), (b.name, ab)], [ra, rb])], "I have both results.", f"{a.answer(aa, ra)} {b.answer(ab, rb)}", "nonce_parallel", [ra, rb])


def three(v: Values, getters: list[Spec]) -> Turn:
    """Three calls, each with what the one before gave."""
    chain = [v.one(getters) for _ in range(3)]
    x = text_value(v)
    first = x
    steps, results = [], []
    for i, s in enumerate(chain):
        r = v.one([v.word, v.name, lambda: code(v)])()
        steps.append(Step(call_think(s.name), [(s.name, {s.getter[2]: x})], [r]))
        results.append(r)
        x = r
    (n1, k1, _), (n2, k2, _), (n3, k3, _) = (s.getter for s in chain)
    user = say(v, ["Get the {n1} of the {k1} {x}, then the {n2} of that {k2}, then the {n3} of that {k3}.", "Find the {n1} of {k1} {x}, with it the {n2} of the {k2}, and with that the {n3} of the {k3}."], n1=n1, k1=k1, x=first, n2=n2, k2=k2, n3=n3, k3=k3)
    return Turn(user, steps, "I have the last result.", f"The {n3} is {results[2]}.", "nonce_three", [results[2]])
