"""Proves the export: an independent forward in NumPy float64, written from the model's description and fed by the file on
disk alone, must write the same greedy text as PyTorch does with the straight-through weights of training."""
from __future__ import annotations

import json
import struct

import numpy as np

from . import quant
from .data.held_out import line
from .data.render import render
from .decode import greedy
from .export import PACKAGE
from .trainer import load, prepare


def e4m3(raw: np.ndarray) -> np.ndarray:
    """Bytes to values, from the bit layout: sign, 4 exponent bits (bias 7), 3 fraction bits."""
    sign, e, f = np.where(raw >> 7, -1.0, 1.0), (raw >> 3 & 15).astype(int), (raw & 7).astype(float)
    return sign * np.where(e == 0, f / 8 * 2.0 ** -6, (1 + f / 8) * 2.0 ** (e - 7))


def read(path) -> dict[str, np.ndarray]:
    """All tensors as float64, FP8 multiplied by its block scales."""
    data = path.read_bytes()
    n = struct.unpack("<Q", data[:8])[0]
    head, out = json.loads(data[8:8 + n]), {}
    for name, t in head.items():
        if name == "__metadata__":
            continue
        raw = data[8 + n + t["data_offsets"][0]:8 + n + t["data_offsets"][1]]
        if t["dtype"] == "F8_E4M3":
            x = e4m3(np.frombuffer(raw, np.uint8))
        elif t["dtype"] == "BF16":
            x = (np.frombuffer(raw, np.uint16).astype(np.uint32) << 16).view(np.float32)
        else:
            x = np.frombuffer(raw, np.float32)
        out[name] = x.astype(np.float64).reshape(t["shape"])
    for name in [k for k in out if k.endswith("_scale_inv")]:
        s, w = out.pop(name), out[name[: -len("_scale_inv")]]
        for i in range(s.shape[0]):
            for j in range(s.shape[1]):
                w[i * 128:(i + 1) * 128, j * 128:(j + 1) * 128] *= s[i, j]
    return out


class Numpy:
    def __init__(self, folder):
        self.c, self.w = json.loads((folder / "config.json").read_text()), read(folder / "model.safetensors")

    def rms(self, x, name):
        return x / np.sqrt((x * x).mean(-1, keepdims=True) + self.c["layernorm_epsilon"]) * self.w[name + ".weight"]

    def rope(self, x, theta):
        d = int(self.c["head_dim"] * self.c["partial_rotary_factor"])
        a = np.arange(len(x))[:, None] * theta ** (-2.0 * np.arange(d // 2) / d)
        c, s, u, v = np.cos(a)[:, None], np.sin(a)[:, None], x[..., :d // 2], x[..., d // 2:d]
        return np.concatenate([u * c - v * s, v * c + u * s, x[..., d:]], -1)

    def attention(self, p, x, swa):
        c, n = self.c, len(x)
        heads, kv = c["num_attention_heads"], c["swa_num_key_value_heads" if swa else "num_key_value_heads"]
        theta = c["swa_rope_theta" if swa else "rope_theta"]
        q, k, v = ((x @ self.w[f"{p}.{m}_proj.weight"].T).reshape(n, h, -1) for m, h in (("q", heads), ("k", kv), ("v", kv)))
        q, k, v = self.rope(q, theta), self.rope(k, theta), v * c["attention_value_scale"]
        dist = np.arange(n)[:, None] - np.arange(n)
        bad = (dist < 0) | (swa and dist >= c["sliding_window"])
        out = []
        for j in range(heads):
            g = j // (heads // kv)
            a = np.where(bad, -np.inf, q[:, j] @ k[:, g].T / np.sqrt(c["head_dim"]))
            sink = self.w[p + ".attention_sink_bias"][j] if swa else -np.inf
            m = np.maximum(a.max(-1, keepdims=True), sink)
            e = np.exp(a - m)
            out.append(e @ v[:, g] / (e.sum(-1, keepdims=True) + np.exp(sink - m)))
        return np.concatenate(out, -1) @ self.w[p + ".o_proj.weight"].T

    def ffn(self, p, x):
        g, u = x @ self.w[p + ".gate_proj.weight"].T, x @ self.w[p + ".up_proj.weight"].T
        return (g / (1 + np.exp(-g)) * u) @ self.w[p + ".down_proj.weight"].T

    def moe(self, p, x):
        score = 1 / (1 + np.exp(-(x @ self.w[p + ".gate.weight"].T)))
        top = np.argsort(-(score + self.w[p + ".gate.e_score_correction_bias"]), -1)[:, : self.c["num_experts_per_tok"]]
        w = np.take_along_axis(score, top, -1)
        w /= w.sum(-1, keepdims=True)
        y = np.zeros_like(x)
        for e in range(score.shape[1]):
            t, j = np.nonzero(top == e)
            if len(t):
                y[t] += w[t, j][:, None] * self.ffn(f"{p}.experts.{e}", x[t])
        return y

    def block(self, p, x, swa, moe, second="post_attention_layernorm"):
        x = x + self.attention(p + ".self_attn", self.rms(x, p + ".input_layernorm"), swa)
        z = self.rms(x, f"{p}.{second}")
        return x + (self.moe(p + ".mlp", z) if moe else self.ffn(p + ".mlp", z))

    def forward(self, ids):
        x = self.w["model.embed_tokens.weight"][ids]
        for i, (swa, moe) in enumerate(zip(self.c["hybrid_layer_pattern"], self.c["moe_layer_freq"])):
            x = self.block(f"model.layers.{i}", x, swa, moe)
        return x, self.rms(x, "model.norm") @ self.w["lm_head.weight"].T

    def head(self, i, ids, h):
        """Head i at positions 0..n-1: ids[p] is token p+1+i."""
        p = f"model.mtp.layers.{i}"
        z = np.concatenate([self.rms(self.w["model.embed_tokens.weight"][ids], p + ".enorm"), self.rms(h, p + ".hnorm")], -1) @ self.w[p + ".eh_proj.weight"].T
        z = self.block(p, z, True, False, "pre_mlp_layernorm")
        return self.rms(z, p + ".final_layernorm") @ self.w["lm_head.weight"].T


def verify(config: str, mix: str, count: int = 40) -> None:
    """Per dialogue: PyTorch writes; NumPy reads prompt + text once and its argmax at every position must be the text. The
    drafts of all heads are compared on the way."""
    import torch
    import torch.nn.functional as F
    folder, enc = prepare(config)
    model, _ = load(folder, config)
    model.eval()
    quant.STATE["on"] = True
    ref, tokens, same, drafts, same_drafts, worst = Numpy(PACKAGE), 0, 0, 0, 0, 0.0
    for i in range(count):
        row = line(i, mix)
        if any(m.get("tool_calls") for m in row["messages"]):
            continue
        prompt = enc.ids(render(row["messages"], row["tools"], row["thinking"], True))
        ids = prompt + greedy(model, [prompt], enc.end, 120)[0] + [enc.end]
        h, lg = ref.forward(np.array(ids))
        best = lg.argmax(-1)
        want = ids[len(prompt):]
        got = best[len(prompt) - 1:len(ids) - 1].tolist()
        tokens, same = tokens + len(want), same + sum(a == b for a, b in zip(want, got))
        with torch.no_grad():
            t = torch.tensor([ids + [0] * (-len(ids) % 128)])
            lay = model.layout(torch.arange(t.shape[1])[None], torch.where(torch.arange(t.shape[1])[None] < len(ids), 0, -1))
            ht = model.trunk(t, lay)
            worst = max(worst, float(np.abs(ht[0, : len(ids)].numpy() - h).max() / np.abs(h).max()))
            for j, head in enumerate(model.mtp):
                n = len(ids) - 1 - j
                fed = torch.cat([t[:, 1 + j:], t.new_zeros(1, 1 + j)], 1)
                a = model.logits(head(F.embedding(fed, model.embed_tokens.bfloat16().float()), ht, lay))[0, :n].argmax(-1).numpy()
                b = ref.head(j, np.array(ids[1 + j:]), h[:n]).argmax(-1)
                drafts, same_drafts = drafts + n, same_drafts + int((a == b).sum())
    print(json.dumps({"tokens": tokens, "same": same, "drafts": drafts, "same_drafts": same_drafts, "hidden_relative_error": worst}))
    assert same == tokens and same_drafts >= 0.999 * drafts
