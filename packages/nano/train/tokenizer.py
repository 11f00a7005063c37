"""Trains the byte-level BPE on generated dialogues and writes tokenizer.json in MiMo's structure.

The same pieces as the 309B model's tokenizer: NFC, the Qwen2 split expression, byte level, and MiMo's added tokens by name,
which come last in the vocabulary. Added-token text never enters the merges."""
from __future__ import annotations

import json
import pathlib
import re

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from .data.dialogue import dialogue, environment, turn_messages, values
from .data.render import render, system_messages

SPLIT = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
PLAIN = ["<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<think>", "</think>"]


def sample_text(seed: int, index: int) -> str:
    v = values(seed, index)
    env = environment(v)
    msgs = system_messages(env)
    turns = []
    while len(turns) < 8:
        more, _ = dialogue(v, env)
        turns += more
    for t in turns:
        msgs = msgs + turn_messages(t, True)
    return render(msgs, env["tools"])


def train(vocab: int, seed: int, samples: int) -> Tokenizer:
    tok = Tokenizer(models.BPE(byte_fallback=False))
    tok.normalizer = normalizers.NFC()
    tok.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
    ])
    tok.decoder = decoders.ByteLevel()
    cut = re.compile("|".join(map(re.escape, SPECIAL + PLAIN)))
    texts = (part for i in range(samples) for part in cut.split(sample_text(seed, i)) if part)
    trainer = trainers.BpeTrainer(vocab_size=vocab - len(SPECIAL + PLAIN), initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)
    tok.train_from_iterator(texts, trainer)
    tok.add_special_tokens([AddedToken(t, special=True, normalized=False) for t in SPECIAL])
    tok.add_tokens([AddedToken(t, special=False, normalized=False) for t in PLAIN])
    return tok


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
