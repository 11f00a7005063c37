"""Long conversations: facts at the beginning, other talk in between, questions about the facts in the end; and long lists in
the system turn. What the long phase trains on."""
from __future__ import annotations

from .drills import FORMS, about, drill, table, written
from .other_turns import talk
from .pools import Values
from .reading import reading_turn
from .stories import story_turn
from .turns import NO_TOOL, Turn

FILLERS = [story_turn, reading_turn, reading_turn, drill, lambda v, env, ctx: talk(v, ctx)]


def long_dialogue(v: Values, env: dict) -> tuple[list[Turn], bool]:
    """(turns, thinking); between the facts and the first question lie up to about 3,500 tokens."""
    t = table(v, v.rng.randint(1, 6))
    turns = [Turn(v.one(["Remember this.\n{t}", "Keep in mind:\n{t}"]).format(t=written(v, t)), [], NO_TOOL, "Noted.", "talk", ["Noted."])]
    between, ctx = v.rng.randint(500, env["characters"]), {"tools": []}
    while between > 0:
        turn = v.one(FILLERS)(v, {**env, "table": None, "texts": None}, ctx)
        between -= len(turn.user) + len(turn.answer) + 40
        turns.append(turn)
    for _ in range(v.rng.randint(1, 3)):
        asked = about(v, t)
        asked.kind = "long"
        turns.append(asked)
    return turns, v.chance(0.5)


def long_environment(v: Values) -> dict:
    if v.chance(0.3):
        t = table(v, v.rng.randint(30, 110))
        return {"system": "\n".join(FORMS[0].format(k=k, x=x) for k, x in t.items()), "tools": [], "table": t, "turn": drill}
    return {"system": None, "tools": [], "characters": v.one([2000, 5000, 9000, 9000]), "dialogue": long_dialogue}
