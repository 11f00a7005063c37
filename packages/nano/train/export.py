"""Writes the newest checkpoint as a hub-format model into the package: model.safetensors, config.json, tokenizer files,
generation_config.json and src/files.generated.ts with sizes and hashes."""
from __future__ import annotations

import hashlib
import json
import os
import pathlib
import shutil

import torch
from safetensors.torch import save_file

from .configs import CONFIGS, Size
from .model import Model
from .quant import quantise
from .tokenizer import PLAIN, SPECIAL
from .trainer import load, prepare

PACKAGE = pathlib.Path(__file__).parents[1]
FILES = ["model.safetensors", "config.json", "generation_config.json", "tokenizer.json", "tokenizer_config.json", "demo-tools.json"]
FP8 = ("q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj")
F32 = ("mlp.gate.weight", "mlp.gate.e_score_correction_bias")


def hub_tensors(model: Model) -> dict[str, torch.Tensor]:
    """FP32 tensors under the hub's names."""
    out: dict[str, torch.Tensor] = {"model.embed_tokens.weight": model.embed_tokens, "lm_head.weight": model.lm_head, "model.norm.weight": model.norm}

    def block(prefix, b, second):
        out[f"{prefix}.input_layernorm.weight"] = b.input_layernorm
        out[f"{prefix}.{second}.weight"] = b.post_attention_layernorm
        for n, p in b.self_attn.named_parameters():
            out[f"{prefix}.self_attn.{n}" + ("" if n == "attention_sink_bias" else ".weight")] = p
        for n in ("gate_proj", "up_proj", "down_proj"):
            w = getattr(b.mlp, n)
            for e in range(len(w) if w.ndim == 3 else 0):
                out[f"{prefix}.mlp.experts.{e}.{n}.weight"] = w[e]
            if w.ndim == 2:
                out[f"{prefix}.mlp.{n}.weight"] = w
        if hasattr(b.mlp, "gate"):
            out[f"{prefix}.mlp.gate.weight"] = b.mlp.gate
            out[f"{prefix}.mlp.gate.e_score_correction_bias"] = b.mlp.e_score_correction_bias
    for i, b in enumerate(model.layers):
        block(f"model.layers.{i}", b, "post_attention_layernorm")
    for i, h in enumerate(model.mtp):
        p = f"model.mtp.layers.{i}"
        for n in ("enorm", "hnorm", "final_layernorm", "eh_proj"):
            out[f"{p}.{n}.weight"] = getattr(h, n)
        block(p, h.block, "pre_mlp_layernorm")
    return {k: v.detach() for k, v in out.items()}


def stored(tensors: dict) -> dict[str, torch.Tensor]:
    out = {}
    for name, t in tensors.items():
        if name.endswith(F32):
            out[name] = t.float().clone()
        elif name.split(".")[-2] in FP8:
            out[name], out[name + "_scale_inv"] = quantise(t)
        else:
            out[name] = t.to(torch.bfloat16)
    return {k: v.contiguous() for k, v in out.items()}


def hub_config(s: Size, theta: float, ids) -> dict:
    n = len(s.pattern)
    return {
        "architectures": ["MiMoV2FlashForCausalLM"], "model_type": "mimo_v2_flash",
        "num_hidden_layers": n, "hidden_size": s.hidden, "intermediate_size": s.dense, "moe_intermediate_size": s.width,
        "num_attention_heads": s.heads, "swa_num_attention_heads": s.heads, "num_key_value_heads": s.kv, "swa_num_key_value_heads": s.swa_kv or 2 * s.kv,
        "head_dim": s.dk, "swa_head_dim": s.dk, "v_head_dim": s.dv, "swa_v_head_dim": s.dv,
        "hybrid_layer_pattern": list(s.pattern), "moe_layer_freq": [0] + [1] * (n - 1), "hybrid_block_size": None,
        "sliding_window": s.window, "sliding_window_size": s.window, "attention_chunk_size": s.window,
        "rope_theta": int(theta), "swa_rope_theta": int(s.swa_theta), "partial_rotary_factor": s.rotary_factor, "rope_scaling": None, "max_position_embeddings": s.positions,
        "layernorm_epsilon": s.eps, "hidden_act": "silu", "attention_bias": False, "attention_dropout": 0.0, "attention_value_scale": s.vscale,
        "add_swa_attention_sink_bias": True, "add_full_attention_sink_bias": False,
        "n_routed_experts": s.experts, "num_experts_per_tok": s.topk, "n_shared_experts": None, "scoring_func": "sigmoid", "topk_method": "noaux_tc",
        "n_group": 1, "topk_group": 1, "norm_topk_prob": True, "routed_scaling_factor": None,
        "tie_word_embeddings": False, "vocab_size": s.vocab, "eos_token_id": ids("<|im_end|>"), "pad_token_id": ids("<|endoftext|>"),
        "initializer_range": 0.02, "torch_dtype": "bfloat16", "use_cache": True,
        "quantization_config": {
            "quant_method": "fp8", "fmt": "e4m3", "activation_scheme": "dynamic", "weight_block_size": [128, 128],
            "ignored_layers": [f"model.layers.{i}.self_attn.o_proj" for i in range(n)] + ["model.decoder.self_attn.o_proj"],
        },
    }


def dump(path: pathlib.Path, value) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n")


def export(config: str) -> None:
    """Into the package, with its pins."""
    model, step = write(config, PACKAGE, stored)
    pins()
    print("exported step", step, (PACKAGE / "model.safetensors").stat().st_size, "bytes of weights")


def export_to(config: str, folder: pathlib.Path, bf16: bool) -> None:
    """Anywhere else; in BF16 it is what FP8 is compared with."""
    folder.mkdir(parents=True, exist_ok=True)
    half = lambda tensors: {k: t.float().clone() if k.endswith(F32) else t.to(torch.bfloat16).contiguous() for k, t in tensors.items()}
    write(config, folder, half if bf16 else stored)
    if bf16:
        values = json.loads((folder / "config.json").read_text())
        del values["quantization_config"]
        dump(folder / "config.json", values)


def write(config: str, to: pathlib.Path, precision) -> tuple[Model, int]:
    folder, enc = prepare(config)
    model, state = load(folder, config)
    size, one = CONFIGS[config][0], enc.tok.token_to_id
    assert one(PLAIN[-1]) == size.vocab - 1 and enc.tok.get_vocab_size() == size.vocab
    if state["heads"] < size.mtp:
        model.widen_mtp()  # an early checkpoint has one trained head or none
    fresh = to / ".model.tmp"
    save_file(precision(hub_tensors(model)), fresh, metadata={"format": "pt"})
    fresh.chmod(0o644)
    os.replace(fresh, to / "model.safetensors")  # readers never see half a file
    dump(to / "config.json", hub_config(size, model.theta, one))
    dump(to / "generation_config.json", {"do_sample": False, "eos_token_id": [one("<|im_end|>"), one("<|endoftext|>")], "pad_token_id": one(SPECIAL[0])})
    for f in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copyfile(folder / f, to / f)
    return model, state["step"]


def pins() -> None:
    rows = []
    for f in FILES:
        data = (PACKAGE / f).read_bytes()
        rows.append(f"  {{ name: '{f}', bytes: {len(data)}, sha256: '{hashlib.sha256(data).hexdigest()}' }},")
    text = "// Sizes and hashes of the model's files. Written by train/export.py; do not edit.\nexport const files: readonly { readonly name: string; readonly bytes: number; readonly sha256: string }[] = [\n"
    (PACKAGE / "src" / "files.generated.ts").write_text(text + "\n".join(rows) + "\n];\n")
