"""Make models and adapters with peft and merge them with it. Started by the other interpreter.

Usage: python peft_side.py FOLDER

For each of ``CASES`` FOLDER/CASE gets ``base``, ``adapter`` and ``merged.safetensors``: what
``merge_and_unload`` makes of the two. FOLDER/weighted gets ``base``, the adapters ``a``, ``b`` and
``c``, and for each combination type an adapter that ``add_weighted_adapter`` made.
"""

import sys
from pathlib import Path
from typing import Any

WEIGHTS = (0.7, 0.5, -0.2)
PROJECTIONS = ["q_proj", "v_proj", "up_proj", "down_proj"]
GPT2 = ["c_attn", "c_proj", "c_fc"]
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "plain": ("llama", {"r": 4, "lora_alpha": 8, "target_modules": PROJECTIONS}),
    "patterns": (
        "llama",
        {
            "r": 4, "lora_alpha": 8, "target_modules": PROJECTIONS, "use_rslora": True,
            "rank_pattern": {"q_proj": 2, r"layers\.1\.mlp.*": 6},
            "alpha_pattern": {"model.layers.0.mlp.up_proj": 3, "down_proj": 5},
        },
    ),
    "dora": ("llama", {"r": 4, "lora_alpha": 8, "target_modules": PROJECTIONS, "use_dora": True}),
    "saved": (
        "llama",
        {
            "r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "modules_to_save": ["lm_head"],
            "bias": "all",
        },
    ),
    "lora bias": (
        "llama", {"r": 4, "lora_alpha": 8, "target_modules": ["q_proj"], "lora_bias": True}
    ),
    "embedding": ("llama", {"r": 4, "lora_alpha": 8, "target_modules": ["embed_tokens", "q_proj"]}),
    "conv1d": ("gpt2", {"r": 4, "lora_alpha": 8, "target_modules": GPT2}),
    "conv1d, dora": ("gpt2", {"r": 4, "lora_alpha": 8, "target_modules": GPT2, "use_dora": True}),
    "convolution": ("vit", {"r": 2, "lora_alpha": 3, "target_modules": ["projection"]}),
}  # fmt: skip
DENSE = {"density": 0.5}
FULL = {"density": 1.0}
COMBINED: dict[str, tuple[str, dict[str, Any]]] = {
    "linear": ("linear", {}),
    "ties": ("ties", DENSE),
    "ties, frequency": ("ties", {**DENSE, "majority_sign_method": "frequency"}),
    "dare_linear": ("dare_linear", FULL),
    "dare_ties": ("dare_ties", FULL),
    "magnitude_prune": ("magnitude_prune", DENSE),
    "svd": ("svd", {"svd_rank": 3}),
    "cat": ("cat", {}),
}


def model_of(kind: str) -> Any:
    import transformers as t

    size: dict[str, Any] = {
        "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 24,
    }  # fmt: skip
    if kind == "llama":
        own = {"vocab_size": 40, "num_key_value_heads": 1, "attention_bias": True}
        return t.LlamaForCausalLM(t.LlamaConfig(tie_word_embeddings=False, **own, **size))
    if kind == "gpt2":
        own = {"n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 32, "vocab_size": 40}
        return t.GPT2LMHeadModel(t.GPT2Config(**own))
    own = {"image_size": 28, "patch_size": 14, "num_channels": 1}
    return t.ViTModel(t.ViTConfig(**own, **size), add_pooling_layer=False)


def stir(model: Any, seed: int) -> None:
    """Give everything that was trained random values; B starts as zeros."""
    import torch

    source = torch.Generator().manual_seed(seed)
    for name, value in model.named_parameters():
        if value.requires_grad:
            noise = 0.2 * torch.randn(value.shape, generator=source)
            value.data += noise.abs() if "magnitude" in name else noise


def one(folder: Path, kind: str, config: dict[str, Any]) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = model_of(kind)
    model.save_pretrained(folder / "base")
    tuned = get_peft_model(model, LoraConfig(**config))
    stir(tuned, 1)
    tuned.eval()
    tuned.save_pretrained(folder / "adapter")
    tuned.merge_and_unload().save_pretrained(folder / "whole")
    (folder / "whole" / "model.safetensors").replace(folder / "merged.safetensors")


def weighted(folder: Path) -> None:
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(0)
    model = model_of("llama")
    model.save_pretrained(folder / "base")
    alphas = {"a": 8, "b": 2, "c": 4}
    configs = {
        name: LoraConfig(r=4, lora_alpha=alpha, target_modules=["q_proj", "embed_tokens"])
        for name, alpha in alphas.items()
    }
    tuned = get_peft_model(model, configs["a"], adapter_name="a")
    for name in "bc":
        tuned.add_adapter(name, configs[name])
    for seed, name in enumerate("abc"):
        tuned.set_adapter(name)
        stir(tuned, seed)
    for index, (kind, options) in enumerate(COMBINED.values()):
        tuned.add_weighted_adapter(
            list("abc"), list(WEIGHTS), f"w{index}", combination_type=kind, **options
        )
    tuned.save_pretrained(folder, save_embedding_layers=False)


def main(folder: Path) -> None:
    for name, (kind, config) in CASES.items():
        one(folder / name, kind, config)
    weighted(folder / "weighted")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
