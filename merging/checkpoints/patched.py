"""A base with changes from a small file: tensors are worked out when read, none is kept."""

import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
from torch import Tensor

from merging.checkpoints.base import Checkpoint, Opened, TensorInfo
from merging.checkpoints.changes import Change, Decoded, block_rows, matrix_of
from merging.checkpoints.folder import FolderCheckpoint
from merging.errors import SourceError

HELD = 4  # decoded tensors kept at hand while a model is open


@dataclass(frozen=True, slots=True)
class PatchedCheckpoint:
    """A model that is a base and a small file of changes; tensors without a change are the base's.

    Attributes:
        name: Name for messages.
        base: What is changed.
        weights: The small file.
        changes: By the base's names.
        infos: Shape and type of every tensor.
        salt: What else decides the content, for the identity.
    """

    name: str
    base: Checkpoint
    weights: FolderCheckpoint
    changes: Mapping[str, Change]
    infos: Mapping[str, TensorInfo]
    salt: str = ""

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        return self.infos

    def load(self, name: str) -> Tensor:
        """Work out one tensor.

        Raises:
            SourceError: No such tensor, or a file cannot be read or holds numbers that are refused.
        """
        if name not in self.changes:
            return self.base.load(name)
        info = self.infos[name]
        found = torch.empty(info.shape, dtype=info.dtype)
        with self.opened() as opened:
            opened.read(name, 0, found.view(-1))
        return found

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Yield the model with the base's files open."""
        with self.base.opened() as base:
            yield _Open(self, base)

    def delta(self, name: str) -> Tensor:
        """Return the exact change of a tensor, before any rounding: zeros where there is none.

        Returns:
            Float64, the shape of the tensor.

        Raises:
            SourceError: As ``load``.
        """
        shape = self.infos[name].shape
        if name not in self.changes:
            return torch.zeros(shape, dtype=torch.float64)
        (rows, columns), change = matrix_of(shape), self.changes[name]
        with self.base.opened() as base:

            def before(first: int, last: int) -> Tensor:
                return _base_rows(base, name, columns, first, last)

            decoded = change.decode(before)
            if change.additive:
                zero = torch.zeros(rows, columns, dtype=torch.float64)
                return decoded.rows(0, rows, zero).reshape(shape)
            start = before(0, rows)
            return (decoded.rows(0, rows, start) - start).reshape(shape)

    def mark(self) -> str:
        """Return a mark of both, the base and the small file."""
        return _joined(self.base.mark(), self.weights.mark(), self.salt)

    def identity(self) -> str:
        """Return a hash of both, the base and the small file."""
        return _joined(self.base.identity(), self.weights.identity(), self.salt)

    def config(self) -> Mapping[str, Any]:
        """Return the base's ``config.json``."""
        return self.base.config()


class _Open:
    """A patched model whose base is open; any thread may read."""

    def __init__(self, model: PatchedCheckpoint, base: Opened) -> None:
        self._model, self._base = model, base
        self._decoded: OrderedDict[str, Decoded] = OrderedDict()
        self._lock = threading.Lock()
        self._local = threading.local()

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return a run of elements; see ``Opened``."""
        if name not in self._model.changes:
            return self._base.run(name, start, stop)
        out = torch.empty(stop - start, dtype=self._model.infos[name].dtype)
        self.read(name, start, out)
        return out

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Work out a run of elements; see ``Opened``."""
        if name not in self._model.changes:
            self._base.read(name, start, out)
            return
        _, columns = matrix_of(self._model.infos[name].shape)
        size = block_rows(columns) * columns
        flat, done = out.view(-1), 0
        while done < len(flat):
            number, offset = divmod(start + done, size)
            part = self._block(name, number)[offset : offset + len(flat) - done]
            flat[done : done + len(part)].copy_(part)
            done += len(part)

    def expect(self, name: str, start: int, stop: int) -> None:
        """Tell the base; see ``Opened``."""
        if name in self._model.base.tensors():
            self._base.expect(name, start, stop)

    def _block(self, name: str, number: int) -> Tensor:
        """Return a block of whole rows, flat; the last one of each thread is kept at hand."""
        held: tuple[str, int, Tensor] | None = getattr(self._local, "held", None)
        if held is not None and held[:2] == (name, number):
            return held[2]
        rows, columns = matrix_of(self._model.infos[name].shape)
        height = block_rows(columns)
        first, last = number * height, min(rows, (number + 1) * height)
        before = _base_rows(self._base, name, columns, first, last)
        found = self._change(name).rows(first, last, before).reshape(-1)
        self._local.held = (name, number, found)
        return found

    def _change(self, name: str) -> Decoded:
        _, columns = matrix_of(self._model.infos[name].shape)
        with self._lock:
            if name not in self._decoded:
                self._decoded[name] = self._model.changes[name].decode(
                    lambda first, last: _base_rows(self._base, name, columns, first, last)
                )
                while len(self._decoded) > HELD:
                    self._decoded.popitem(last=False)
            return self._decoded[name]


def patched(
    name: str,
    base: Checkpoint,
    weights: FolderCheckpoint,
    changes: Mapping[str, Change],
    salt: str = "",
) -> PatchedCheckpoint:
    """Put changes upon a base.

    Raises:
        SourceError: There is no change, or one of a tensor of whole numbers.
    """
    infos = dict(base.tensors())
    if not changes:
        raise SourceError(f"{name} changes no tensor of {base.name}. Leave it out.")
    for tensor in changes:
        if not infos[tensor].dtype.is_floating_point:
            raise SourceError(
                f"{name} changes {tensor!r}, which holds {infos[tensor].dtype} in {base.name}. "
                "Give a base that is not quantised."
            )
    infos |= {tensor: change.info for tensor, change in changes.items()}
    return PatchedCheckpoint(name, base, weights, changes, infos, salt)


def _base_rows(base: Opened, name: str, columns: int, first: int, last: int) -> Tensor:
    run = base.run(name, first * columns, last * columns)
    return run.to(torch.float64, copy=True).reshape(last - first, columns)


def _joined(*parts: str) -> str:
    return sha256("\n".join(parts).encode()).hexdigest()[:16]
