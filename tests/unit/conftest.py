"""Tiny real models in folders, made once per test run."""

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file


def _quiet() -> None:
    from transformers.utils import logging

    quiet: Any = logging
    quiet.set_verbosity_error()
    quiet.disable_progress_bar()


def _vit() -> Any:
    from transformers import ViTConfig, ViTModel

    size: dict[str, Any] = {
        "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2,
        "intermediate_size": 16, "image_size": 28, "patch_size": 14, "num_channels": 1,
    }  # fmt: skip
    return ViTModel(ViTConfig(**size), add_pooling_layer=False)


def _llama() -> Any:
    from transformers import LlamaConfig, LlamaModel

    size: dict[str, Any] = {
        "vocab_size": 16, "hidden_size": 8, "num_hidden_layers": 1, "intermediate_size": 16,
        "num_attention_heads": 2, "num_key_value_heads": 1, "max_position_embeddings": 32,
    }  # fmt: skip
    return LlamaModel(LlamaConfig(**size))


@pytest.fixture(scope="session", params=["vit", "llama"])
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder ``base`` and experts ``one`` and ``two`` of a tiny ViT or Llama."""
    return save_family(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def vit_family(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, ViT only."""
    return save_family("vit", tmp_path_factory.mktemp("only-vit"))


def save_family(kind: str, root: Path) -> Path:
    """Write three models whose weights differ by small random changes."""
    _quiet()
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = {"vit": _vit, "llama": _llama}[kind]()
        model.save_pretrained(root / "base")
    base = load_file(root / "base" / "model.safetensors")
    for seed, name in enumerate(("one", "two")):
        source = torch.Generator().manual_seed(seed)
        changed = {n: t + 0.1 * torch.randn(t.shape, generator=source) for n, t in base.items()}
        (root / name).mkdir()
        save_file(changed, root / name / "model.safetensors", {"format": "pt"})
        config = (root / "base" / "config.json").read_text()
        (root / name / "config.json").write_text(config)
    return root
