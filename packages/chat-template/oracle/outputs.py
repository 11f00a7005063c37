"""Random model outputs, whole and broken, read by the reference parser: python3 outputs.py SEED COUNT TOOLS.json.

One JSON object a line, {text, expected} in the fields of the golden parse.jsonl; the first line names script and version.
Left out is what the package decides otherwise on purpose: a fence line inside a block's values is no Markdown to it, and an
integer written with an exponent is exact (the reference goes through a double).
"""
import json
import platform
import random
import re
import sys

import parse_ref

seed, count, tools = int(sys.argv[1]), int(sys.argv[2]), json.load(open(sys.argv[3]))
r = random.Random(seed)

PIECES = [
    "<tool_call>", "</tool_call>", "<function=get_weather>", "<function=run>", "<function=labels>", "<function=nope>", "</function>",
    "<parameter=city>", "<parameter=days>", "<parameter=code>", "<parameter=env>", "<parameter=args>", "</parameter>", "<think>",
    "</think>", "\n", " ", "\n\n", "Oslo", "3", "text", "<", "</", "<tool", "<func", "```", "\n```", "\n```\n", "~~~\n", "\n````py\n",
    "None", "null", "True", '{"a": 1.0}', "['x', (1, None)]", ">", "=", "\t", "\u3000", "\x1c", "<parameter=>", "<function=>",
    "{'a': 1e5}", "1e-07", "5.0", " +12", "<parameter=note>", "<parameter=zz>", "<function= get_weather >", "<function=search>",
    "<parameter=mode>", "<parameter=limit>", "<parameter=u>", "<parameter=w>", "<parameter=x>", "<parameter=k>",
]
VALUES = [
    "Oslo", "3", "null", "None", "True", "false", "FALSE", "5.0", "5.5", "1e3", "[1, 2]", "{}", "{'a': [True, None, 'x\\'y']}",
    '{"a": {"b": [1.50, 1e22, -0.0]}}', "(1,)", "()", "(1)", "1, 2", "[1,]", "{1: 'a'}", "{1.5: 2, None: 3, True: 4}", "['a' 'b']",
    "[0x1f, 1_000]", "[r'\\n', u'x', '\\x41\\u00e9\\101']", "[-1, +2, -0]", "['''t\nq''']", "{'a'}", "[b'x']", "[1+2j]", "[...]", "007",
    "-007", "-0", "+0.0", ".5", "5.", "1e400", "1.e5", "deep", " null ", "\nNone\n", "nul", "Nonee", '"x"', "'x'", "[NaN]", "[1e400]",
    '{"a": 1, "a": 2}', '{"10": 1, "b": 2, "1": 3}', '{"__proto__": 1}', "\U0001f600", "a</parameter>b", "</parameter>\n<x>", "", "  ",
    "fast", "a", "1", "[1 ,\n2 # c\n]", '{"x": "\\ud83d\\ude00"}',
]
FUNCTIONS = {
    "get_weather": ["city", "days", "metric", "note", "zip"],
    "run": ["code", "timeout", "env", "args"],
    "search": ["q", "limit", "filters", "mode", "point", "any", "what", "u", "w", "x", "k"],
    "labels": ["id", "zz"],
    "noschema": ["a"],
    "bare": ["n", "flag", "m", "e"],
    "nope": ["a"],
}


def space():
    return r.choice(["\n", "\n", "", "\n \t"])


def block():
    out = "<tool_call>" + space()
    for _ in range(r.choice([1, 1, 1, 2])):
        name = r.choice(list(FUNCTIONS))
        out += f"<function={name}>" + space()
        for key in r.sample(FUNCTIONS[name], min(len(FUNCTIONS[name]), r.randint(0, 3))):
            out += f"<parameter={key}>{r.choice(VALUES)}</parameter>" + space()
        out += "</function>" + space()
    return out + "</tool_call>"


def mutated(text):
    for _ in range(r.randint(0, 2)):
        if not text:
            break
        start = r.randrange(len(text))
        end = min(len(text), start + r.choice([1, 1, 2, 5, 12]))
        pick = r.random()
        if pick < 0.4:
            text = text[:start] + text[end:]
        elif pick < 0.8:
            text = text[:start] + r.choice(PIECES) + text[start:]
        else:
            text = text[:start] + text[start:end] * 2 + text[end:]
    return text


def output():
    if r.random() < 0.35:
        return "".join(r.choice(PIECES) for _ in range(r.randint(1, 14)))
    text = ("<think>" if r.random() < 0.3 else "") + r.choice(["", "hm ", "a\n"])
    for _ in range(r.randint(1, 4)):
        between = r.choice(["", "text", "\n", "</think>", "\n```\n", "```\n", "x\n~~~\n", " "])
        text += block() if r.random() < 0.67 else between
    return mutated(text) if r.random() < 0.7 else text


def fence_in_block(text):
    at = text.find("<tool_call>")
    while at >= 0:
        found = parse_ref.parse_call(text, at, tools)
        if found and re.search(r"(?m)^ {0,3}(```|~~~)", text[at : found[0]]):
            return True
        at = text.find("<tool_call>", at + 1)
    return False


def rounded(value, text):
    if isinstance(value, dict):
        return any(rounded(item, text) for item in value.values())
    if isinstance(value, list):
        return any(rounded(item, text) for item in value)
    return isinstance(value, int) and abs(value) > 2**53 and str(value) not in text


print(json.dumps({"script": "outputs.py", "seed": seed, "python": platform.python_version()}))
written = 0
while written < count:
    text = output()
    try:
        expected = parse_ref.parse(text, tools)
        line = json.dumps({"text": text, "expected": expected}, allow_nan=False)
    except (ValueError, RecursionError):
        continue
    if fence_in_block(text) or any(rounded(call["arguments"], text) for call in expected["tool_calls"]):
        continue
    print(line)
    written += 1
