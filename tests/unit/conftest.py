"""Tiny real models in folders, made once per test run."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from builders import quiet
from safetensors.torch import load_file, save_file

from merging.sets import bundled


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
    quiet()
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


CARD: dict[str, Any] = {
    "format": "merge-explorer-card/1",
    "order": 1,
    "base": "base",
    "experts": [{"id": "one", "task": "first"}, {"id": "two", "task": "second"}],
    "tasks": [{"id": "first"}, {"id": "second"}],
    "preprocess": {"mean": 0.5, "std": 0.5},
}


@pytest.fixture
def zoo(vit_family: Path, tmp_path: Path) -> Iterator[Path]:
    """A set ``tiny`` with two experts and two tasks of random images."""
    shutil.copytree(vit_family / "base", tmp_path / "base")
    for name in ("one", "two"):
        shutil.copytree(vit_family / name, tmp_path / "tiny" / name)
    (tmp_path / "tiny" / "card.json").write_text(json.dumps(CARD))
    for seed, name in enumerate(("first", "second")):
        source = torch.Generator().manual_seed(seed)
        halves = {}
        for half in ("tuning", "reporting"):
            pixels = torch.randint(0, 256, (30, 28, 28), generator=source)
            halves[f"{half}/images"] = pixels.to(torch.uint8)
            halves[f"{half}/labels"] = torch.randint(0, 3, (30,), generator=source)
        for folder in ("eval", "heads"):
            (tmp_path / folder).mkdir(exist_ok=True)
        save_file(halves, tmp_path / "eval" / f"{name}.safetensors")
        head = {"weight": torch.randn(3, 8, generator=source), "bias": torch.zeros(3)}
        save_file(head, tmp_path / "heads" / f"{name}.safetensors")
    yield tmp_path
    for cached in (bundled.sketch, bundled.tasks, bundled.references):
        cached.cache_clear()


@pytest.fixture
def alone() -> Iterator[None]:
    """One thread: on a busy machine threads wait for each other much longer than they work."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
