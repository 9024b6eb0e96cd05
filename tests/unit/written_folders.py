"""Writers of small models and what they leave behind."""

from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from merging.engine.shards import Slot
from merging.engine.writer import FolderWriter

F32 = torch.float32
FOUR = [Slot(name, F32, (4,)) for name in "abcd"]


def slots_of(tensors: dict[str, Tensor]) -> list[Slot]:
    return [Slot(n, t.dtype, tuple(t.shape)) for n, t in tensors.items()]


def raw(tensor: Tensor) -> bytes:
    return tensor.contiguous().flatten().view(torch.uint8).numpy().tobytes()


def read(folder: Path) -> dict[str, Tensor]:
    found: dict[str, Tensor] = {}
    for path in folder.glob("*.safetensors"):
        found |= load_file(path)
    return found


def tree(folder: Path) -> list[str]:
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*"))


def writer_of(folder: Path, shape: tuple[int, ...] = (4,), **more: int) -> FolderWriter:
    """A writer of two float32 tensors ``a`` and ``b``."""
    return FolderWriter(folder, [Slot("a", F32, shape), Slot("b", F32, shape)], "key", **more)


def fill(writer: FolderWriter, count: int = 4) -> None:
    for name in ("a", "b"):
        writer.write(name, 0, torch.ones(count))
