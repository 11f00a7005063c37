"""Copying drills: repeat, look up, follow on, pick by description. A tiny model's calls stand and fall with induction
over words it has never seen, and these are its densest lessons: nearly every token of an answer has to be copied."""
from __future__ import annotations

import json

from .invented import adjective, code, noun, text_value, verb
from .pools import Values
from .turns import NO_TOOL, Turn, say


def item(v: Values) -> str:
    r = v.rng.random()
    if r < 0.3:
        return v.word()
    if r < 0.5:
        return noun(v)
    if r < 0.62:
        return v.name()
    if r < 0.75:
        return code(v)
    if r < 0.87:
        return v.number()
    return f"{noun(v)}_{v.word()}" if r < 0.94 else f"{verb(v)} {adjective(v)}"


def table(v: Values, n: int) -> dict:
    out: dict[str, str] = {}
    while len(out) < n:
        out[item(v)] = text_value(v) if v.chance(0.5) else item(v)
    return out


FORMS = ["{k}: {x}", "{k} = {x}", "{k} is {x}", "- {k}: {x}", "{k} -> {x}"]


def written(v: Values, t: dict) -> str:
    if v.chance(0.2):
        return json.dumps(t, ensure_ascii=False)
    form = v.one(FORMS)
    return v.one(["\n", "\n", "; "]).join(form.format(k=k, x=x) for k, x in t.items())


def drill_environment(v: Values) -> dict:
    """Half of the rows have a table in the system turn that all their dialogues ask about."""
    t = table(v, v.rng.randint(3, 14)) if v.chance(0.6) else None
    system = None if v.chance(0.3) else v.one(["Copy exactly.", "Be brief.", "Answer from the list."])
    if t:
        system = v.one(["You know this:\n{t}", "{t}", "The list:\n{t}\nAnswer from the list.", "Answer from this list only.\n{t}"]).format(t=written(v, t))
    return {"system": system, "tools": [], "table": t, "turn": drill}


def repeat_environment(v: Values) -> dict:
    """The first lesson: long repetitions and nothing else."""
    return {"system": None if v.chance(0.5) else v.one(["Copy exactly.", "Be brief."]), "tools": [], "turns": 2, "turn": lambda v, env, ctx: repeated(v, v.rng.randint(2, 20))}


def repeated(v: Values, n: int) -> Turn:
    words = v.one([" ", " ", ", "]).join(item(v) for _ in range(n))
    return answer(v.one(["Repeat: {x}", "Say {x}", "Copy this: {x}", "Write {x} again.", "Repeat after me: {x}", "Echo {x}"]).format(x=words), words)


def answer(user: str, text: str) -> Turn:
    return Turn(user, [], NO_TOOL, text, "copy", [text])


def drill(v: Values, env: dict, ctx: dict) -> Turn:
    if env["table"]:
        return about(v, env["table"])
    r = v.rng.random()
    if r < 0.45:
        return repeated(v, v.rng.randint(1, 9))
    if r < 0.75:
        t = table(v, v.rng.randint(2, 8))
        turn = about(v, t)
        turn.user = written(v, t) + "\n" + turn.user
        return turn
    if r < 0.88:
        words = [item(v) for _ in range(v.rng.randint(3, 8))]
        i = v.rng.randint(0, len(words) - 2)
        return answer(v.one(["{l}. What comes after {x}?", "In {l}: which follows {x}?"]).format(l=", ".join(words), x=words[i]), words[i + 1])
    words = [item(v) for _ in range(v.rng.randint(2, 6))]
    return answer(v.one(["List these one per line: {l}", "One per line: {l}"]).format(l=", ".join(words)), "\n".join(words))


def about(v: Values, t: dict) -> Turn:
    k = v.one(list(t))
    r = v.rng.random()
    if r < 0.6:
        return answer(say(v, ["What is {k}?", "Look up {k}.", "{k}?", "Give me {k}.", "Which value has {k}?"], k=k), t[k])
    if r < 0.8:
        backwards = {x: k for k, x in t.items()}
        x = v.one(list(backwards))
        return answer(v.one(["Which one has {x}?", "Who has {x}?", "What belongs to {x}?"]).format(x=x), backwards[x])
    keys = v.rng.sample(list(t), min(len(t), v.rng.randint(2, 3)))
    return answer("What are " + " and ".join(keys) + "?", "\n".join(f"{k}: {t[k]}" for k in keys))
