"""What the generator promises: `python -m unittest train.test_data`, in the package's folder (needs `python -m train.corpora`)."""
from __future__ import annotations

import json
import unittest

from .data import held_out
from .data.dialogue import dialogue, turn_messages, values
from .data.mix import MIXES, SOURCES, environment
from .data.pools import held
from .data.render import render, system_messages
from .data.sources import sources

KINDS = {"string": str, "integer": int, "number": (int, float), "boolean": bool, "array": list, "object": dict}


def fits(value, schema: dict) -> bool:
    """The part of JSON Schema the tools use."""
    kind = schema["type"]
    if not isinstance(value, KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return False
    if "enum" in schema and value not in schema["enum"]:
        return False
    if kind == "array":
        return all(fits(x, schema["items"]) for x in value)
    if kind == "object":
        known = schema.get("properties", {})
        return all(k in known and fits(x, known[k]) for k, x in value.items()) and all(k in value for k in schema.get("required", []))
    return True


def drawn(mix: str, count: int, split: str = "train"):
    for i in range(count):
        v = values(11, i, split)
        env = environment(v, mix)
        turns, _ = dialogue(v, env)
        yield env, turns


class Generator(unittest.TestCase):
    def test_a_dialogue_is_a_function_of_seed_and_index(self):
        for mix in MIXES:
            for i in range(20):
                self.assertEqual(held_out.line(i, mix), held_out.line(i, mix))

    def test_the_committed_sets_are_what_the_generator_writes(self):
        for mix, (_, count) in held_out.SETS.items():
            stored = held_out.read(mix, count)
            self.assertEqual(len(stored), count)
            for i in range(0, count, 40):
                self.assertEqual(stored[i], json.loads(json.dumps(held_out.line(i, mix))))

    def test_every_call_fits_the_schema_of_an_offered_tool(self):
        seen, calls = set(), 0
        for split in ("train", "eval"):
            for env, turns in drawn("full", 1500, split):
                tools = {t["function"]["name"]: t["function"]["parameters"] for t in env["tools"]}
                for name, arguments in (c for t in turns for s in t.steps for c in s.calls):
                    self.assertTrue(fits(arguments, tools[name]), (name, arguments, tools[name]))
                    seen |= {p["type"] for p in tools[name]["properties"].values()}
                    calls += 1
        self.assertGreater(calls, 2000)
        self.assertEqual(seen, set(KINDS), "every JSON type occurs")

    def test_a_step_has_one_result_for_each_call(self):
        for _, turns in drawn("full", 500):
            for s in (s for t in turns for s in t.steps):
                self.assertEqual(len(s.calls), len(s.results))

    def test_names_of_invented_tools_are_disjoint(self):
        names = {split: {t["function"]["name"] for env, _ in drawn("nonce_only", 800, split) for t in env["tools"] if "specs" in env and t in [s.schema for s in env["specs"]]} for split in ("train", "eval")}
        self.assertGreater(len(names["eval"]), 1000)
        self.assertFalse(names["train"] & names["eval"])
        self.assertTrue(all(held(n) for n in names["eval"]))

    def test_no_expected_answer_is_empty_and_restated_text_is_in_it(self):
        for env, turns in drawn("full", 800):
            for t in turns:
                self.assertTrue(t.answer)
                for x in t.restate:
                    self.assertIn(x, t.answer)

    def test_what_a_call_copies_is_found_in_the_list_of_tools_or_in_what_was_said(self):
        copies = {True: 0, False: 0}
        for env, turns in drawn("nonce_only", 200):
            messages = system_messages(env) + [m for t in turns for m in turn_messages(t, True)]
            text = render(messages, env["tools"])
            head = text.index("<|im_start|>user")
            names, values = sources(text, head)
            calls = sum(len(s.calls) for t in turns for s in t.steps)
            self.assertGreaterEqual(len(names), calls)
            for copy, first, last in names:
                word = text[copy:copy + 2].split(">")[0]
                self.assertLess(last, head)
                self.assertTrue(text.startswith(word, first), (word, text[first:last]))
            for copy, first, last in values:
                self.assertEqual(first, last)
                self.assertTrue(head < first < copy and text[first] == text[copy])
                copies[True] += 1
            copies[False] += sum(len(a) for t in turns for s in t.steps for _, a in s.calls)
        self.assertGreater(copies[True], 0.7 * copies[False])

    def test_every_source_is_in_use(self):
        self.assertEqual(set(MIXES["full"]) | set(MIXES["long"]), set(SOURCES))


if __name__ == "__main__":
    unittest.main()
