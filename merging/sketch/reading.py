"""Runs of elements of a checkpoint's tensors as float32, read into buffers that are used again."""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from merging.checkpoints.base import Checkpoint, Opened, TensorInfo
from merging.checkpoints.folder import FolderCheckpoint
from merging.errors import SourceError

MOST_BUFFERS = 8


class Reader:
    """One checkpoint, read in runs of elements. Close it when done.

    Files of a folder are read at the place of each run, without mapping them into memory: that
    takes half the time. Other checkpoints hand out whole tensors, of which the last is kept for
    each thread.
    """

    def __init__(self, model: Checkpoint) -> None:
        """Find where the tensors of a checkpoint lie."""
        self.model = model
        self._places = _places(model) if isinstance(model, FolderCheckpoint) else {}
        self._files = {path: os.open(path, os.O_RDONLY) for path in _paths(self._places)}
        self._local = threading.local()

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Read a run of elements.

        Args:
            name: The tensor.
            start: Flat index of the first element.
            out: Where to put them, float32, shape (elements,).

        Raises:
            SourceError: The file cannot be read or ends early.
        """
        place = self._places.get(name)
        if place is None:
            out.copy_(self._whole(name)[start : start + len(out)])
            return
        raw, view = self._buffer(place.dtype, len(out))
        at, done = place.offset + start * raw.element_size(), 0
        while done < len(view):
            try:
                got = os.preadv(self._files[place.path], [view[done:]], at + done)
            except OSError as error:
                raise self._broken(name, error.strerror or "it broke off") from error
            if got == 0:
                raise self._broken(name, "the file ends early")
            done += got
        out.copy_(raw)

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            os.close(file)
        self._files = {}

    def _buffer(self, dtype: torch.dtype, count: int) -> tuple[Tensor, memoryview]:
        """Memory of the calling thread for some elements of a type, and the same as bytes."""
        known: dict[tuple[torch.dtype, int], tuple[Tensor, memoryview]]
        known = self._local.__dict__.setdefault("buffers", {})
        if (dtype, count) not in known:
            if len(known) >= MOST_BUFFERS:
                known.clear()
            raw = torch.empty(count, dtype=dtype)
            known[dtype, count] = raw, memoryview(raw.view(torch.uint8).numpy().data)
        return known[dtype, count]

    def _whole(self, name: str) -> Tensor:
        if getattr(self._local, "name", None) != name:
            self._local.name, self._local.flat = name, self.model.load(name).detach().flatten()
        flat: Tensor = self._local.flat
        return flat

    def _broken(self, name: str, why: str) -> SourceError:
        return SourceError(f"Model {self.model.name}: cannot read {name!r}: {why}.")


@dataclass(frozen=True, slots=True)
class _Place:
    path: Path
    offset: int
    dtype: torch.dtype


def _places(model: FolderCheckpoint) -> dict[str, _Place]:
    """Where each tensor's bytes begin; the files were checked when the folder was opened."""
    found = {}
    for path in sorted(set(model.files.values())):
        offsets = _offsets(path, model.name)
        for name, file in model.files.items():
            if file == path:
                found[name] = _Place(path, offsets[name], model.infos[name].dtype)
    return found


def _offsets(path: Path, label: str) -> dict[str, int]:
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if length > path.stat().st_size:
                raise SourceError(f"Model {label}: {path.name} is damaged.")
            header = json.loads(file.read(length))
        return {
            n: 8 + length + int(e["data_offsets"][0]) for n, e in header.items() if n[:2] != "__"
        }
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise SourceError(f"Model {label}: cannot read {path.name}: {error}") from error


def _paths(places: Mapping[str, _Place]) -> set[Path]:
    return {place.path for place in places.values()}


@dataclass(frozen=True)
class OpenCheckpoint:
    """A folder whose files stay open, for work that looks at many tensors of it.

    Attributes:
        model: The folder.
    """

    model: FolderCheckpoint
    handles: dict[Path, safe_open] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Name for messages."""
        return self.model.name

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        return self.model.tensors()

    def load(self, name: str) -> Tensor:
        """Return one tensor as stored.

        Raises:
            SourceError: No such tensor, or the file cannot be read.
        """
        path = self.model.files.get(name)
        if path is None:
            return self.model.load(name)
        try:
            if path not in self.handles:
                self.handles[path] = safe_open(path, framework="pt")
            found: Tensor = self.handles[path].get_tensor(name)  # type: ignore[no-untyped-call]
        except (OSError, SafetensorError) as error:
            raise SourceError(f"Model {self.name}: cannot read {name!r}: {error}") from error
        return found

    def opened(self) -> AbstractContextManager[Opened]:
        """Return a context in which files stay open."""
        return self.model.opened()

    def mark(self) -> str:
        """Return a cheap mark of the content."""
        return self.model.mark()

    def identity(self) -> str:
        """Return a hash of the content."""
        return self.model.identity()

    def config(self) -> Mapping[str, object]:
        """Return what ``config.json`` says."""
        return self.model.config()
