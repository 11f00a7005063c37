"""Three MTP heads for a converted model: `python -m train.add_heads --model DIR --to DIR --tokens N`, in the package's folder.

DIR is what `mimokit convert` makes of SmolLM2-135M in BF16 and dense layout. The trunk stays frozen and is its own teacher: it
answers plain questions, and head i learns to foresee at a position what the trunk says 2 + i tokens on (KL divergence of
whole distributions). The result is DIR with model_mtp.safetensors; resumed by the same command. The trunk's licence holds for
what comes of it (SmolLM2: Apache-2.0)."""
from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import random
import shutil

import jinja2
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer

from . import quant
from .configs import Size
from .corpora import corpus
from .data.pools import held
from .decode import accept_lengths, greedy
from .export import dump, hub_tensors
from .layers import rms
from .model import Model
from .optim import Optimizer
from .trainer import keep_memory

ASKS = ["What is {a} {n}?", "Tell me about a {n}.", "Write a short story about a {n}.", "Explain what a {n} is to a child.", "Give me three facts about the word {n}.", "How would you describe a {n}?", "Why do people like a {n}?",
        "Write a short poem about a {n}.", "What can I do with a {n}?", "Compare a {n} and a {m}."]
BATCH, ANSWER, WINDOW = 8, 160, 128


@dataclasses.dataclass
class Rates:
    muon: float = 0.01
    adam: float = 1e-3


def size_of(c: dict) -> Size:
    if any(c["hybrid_layer_pattern"]) or any(c["moe_layer_freq"]) or "quantization_config" in c or c["attention_bias"]:
        raise SystemExit("the trunk must be dense, global, in BF16 and without biases")
    return Size(vocab=c["vocab_size"], hidden=c["hidden_size"], pattern=(0,) * c["num_hidden_layers"], heads=c["num_attention_heads"], kv=c["num_key_value_heads"], swa_kv=c["swa_num_key_value_heads"],
                dk=c["head_dim"], dv=c["v_head_dim"], dense=c["intermediate_size"], experts=0, topk=0, width=0, window=WINDOW, rotary_factor=c["partial_rotary_factor"], theta=c["rope_theta"],
                swa_theta=c["swa_rope_theta"], vscale=c["attention_value_scale"], eps=c["layernorm_epsilon"])


@torch.no_grad()
def read(folder: pathlib.Path) -> Model:
    model = Model(size_of(json.loads((folder / "config.json").read_text())))
    stored = {k: t for f in sorted(folder.glob("*.safetensors")) for k, t in load_file(f).items()}
    for name, t in hub_tensors(model).items():
        if not name.startswith("model.mtp."):
            t.copy_(stored[name])
    for head in model.mtp:  # begins as the trunk's own prediction: the hidden state goes through, block and next token add little
        head.final_layernorm.copy_(model.norm)
        head.eh_proj.copy_(torch.cat([0.02 * torch.randn(model.s.hidden, model.s.hidden), torch.eye(model.s.hidden)], 1))
    return model.requires_grad_(False)


class Asker:
    """Prompts in the model's own chat template; the held-out tenth of the words is for measuring."""

    def __init__(self, folder: pathlib.Path):
        config = json.loads((folder / "tokenizer_config.json").read_text())
        self.tok = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.template = jinja2.Environment().from_string(config["chat_template"])
        self.stop = self.tok.token_to_id("<|im_end|>")

    def ask(self, index: int, measuring: bool) -> list[int]:
        r = random.Random(f"heads/{measuring}/{index}")
        n, m = (next(w for w in iter(lambda: r.choice(corpus("wordnet")["noun"]), None) if held(w) == measuring) for _ in range(2))
        text = r.choice(ASKS).format(n=n, m=m, a="an" if n[0] in "aeiou" else "a")
        return self.tok.encode(self.template.render(messages=[{"role": "user", "content": text}], add_generation_prompt=True), add_special_tokens=False).ids


def padded(rows: list[list[int]]) -> tuple[torch.Tensor, torch.Tensor]:
    """(ids, branch: 0 for text, -1 behind it), [rows, multiple of 128]."""
    n = -(-max(map(len, rows)) // 128) * 128
    ids, branch = torch.zeros(len(rows), n, dtype=torch.long), torch.full((len(rows), n), -1)
    for i, r in enumerate(rows):
        ids[i, : len(r)] = torch.tensor(r)
        branch[i, : len(r)] = 0
    return ids, branch


def lesson(model: Model, prompts: list[list[int]], stop: int) -> tuple[list[float], int]:
    """One batch: the trunk speaks, every head's gradient is added. (KL of each head, tokens spoken)."""
    spoken = greedy(model, prompts, stop, ANSWER, 0.8)
    ids, branch = padded([p + s for p, s in zip(prompts, spoken)])
    lay = model.layout(torch.arange(ids.shape[1]).expand(ids.shape), branch)
    with torch.no_grad():
        h = model.trunk(ids, lay)
        said = torch.zeros(ids.shape, dtype=torch.bool)  # where the trunk's next token was its own
        for i, (p, s) in enumerate(zip(prompts, spoken)):
            said[i, len(p) - 1:len(p) + len(s) - 1] = True
        teacher = rms(h, model.norm, model.s.eps)
    losses = []
    for i, head in enumerate(model.mtp):
        fed = torch.cat([ids[:, 1 + i:], ids.new_zeros(len(ids), 1 + i)], 1)
        at = said[:, : -1 - i] & said[:, 1 + i:]
        z = head(F.embedding(fed, model.embed_tokens), h, lay)[:, : -1 - i][at]
        with torch.no_grad():
            want = model.logits(teacher[:, 1 + i:][at]).log_softmax(-1)
        loss = F.kl_div(model.logits(z).log_softmax(-1), want, reduction="batchmean", log_target=True)
        loss.backward()
        losses.append(float(loss.detach()))
    return losses, sum(map(len, spoken))


@torch.no_grad()
def measure(model: Model, asker: Asker, count: int) -> tuple[float, int]:
    """Mean accept length on greedy answers to questions about held-out words, and the steps it is the mean of."""
    steps: list[int] = []
    for i in range(count):
        prompt = asker.ask(i, True)
        steps += accept_lengths(model, prompt, greedy(model, [prompt], asker.stop, 96)[0])
    return sum(steps) / max(1, len(steps)), len(steps)


def write(model: Model, source: pathlib.Path, to: pathlib.Path) -> None:
    """The source's files, the heads beside them, an index and a config that know of both."""
    for f in source.iterdir():
        if f.is_file() and f.name != "config.json" and not f.name.endswith(".index.json") and not (to / f.name).exists():
            shutil.copyfile(f, to / f.name)
    heads = {k: t.to(torch.bfloat16).contiguous() for k, t in hub_tensors(model).items() if k.startswith("model.mtp.")}
    save_file(heads, to / "model_mtp.safetensors", metadata={"format": "pt"})
    index = json.loads((source / "model.safetensors.index.json").read_text())
    index["weight_map"] |= {k: "model_mtp.safetensors" for k in heads}
    index["metadata"]["total_size"] += sum(2 * t.numel() for t in heads.values())
    dump(to / "model.safetensors.index.json", index)
    config = json.loads((source / "config.json").read_text())
    dump(to / "config.json", config | {k: WINDOW for k in ("sliding_window", "sliding_window_size", "attention_chunk_size")})


def main() -> None:
    a = argparse.ArgumentParser(prog="train.add_heads", description=__doc__)
    a.add_argument("--model", type=pathlib.Path, required=True)
    a.add_argument("--to", type=pathlib.Path, required=True)
    a.add_argument("--tokens", type=int, default=500_000, help="tokens the trunk speaks in all")
    a.add_argument("--measure", type=int, default=24, help="held-out questions answered at the end")
    o = a.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(7)
    keep_memory()
    o.to.mkdir(parents=True, exist_ok=True)
    quant.STATE["half"] = True
    model, asker = read(o.model), Asker(o.model)
    model.mtp.requires_grad_(True)
    opt, state = Optimizer(model.mtp, Rates(), 1), {"step": 0, "tokens": 0}
    if (o.to / "heads.pt").exists():
        state = torch.load(o.to / "heads.pt", weights_only=True)
        model.mtp.load_state_dict(state["mtp"])
        opt.restore(state["optimizer"])
    opt.attach(0)
    step, tokens = state["step"], state["tokens"]
    while tokens < o.tokens:
        opt.clear(0)
        losses, n = lesson(model, [asker.ask(step * BATCH + i, False) for i in range(BATCH)], asker.stop)
        rate = min(1.0, (step + 1) / 20) * min(1.0, 2 * (1 - tokens / o.tokens))
        opt.step(0, rate, 1.0, step + 1)
        step, tokens = step + 1, tokens + n
        print(json.dumps({"step": step, "tokens": tokens, "kl": [round(x, 3) for x in losses]}), flush=True)
        if step % 20 == 0 or tokens >= o.tokens:
            torch.save({"mtp": model.mtp.state_dict(), "optimizer": opt.state(), "step": step, "tokens": tokens}, o.to / "heads.tmp")
            os.replace(o.to / "heads.tmp", o.to / "heads.pt")
    write(model, o.model, o.to)
    length, steps = measure(model, asker, o.measure)
    print(f"accept length {length:.3f} over {steps} steps of {o.measure} answers")


if __name__ == "__main__":
    main()
