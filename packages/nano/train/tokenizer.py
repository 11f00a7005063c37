"""Trains the byte-level BPE on generated dialogues and writes tokenizer.json in MiMo's structure.

The same pieces as the 309B model's tokenizer: NFC, the Qwen2 split expression, byte level, and MiMo's added tokens by name,
which come last in the vocabulary. Added-token text never enters the merges."""
from __future__ import annotations

import collections
import json
import pathlib
import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .data.dialogue import dialogue, turn_messages, values
from .data.mix import environment
from .data.render import render, system_messages

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
# Merges are learned on a split that keeps signs and spaces off words, and joins of a space with the piece after it come
# last: `word` then consists of the same pieces after a space, `=`, `>` or `_`, so a name or value reads in a request and in
# the list of tools as it does in a call. Copying is what a model of this size has to be good at.
LEARN = SPLIT.replace(r"[^\r\n\p{L}\p{N}]?\p{L}+", r"\p{L}+")
SPACED = 0.33  # share of the merges that are such joins
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]


def sample_text(seed: int, index: int, mix: str) -> str:
    v = values(seed, index)
    env = environment(v, mix)
    msgs = system_messages(env)
    turns = []
    while len(turns) < 8:
        more, _ = dialogue(v, env)
        turns += more
    for t in turns:
        msgs = msgs + turn_messages(t, True)
    return render(msgs, env["tools"])


def bpe(model: models.BPE, pattern: str) -> Tokenizer:
    tok = Tokenizer(model)
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(pattern), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tok.decoder = decoders.ByteLevel()
    return tok


def spaced(tok: Tokenizer, texts: list[str], count: int) -> models.BPE:
    """The same merges, then joins of a space with the `count` pieces that follow one most often."""
    space = "\u0120"
    seen: collections.Counter = collections.Counter()
    for encoding in tok.encode_batch(texts[:: max(1, len(texts) // 20000)], add_special_tokens=False):
        t = encoding.tokens
        seen.update(b for a, b in zip(t, t[1:]) if a == space and b.isascii() and b.isalpha())
    state = json.loads(tok.to_str())["model"]
    vocab, merges = state["vocab"], [tuple(m) for m in state["merges"]]
    for piece, _ in sorted(seen.items(), key=lambda x: (-x[1], x[0]))[:count]:
        vocab[space + piece] = len(vocab)
        merges.append((space, piece))
    return models.BPE(vocab=vocab, merges=merges)


def train(vocab: int, seed: int, samples: int, mix: str) -> Tokenizer:
    cut = re.compile("|".join(map(re.escape, SPECIAL + PLAIN)))
    texts = [part for i in range(samples) for part in cut.split(sample_text(seed, i, mix)) if part]
    merges = vocab - len(SPECIAL + PLAIN) - 256
    tok = bpe(models.BPE(), LEARN)
    trainer = trainers.BpeTrainer(vocab_size=256 + merges - int(merges * SPACED), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tok.train_from_iterator(texts, trainer)
    tok = bpe(spaced(tok, texts, int(merges * SPACED)), SPLIT)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    return tok


# Function words whose letters also begin or end invented words; ` a` has nothing to do with the `a` of `zafir`.
STOP = set("a am an and as at be do from i in is it me my no of on or so that the to up what".split())


def twins(tok: Tokenizer) -> list[tuple[int, int]]:
    """(id of a space and a piece, id of the piece) of all pieces that are letters: ` gar|den` in a request is `gar|den` in a
    call."""
    vocab = tok.get_vocab()
    return sorted((vocab[t], vocab[t[1:]]) for t in vocab if t[0] == "\u0120" and t[1:].isalpha() and t[1:] in vocab and t[1:].lower() not in STOP)


def save(tok: Tokenizer, folder: pathlib.Path) -> None:
    tok.save(str(folder / "tokenizer.json"))
    config = {
        "add_bos_token": False, "add_prefix_space": False, "bos_token": None, "clean_up_tokenization_spaces": False, "eos_token": "<|im_end|>",
        "errors": "replace", "model_max_length": 4096, "pad_token": "<|endoftext|>", "split_special_tokens": False, "tokenizer_class": "Qwen2Tokenizer", "unk_token": None,
        "added_tokens_decoder": {
            str(tok.token_to_id(t)): {"content": t, "lstrip": False, "normalized": False, "rstrip": False, "single_word": False, "special": t in SPECIAL}
            for t in SPECIAL + PLAIN
        },
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config, indent=2) + "\n")
