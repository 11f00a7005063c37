"""Dialogues to text and to token ids with loss weights, through the very chat template the engine uses.

Loss falls on what the assistant writes (1.0), a little on what users and tools write, none on the system turn. An empty
`<think></think>` is never written by the model (it is part of the prompt, or history whose reasoning the template
dropped), so it carries no loss.
"""
from __future__ import annotations

import copy
import json
import pathlib

import jinja2

USER_WEIGHT = 0.1


def _tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def template() -> jinja2.Template:
    env = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    env.filters["tojson"] = _tojson
    return env.from_string((pathlib.Path(__file__).parent / "mimo_v2_flash.jinja").read_text())


TEMPLATE = template()


def render(messages: list, tools: list, thinking: bool = False, generate: bool = False) -> str:
    kw = {"tools": copy.deepcopy(tools)} if tools else {}
    return TEMPLATE.render(messages=messages, enable_thinking=thinking, add_generation_prompt=generate, **kw)


def system_messages(env: dict) -> list:
    return [] if env["system"] is None else [{"role": "system", "content": env["system"]}]


class Encoder:
    """Token ids of a rendered branch, with weights; `tok` is a tokenizers.Tokenizer."""

    def __init__(self, tok):
        self.tok = tok
        one = tok.token_to_id
        self.start, self.end, self.open, self.close = one("<|im_start|>"), one("<|im_end|>"), one("<think>"), one("</think>")
        self.assistant = tok.encode("assistant", add_special_tokens=False).ids
        assert len(self.assistant) == 1
        self.plain = {one(t): one(t[1:]) for t in tok.get_vocab() if t[0] == "\u0120" and t[1:] in tok.get_vocab()}

    def ids(self, text: str) -> list[int]:
        return self.tok.encode(text, add_special_tokens=False).ids

    def starts(self, text: str) -> list[int]:
        """Where each token begins, in characters."""
        return [a for a, _ in self.tok.encode(text, add_special_tokens=False).offsets]

    def same(self, left: int, right: int) -> bool:
        """Whether two tokens are the same piece, with or without a space before it."""
        return self.plain.get(left, left) == self.plain.get(right, right)

    def weights(self, ids: list[int], heard: bool = True) -> list[float]:
        """Weight of each token as a prediction target; `heard`: what users and tools say is one."""
        other = USER_WEIGHT if heard else 0.0
        w = [0.0] * len(ids)
        speaking, i = False, 0
        while i < len(ids):
            if ids[i] == self.start:
                speaking = i + 1 < len(ids) and ids[i + 1] == self.assistant[0]
                w[i] = 0.0 if speaking else other
                for j in range(i + 1, min(i + 3, len(ids))):  # role and newline
                    w[j] = 0.0
                i += 3
                continue
            if speaking and ids[i] == self.open and i + 1 < len(ids) and ids[i + 1] == self.close:
                i += 2
                continue
            w[i] = 1.0 if speaking else other
            i += 1
        return w
