"""A MiMo directory as transformers >= 5.23 reads it: `python native_directory.py FROM TO`.

transformers' own class for MiMo-V2-Flash takes neither hybrid_layer_pattern nor rope_theta from the published
config.json, so the config is written in its names. Weights and tokenizer are linked, the chat template is MiMo's.
"""

import json
import os
import sys

from transformers import MiMoV2FlashConfig

SAME = (
    "vocab_size hidden_size intermediate_size moe_intermediate_size num_hidden_layers num_attention_heads "
    "num_key_value_heads head_dim v_head_dim hidden_act max_position_embeddings attention_bias "
    "attention_value_scale n_routed_experts num_experts_per_tok n_group topk_group norm_topk_prob "
    "routed_scaling_factor tie_word_embeddings eos_token_id pad_token_id"
).split()
TEMPLATE = os.path.join(os.path.dirname(__file__), "../../../fixtures/unpacked/chat/mimo_v2_flash.jinja")


def native_config(hub):
    """Published keys -> transformers' keys. Its sliding layers have twice the KV heads, or there are none."""

    def rope(theta):
        return {"rope_type": "default", "rope_theta": theta, "partial_rotary_factor": hub["partial_rotary_factor"]}

    return MiMoV2FlashConfig(
        **{key: hub[key] for key in SAME},
        architectures=["MiMoV2FlashForCausalLM"],
        bos_token_id=None,
        rms_norm_eps=hub["layernorm_epsilon"],
        sliding_window=hub["sliding_window"],
        layer_types=[("full_attention", "sliding_attention")[kind] for kind in hub["hybrid_layer_pattern"]],
        mlp_layer_types=[("dense", "sparse")[kind] for kind in hub["moe_layer_freq"]],
        rope_parameters={
            "full_attention": rope(hub["rope_theta"]),
            "sliding_attention": rope(hub["swa_rope_theta"]),
        },
        dtype="float32",
    )


def main(source, target):
    os.makedirs(target)
    with open(os.path.join(source, "config.json")) as file:
        native_config(json.load(file)).save_pretrained(target)
    for name in os.listdir(source):
        if name not in ("config.json", "tokenizer_config.json"):
            os.symlink(os.path.abspath(os.path.join(source, name)), os.path.join(target, name))
    with open(os.path.join(source, "tokenizer_config.json")) as file:
        tokenizer = json.load(file)
    with open(TEMPLATE) as file:
        tokenizer["chat_template"] = file.read()
    with open(os.path.join(target, "tokenizer_config.json"), "w") as file:
        json.dump(tokenizer, file)


if __name__ == "__main__":
    main(*sys.argv[1:])
