"""Questions whose answer stands in a text of the conversation: dictionary definitions (WordNet) and country facts
(Factbook). The model cannot know such things; it learns to look where they are written."""
from __future__ import annotations

from ..corpora import corpus
from .pools import Values
from .turns import NO_TOOL, Turn, say


def definition(v: Values) -> list:
    return v.fresh_by(lambda: v.rng.choice(corpus("wordnet")["defs"]), lambda d: d[0])


def article(word: str) -> str:
    return ("an " if word[0] in "aeiou" else "a ") + word


def meaning_text(d: list) -> str:
    word, pos, meaning, _ = d
    return f"{article(word).capitalize()} is {meaning}." if pos == "noun" else f"To {word} is to {meaning}." if pos == "verb" else f"{word.capitalize()} means {meaning}."


def defined(v: Values, ds: list) -> Turn:
    d = v.one(ds)
    word, pos, meaning, _ = d
    if v.chance(0.8):
        ask = {"noun": ["What is {a}?", "What does {w} mean?", "Define {w}."], "verb": ["What does {w} mean?", "Define {w}.", "What is it to {w}?"], "adj": ["What does {w} mean?", "Define {w}."]}[pos]
        return reply(say(v, ask, w=word, a=article(word)), meaning_text(d))
    return reply(say(v, ["Which word means: {m}?", "What is the word for: {m}?"], m=meaning), word.capitalize() + ".")


def reply(user: str, text: str) -> Turn:
    return Turn(user, [], NO_TOOL, text, "reading", [text.rstrip(".")])


def country(v: Values) -> list:
    return v.fresh_by(lambda: v.rng.choice(corpus("factbook")), lambda c: c[0])


def fact_text(c: list) -> str:
    return " ".join(f"The {k} of {c[0]}: {x}." for k, x in c[1].items())


def about_country(v: Values, cs: list) -> Turn:
    c = v.one(cs)
    k = v.one(list(c[1]))
    return reply(say(v, ["What is the {k} of {c}?", "Tell me the {k} of {c}.", "{c}: {k}?"], k=k, c=c[0]), f"The {k} of {c[0]}: {c[1][k]}.")


def reading_turn(v: Values, env: dict, ctx: dict) -> Turn:
    if env["texts"]:
        return env["about"](v, env["texts"])
    if v.chance(0.7):
        ds = [definition(v) for _ in range(v.rng.randint(1, 4))]
        t, text = defined(v, ds), " ".join(meaning_text(d) for d in ds)
    else:
        cs = [country(v) for _ in range(v.rng.randint(1, 2))]
        t, text = about_country(v, cs), " ".join(fact_text(c) for c in cs)
    t.user = f"{text}\n{t.user}"
    return t


def reading_environment(v: Values) -> dict:
    r = v.rng.random()
    if r < 0.35:
        ds = [definition(v) for _ in range(v.rng.randint(3, 9))]
        return {"system": "\n".join(meaning_text(d) for d in ds), "tools": [], "texts": ds, "about": defined, "turn": reading_turn}
    if r < 0.55:
        cs = [country(v) for _ in range(v.rng.randint(2, 4))]
        return {"system": "\n".join(fact_text(c) for c in cs), "tools": [], "texts": cs, "about": about_country, "turn": reading_turn}
    return {"system": None, "tools": [], "texts": None, "turn": reading_turn}
