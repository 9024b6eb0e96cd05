"""Small adapters of peft in folders, and bases in memory, with explicit seeds."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor

from merging.checkpoints import MemoryCheckpoint

PREFIX = "base_model.model."
Q, UP, EMBED = "layers.0.self_attn.q_proj", "layers.0.mlp.up_proj", "embed_tokens"
SHAPES: dict[str, tuple[int, ...]] = {
    f"{Q}.weight": (6, 6),
    f"{Q}.bias": (6,),
    f"{UP}.weight": (10, 6),
    f"{EMBED}.weight": (12, 6),
    "norm.weight": (6,),
    "score.weight": (3, 6),
}


def numbers(shape: tuple[int, ...], seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def base_model(dtype: torch.dtype = torch.float32, **about: Any) -> MemoryCheckpoint:
    state = {n: numbers(s, i).to(dtype) for i, (n, s) in enumerate(SHAPES.items())}
    return MemoryCheckpoint("base", state, about)


def factors(module: str, out: int, into: int, rank: int, seed: int = 7) -> dict[str, Tensor]:
    """A and B of a linear layer, as peft names them."""
    return {
        f"{PREFIX}{module}.lora_A.weight": numbers((rank, into), seed),
        f"{PREFIX}{module}.lora_B.weight": numbers((out, rank), seed + 1),
    }


def embedding(module: str, tokens: int, size: int, rank: int, seed: int = 17) -> dict[str, Tensor]:
    return {
        f"{PREFIX}{module}.lora_embedding_A": numbers((rank, tokens), seed),
        f"{PREFIX}{module}.lora_embedding_B": numbers((size, rank), seed + 1),
    }


def write_adapter(folder: Path, tensors: Mapping[str, Tensor], **config: Any) -> Path:
    """Write an adapter; entries of the config by name."""
    folder.mkdir(parents=True, exist_ok=True)
    said = {"peft_type": "LORA", "r": 2, "lora_alpha": 6, **config}
    (folder / "adapter_config.json").write_text(json.dumps(said))
    save_file(dict(tensors), folder / "adapter_model.safetensors")
    return folder
