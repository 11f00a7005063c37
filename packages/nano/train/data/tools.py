"""Tool schemas the dialogues use: the three demonstration tools (read from demo-tools.json, the single source), a few
other everyday tools, and tools with invented names, which teach the model to read the list instead of remembering it."""
from __future__ import annotations

import json
import pathlib

from .pools import NOUNS, Values

DEMO = json.loads((pathlib.Path(__file__).parents[2] / "demo-tools.json").read_text())
DEMO_NAMES = [t["function"]["name"] for t in DEMO]


def tool(name: str, description: str, params: dict, required: list | None = None) -> dict:
    p: dict = {"type": "object", "properties": {k: v if isinstance(v, dict) else {"type": v} for k, v in params.items()}}
    if required != []:
        p["required"] = list(params) if required is None else required
    return {"type": "function", "function": {"name": name, "description": description, "parameters": p}}


EXTRA = {
    t["function"]["name"]: t
    for t in [
        tool("get_weather", "Current weather in a city.", {"city": "string"}),
        tool("add_event", "Add an event to the calendar.", {"title": "string", "date": "string", "time": "string"}),
        tool("read_file", "Read a text file.", {"path": "string"}),
        tool("remember", "Store a value under a key.", {"key": "string", "value": "string"}),
        tool("recall", "Get the value stored under a key.", {"key": "string"}),
        tool("set_timer", "Start a timer.", {"minutes": "integer"}),
    ]
}


def nonce_tool(v: Values) -> dict:
    """{schema, ask, param}: an invented tool that gets some noun of some invented kind of thing."""
    noun = v.one(NOUNS) if v.chance(0.5) else v.syllables(2)
    kind = v.one(NOUNS) if v.chance(0.3) else v.syllables(2)
    name = v.fresh(lambda: v.one(["get_", "find_", "", "fetch_"]) + (f"{noun}" if v.chance(0.5) else f"{kind}_{noun}" if v.chance(0.5) else v.syllables(2)))
    param = v.one([kind, "name", "id", "query"])
    number = v.chance(0.25)
    return {
        "schema": tool(name, f"Get the {noun} of a {kind}.", {param: "integer" if number else "string"}),
        "name": name, "noun": noun, "kind": kind, "param": param, "number": number,
    }


def names(tools: list) -> list[str]:
    return [t["function"]["name"] for t in tools]
