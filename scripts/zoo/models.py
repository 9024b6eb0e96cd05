"""Trained models and heads as files, and how long training took."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from scripts.zoo.sources import Data

Result = TypeVar("Result")


def save_model(model: nn.Module, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Write a model as safetensors of a type with its config; it is rounded in place."""
    stored = rounded(model, dtype).to(dtype)
    stored.config.dtype = dtype
    stored.save_pretrained(folder)
    stored.float()


def rounded(model: nn.Module, dtype: torch.dtype = torch.float16) -> nn.Module:
    """Round weights to a type and back, so that training goes on from what is stored."""
    return model.to(dtype).float()


def load_model(folder: Path) -> nn.Module:
    """Return a stored model in float32, ready to be trained further."""
    from transformers import ViTModel

    from scripts.zoo import train

    stored = ViTModel.from_pretrained(folder, add_pooling_layer=False, dtype=torch.float32)
    model = train.new_model(stored.config.hidden_size)
    model.load_state_dict(stored.state_dict())
    return model.eval()


def save_heads(model: nn.Module, data: Sequence[Data], folder: Path) -> None:
    """Fit a head of every task on a model's features and write them."""
    from scripts.zoo import train

    folder.mkdir(parents=True, exist_ok=True)
    for task in data:
        weight, bias = train.fit_head(model, task)
        save_file({"weight": weight, "bias": bias}, folder / f"{task.id}.safetensors")


def load_head(folder: Path, task: str) -> tuple[Tensor, Tensor]:
    """Return weight and bias of a stored head."""
    stored = load_file(folder / f"{task}.safetensors")
    return stored["weight"], stored["bias"]


def timed(seconds: dict[str, float], name: str, work: Callable[[], Result]) -> Result:
    """Do some work, note how long it took, and return its result."""
    print(name, flush=True)
    begin = time.perf_counter()
    result = work()
    seconds[name] = time.perf_counter() - begin
    return result
