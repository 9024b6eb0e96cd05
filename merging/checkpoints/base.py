"""What a checkpoint is: named tensors that are read one at a time, and a content identity."""

from collections.abc import Mapping
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


class Opened(Protocol):
    """A checkpoint whose files are open; any thread may read."""

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return a run of elements as stored.

        Args:
            name: The tensor.
            start, stop: First element and the one after the last, counted in the flat tensor.

        Returns:
            Shape (stop - start,); it holds until the thread asks this checkpoint again.

        Raises:
            SourceError: No such tensor, or the file cannot be read.
        """
        ...

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Read a run of elements into memory of the caller.

        Args:
            name: The tensor.
            start: First element, counted in the flat tensor.
            out: Contiguous CPU tensor of the stored type, which is filled.

        Raises:
            SourceError: No such tensor, or the file cannot be read or ends early.
        """
        ...

    def expect(self, name: str, start: int, stop: int) -> None:
        """Tell that a run will be read soon, so that a disk may begin."""
        ...


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

    def opened(self) -> AbstractContextManager[Opened]:
        """Return a context in which files stay open."""
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

    def opened(self) -> AbstractContextManager[Opened]:
        """Return a context that yields the model itself: nothing has to be opened."""
        return nullcontext(self)

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return a run of elements; see ``Opened``."""
        return self.load(name).reshape(-1)[start:stop]

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Copy a run of elements; see ``Opened``."""
        out.view(-1).copy_(self.run(name, start, start + out.numel()))

    def expect(self, name: str, start: int, stop: int) -> None:
        """Do nothing: it is there."""

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
