"""Tiny random models of many families, made from their configs: no network, explicit seeds."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from builders import State, quiet
from safetensors.torch import load_file
from torch import Tensor, nn

VOCAB, WIDTH, HEADS, LAYERS, INNER, PLACES = 40, 16, 2, 2, 32, 24
TOKENS = torch.tensor([[3, 5, 7, 11, 13, 2], [4, 6, 8, 10, 12, 2]])

_TEXT: dict[str, Any] = {
    "vocab_size": VOCAB,
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": INNER,
    "max_position_embeddings": PLACES,
}
_LLAMA = {**_TEXT, "num_key_value_heads": 1, "bos_token_id": 1, "eos_token_id": 2}
_VISION = {k: v for k, v in _TEXT.items() if k not in ("vocab_size", "max_position_embeddings")} | {
    "image_size": 8,
    "patch_size": 4,
}
_TOWER = {"projection_dim": 8}
_PICTURE = torch.linspace(-1, 1, 2 * 3 * 8 * 8).reshape(2, 3, 8, 8)
_SOUND = torch.linspace(-1, 1, 2 * 8 * 2 * PLACES).reshape(2, 8, 2 * PLACES)

# Family: classes of config and model in transformers, settings, what to ask, name of the answer.
FAMILIES: dict[str, tuple[str, str, dict[str, Any], Mapping[str, Tensor], str]] = {
    "llama": ("LlamaConfig", "LlamaForCausalLM", _LLAMA, {"input_ids": TOKENS}, "logits"),
    "qwen2": ("Qwen2Config", "Qwen2ForCausalLM", _LLAMA, {"input_ids": TOKENS}, "logits"),
    "mistral": ("MistralConfig", "MistralForCausalLM", _LLAMA, {"input_ids": TOKENS}, "logits"),
    "mixtral": (
        "MixtralConfig",
        "MixtralForCausalLM",
        {**_LLAMA, "num_local_experts": 2, "num_experts_per_tok": 1},
        {"input_ids": TOKENS},
        "logits",
    ),
    "gpt2": (
        "GPT2Config",
        "GPT2LMHeadModel",
        {
            "vocab_size": VOCAB,
            "n_positions": PLACES,
            "n_embd": WIDTH,
            "n_layer": LAYERS,
            "n_head": HEADS,
            "n_inner": INNER,
            "bos_token_id": 1,
            "eos_token_id": 2,
        },
        {"input_ids": TOKENS},
        "logits",
    ),
    "bert": (
        "BertConfig",
        "BertForSequenceClassification",
        {**_TEXT, "num_labels": 3},
        {"input_ids": TOKENS},
        "logits",
    ),
    "t5": (
        "T5Config",
        "T5ForConditionalGeneration",
        {
            "vocab_size": VOCAB,
            "d_model": WIDTH,
            "d_kv": WIDTH // HEADS,
            "d_ff": INNER,
            "num_layers": LAYERS,
            "num_heads": HEADS,
            "decoder_start_token_id": 0,
        },
        {"input_ids": TOKENS, "decoder_input_ids": TOKENS[:, :3]},
        "logits",
    ),
    "vit": (
        "ViTConfig",
        "ViTForImageClassification",
        {**_VISION, "num_labels": 3},
        {"pixel_values": _PICTURE},
        "logits",
    ),
    "clip": (
        "CLIPConfig",
        "CLIPModel",
        {
            "text_config": {**_TEXT, **_TOWER, "eos_token_id": 2},
            "vision_config": {**_VISION, **_TOWER},
            **_TOWER,
        },
        {"input_ids": TOKENS, "pixel_values": _PICTURE},
        "logits_per_image",
    ),
    "whisper": (
        "WhisperConfig",
        "WhisperForConditionalGeneration",
        {
            "vocab_size": VOCAB,
            "d_model": WIDTH,
            "encoder_layers": LAYERS,
            "decoder_layers": LAYERS,
            "encoder_attention_heads": HEADS,
            "decoder_attention_heads": HEADS,
            "encoder_ffn_dim": INNER,
            "decoder_ffn_dim": INNER,
            "num_mel_bins": 8,
            "max_source_positions": PLACES,
            "max_target_positions": PLACES,
            "pad_token_id": 0,
            "bos_token_id": 1,
            "eos_token_id": 2,
            "decoder_start_token_id": 1,
        },
        {"input_features": _SOUND, "decoder_input_ids": TOKENS[:, :3]},
        "logits",
    ),
}


def tiny(family: str, seed: int = 0, **settings: Any) -> Any:
    """A random model of a family, in evaluation mode; ``settings`` replace those of its config."""
    import transformers

    quiet()
    config, model, known, _, _ = FAMILIES[family]
    about = getattr(transformers, config)(**{**known, **settings})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        made: nn.Module = getattr(transformers, model)(about)
        with torch.no_grad():
            for weight in made.parameters():
                weight.add_(torch.randn_like(weight) * 0.05)  # biases and norms differ too
    return made.eval()


def tuned(model: Any, seed: int, size: float = 0.02) -> Any:
    """The model after a made-up fine-tuning: every parameter moved by small random numbers."""
    from copy import deepcopy

    made = deepcopy(model)
    source = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weight in made.parameters():
            weight.add_(torch.randn(weight.shape, generator=source) * size)
    return made


def saved(model: Any, folder: Path, **how: Any) -> Path:
    """The folder into which ``save_pretrained`` wrote a model."""
    model.save_pretrained(folder, **how)
    return folder


def trio(family: str, root: Path, **settings: Any) -> dict[str, Path]:
    """Folders ``base``, ``one`` and ``two`` under ``root``: a base and two experts of it."""
    base = tiny(family, **settings)
    models = {"base": base, "one": tuned(base, 1), "two": tuned(base, 2)}
    return {name: saved(model, root / name) for name, model in models.items()}


def loaded(family: str, folder: Path) -> Any:
    """A model as ``from_pretrained`` reads it back, in evaluation mode."""
    import transformers

    quiet()
    return getattr(transformers, FAMILIES[family][1]).from_pretrained(folder).eval()


def stored(folder: Path) -> State:
    """All tensors of a folder's files, by name."""
    found: State = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found


def answer(family: str, model: Any) -> Tensor:
    """What a model says to the fixed question of its family."""
    _, _, _, question, name = FAMILIES[family]
    with torch.no_grad():
        found: Tensor = getattr(model(**question), name)
    return found


def by_hand(base: State, experts: list[State], rule: Callable[[Tensor, Tensor], Tensor]) -> State:
    """A state dict merged tensor by tensor: ``rule`` takes base and experts, shape (n, *shape)."""
    return {n: rule(t, torch.stack([e[n] for e in experts])) for n, t in base.items()}
