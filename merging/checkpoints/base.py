"""What a checkpoint is: named tensors that are read one at a time, and a content identity."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Protocol

import torch
from torch import Tensor

from merging.errors import SourceError


@dataclass(frozen=True, slots=True)
class TensorInfo:
    """Shape and type of a tensor, known before it is read."""

    shape: tuple[int, ...]
    dtype: torch.dtype


Load = Callable[[str], Tensor]


class Checkpoint(Protocol):
    """Named tensors of one model, read when asked for."""

    @property
    def name(self) -> str:
        """Name for messages."""
        ...

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        ...

    def load(self, name: str) -> Tensor:
        """Return one tensor as stored."""
        ...

    def opened(self) -> AbstractContextManager[Load]:
        """Return a context in which tensors are loaded quickly, files staying open."""
        ...

    def identity(self) -> str:
        """Return a hash of the content, 16 hexadecimal digits."""
        ...

    def mark(self) -> str:
        """Return a cheap mark of the content, for caches: it changes when the content does."""
        ...

    def config(self) -> Mapping[str, Any]:
        """Return what ``config.json`` says; empty where there is none."""
        ...


@dataclass(frozen=True, slots=True)
class MemoryCheckpoint:
    """A model held in memory; ``about`` is what its ``config.json`` would say."""

    name: str
    state: Mapping[str, Tensor]
    about: Mapping[str, Any] = field(default_factory=dict)

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        return {n: TensorInfo(tuple(t.shape), t.dtype) for n, t in self.state.items()}

    def load(self, name: str) -> Tensor:
        """Return one tensor.

        Raises:
            SourceError: There is no such tensor.
        """
        if name not in self.state:
            raise SourceError(f"Model {self.name} has no tensor {name!r}.")
        return self.state[name]

    def opened(self) -> AbstractContextManager[Load]:
        """Return a context that yields ``load``: nothing has to be opened."""
        return nullcontext(self.load)

    def mark(self) -> str:
        """Return ``identity``: what is in memory may be changed in place."""
        return self.identity()

    def identity(self) -> str:
        """Return a hash of names, types, shapes and values."""
        digest = sha256()
        for name in sorted(self.state):
            tensor = self.state[name].detach().cpu().contiguous()
            digest.update(f"{name}|{tensor.dtype}|{tuple(tensor.shape)}|".encode())
            digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()[:16]

    def config(self) -> Mapping[str, Any]:
        """Return what is known besides the weights."""
        return self.about
