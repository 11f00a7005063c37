"""Which environments a stage of training draws from, and in what proportion of rows."""
from __future__ import annotations

from .chains import chain_environment
from .dialogue import environment as everyday
from .drills import drill_environment, repeat_environment
from .invented import invented_turn, specs_of
from .long import long_environment
from .other_turns import talk
from .pools import Values
from .reading import reading_environment
from .reason import reason_environment
from .stories import story_environment
from .tools import DEMO, EXTRA
from .turns import Turn


def nonce_environment(v: Values) -> dict:
    specs = specs_of(v, v.rng.choice([1, 2, 2, 3, 3, 4, 5]))
    tools = [s.schema for s in specs] + v.rng.sample(DEMO + list(EXTRA.values()), v.rng.choice([0, 0, 0, 1, 2]))
    v.rng.shuffle(tools)
    return {"system": None if v.chance(0.6) else v.one(["Be brief.", "You are a helpful assistant.", f"You are {v.name()}, the assistant of {v.name()}."]), "tools": tools, "specs": specs, "turn": nonce_turn}


def nonce_turn(v: Values, env: dict, ctx: dict) -> Turn:
    return talk(v, ctx) if v.chance(0.05) else invented_turn(v, ctx, env["specs"])


SOURCES = {"everyday": everyday, "chain": chain_environment, "nonce": nonce_environment, "drill": drill_environment, "repeat": repeat_environment, "reason": reason_environment, "long": long_environment, "story": story_environment, "reading": reading_environment}
MIXES = {
    "micro": {"everyday": 1},
    "repeat": {"repeat": 85, "drill": 15},
    "copy": {"repeat": 10, "drill": 60, "nonce": 25, "everyday": 15},
    "early": {"drill": 22, "nonce": 38, "everyday": 20, "chain": 4, "story": 5, "reading": 7, "reason": 4},
    "full": {"repeat": 1, "drill": 7, "nonce": 38, "everyday": 26, "chain": 6, "story": 8, "reading": 8, "reason": 6},
    "long": {"long": 55, "nonce": 20, "everyday": 15, "chain": 4, "reading": 4, "reason": 2},
    "held": {"nonce": 40, "everyday": 34, "chain": 14, "story": 4, "reading": 4, "reason": 4},  # what is evaluated
    "nonce_only": {"nonce": 1},
    "words": {"nonce": 35, "everyday": 15, "story": 15, "reading": 30, "reason": 5},  # what the tokenizer learns from
}


def environment(v: Values, mix: str) -> dict:
    shares = MIXES[mix]
    if len(shares) == 1:
        return SOURCES[next(iter(shares))](v)
    return SOURCES[v.rng.choices(list(shares), list(shares.values()))[0]](v)
