"""Short stories with a few people, places and things that keep their places, and questions about them. Every story follows
from a little world state, so every question has one answer."""
from __future__ import annotations

from .invented import adjective, noun
from .pools import FIRST_NAMES, Values
from .turns import NO_TOOL, Turn, say

ANIMALS = "cat dog fox bear rabbit mouse owl duck horse frog hen goat".split()
PLACES = "garden kitchen forest river house school market park tower cellar field barn".split()
THINGS = "key ball book hat lamp apple coin box rope map shoe cup letter stone flute".split()
COLORS = "red blue green yellow white black brown golden silver".split()
MOODS = "happy sad tired proud curious afraid brave hungry".split()


def person(v: Values) -> str:
    return v.name() if v.chance(0.6) else v.fresh(lambda: v.rng.choice(FIRST_NAMES))


def tell(v: Values, hero: str, animal: str) -> tuple[list[str], dict]:
    """(sentences, facts: where, has, friend, thing, color, mood)."""
    r = v.rng
    friend = person(v)
    here, there = r.sample(PLACES, 2)
    thing = r.choice(THINGS) if v.chance(0.7) else noun(v)
    color, mood, end = r.choice(COLORS), r.choice(MOODS), r.choice(["happy", "glad", "proud"])
    s = [r.choice([f"Once there was a {animal} named {hero}.", f"{hero} was a small {animal}.", f"There was a {mood} {animal} called {hero}."]),
         r.choice([f"{hero} lived in the {here}.", f"The home of {hero} was the {here}."])]
    if v.chance(0.6):
        s.append(f"One day {hero} was {mood}.")
    s.append(r.choice([f"{hero} found a {color} {thing} in the {there}.", f"In the {there}, {hero} found a {color} {thing}."]))
    s.append(r.choice([f"Then {friend} came.", f"{hero} met {friend}.", f"A friend came, {friend}."]))
    gives = v.chance(0.5)
    if gives:
        s.append(r.choice([f"{hero} gave the {thing} to {friend}.", f'"Take it," said {hero}, and {friend} took the {thing}.']))
    else:
        s.append(r.choice([f'"What a nice {thing}!" said {friend}.', f"{friend} liked the {thing}, but {hero} kept it."]))
    s.append(r.choice([f"They went home to the {here} and were {end}.", f"They played in the {there} and were {end}.", f"So they were both {end}."]))
    return s, {"home": here, "found": there, "friend": friend, "thing": thing, "color": color, "has": friend if gives else hero}


def question(v: Values, hero: str, animal: str, f: dict) -> tuple[str, str]:
    return v.one([
        (f"Where did {hero} live?", f"{hero} lived in the {f['home']}."), (f"Where did {hero} find the {f['thing']}?", f"{hero} found the {f['thing']} in the {f['found']}."),
        (f"Who has the {f['thing']}?", f"{f['has']} has the {f['thing']}."), (f"What color was the {f['thing']}?", f"The {f['thing']} was {f['color']}."),
        (f"Who came to {hero}?", f"{f['friend']} came to {hero}."), (f"What animal was {hero}?", f"{hero} was a {animal}."), (f"What did {hero} find?", f"{hero} found a {f['color']} {f['thing']}."),
    ])


def story_turn(v: Values, env: dict, ctx: dict) -> Turn:
    if ctx.get("story"):
        q, a = question(v, *ctx.pop("story"))
        return Turn(say(v, [q]), [], NO_TOOL, a, "story", [a])
    hero, animal = person(v), v.rng.choice(ANIMALS)
    s, facts = tell(v, hero, animal)
    text = " ".join(s)
    if v.chance(0.4):  # read one
        q, a = question(v, hero, animal, facts)
        return Turn(f"{text} {q}" if v.chance(0.5) else f"{text}\n{q}", [], NO_TOOL, a, "story", [a])
    ctx["story"] = (hero, animal, facts)
    return Turn(say(v, ["Tell me a story about {n} the {a}.", "A story about a {a} named {n}, please.", "Tell a story about the {a} {n}."], n=hero, a=animal), [], NO_TOOL, text, "tale", [hero])


def story_environment(v: Values) -> dict:
    return {"system": None if v.chance(0.7) else v.one(["You tell stories.", f"You are a {adjective(v)} narrator."]), "tools": [], "turn": story_turn}
