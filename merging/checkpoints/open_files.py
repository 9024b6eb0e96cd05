"""Where the numbers of a folder's tensors lie in its files, and reading runs of them from there.

A run is read at its place into memory of the caller, which is used again for the next: mapping a
file costs a fault for every few pages, and unmapping it as much again.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from merging.errors import SourceError

LENGTH_BYTES = 8
# Types that are stored but not computed with: what they are read as. Exact.
WIDENED = {torch.float8_e4m3fn: torch.float32, torch.float8_e5m2: torch.float32}
_PIECE = 1 << 20  # eight-bit numbers widened at a time


@dataclass(frozen=True, slots=True)
class Place:
    """Where a tensor lies.

    Attributes:
        path: The file.
        offset: Of the tensor's first byte, from the beginning of the file.
        dtype: Of its numbers.
    """

    path: Path
    offset: int
    dtype: torch.dtype

    def at(self, element: int) -> int:
        """Return the offset of an element, counted in the flat tensor."""
        return self.offset + element * self.dtype.itemsize


def places_in(path: Path, dtypes: Mapping[str, torch.dtype], label: str) -> dict[str, Place]:
    """Return where the tensors of a safetensors file lie.

    Args:
        path: The file, whose header has been checked.
        dtypes: Of its tensors.
        label: Name of the model, for messages.

    Raises:
        SourceError: The header cannot be read or is another than the one that was checked.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            if length > path.stat().st_size:
                raise SourceError(f"Model {label}: {path.name} is damaged.")
            header, begin = json.loads(file.read(length)), LENGTH_BYTES + length
        return {
            name: Place(path, begin + int(header[name]["data_offsets"][0]), dtype)
            for name, dtype in dtypes.items()
        }
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise SourceError(f"Model {label}: cannot read {path.name}: {error}") from error


class OpenFiles:
    """Tensors in open files, read run by run; any thread may read. Close it when done."""

    def __init__(self, label: str, places: Mapping[str, Place]) -> None:
        """Open files.

        Args:
            label: Name of the model, for messages.
            places: Of its tensors.

        Raises:
            SourceError: A file cannot be opened.
        """
        self._label, self._places = label, places
        self._files: dict[Path, int] = {}
        self._local = threading.local()
        for place in places.values():
            if place.path not in self._files:
                self._files[place.path] = self._open(place.path)

    def run(self, name: str, start: int, stop: int) -> Tensor:
        """Return a run of elements; see ``merging.checkpoints.base.Opened``."""
        dtype = self._place(name).dtype
        out = self._buffer(WIDENED.get(dtype, dtype), stop - start)
        self.read(name, start, out)
        return out

    def read(self, name: str, start: int, out: Tensor) -> None:
        """Read a run of elements; see ``merging.checkpoints.base.Opened``."""
        dtype, flat = self._place(name).dtype, out.view(-1)
        if dtype not in WIDENED:
            self._read(name, start, flat)
            return
        for first in range(0, flat.numel(), _PIECE):
            part = flat[first : first + _PIECE]
            narrow = self._buffer(dtype, part.numel())
            self._read(name, start + first, narrow)
            part.copy_(narrow)

    def _read(self, name: str, start: int, out: Tensor) -> None:
        """Read a run as stored into flat memory."""
        place = self._place(name)
        file, offset = self._files[place.path], place.at(start)
        view, done = memoryview(out.view(torch.uint8).numpy().data), 0
        while done < len(view):
            try:
                got = os.preadv(file, [view[done:]], offset + done)
            except OSError as error:
                raise self._broken(name, error.strerror or "it broke off") from error
            if got == 0:
                raise self._broken(name, "the file ends early")
            done += got

    def expect(self, name: str, start: int, stop: int) -> None:
        """Have the system fetch a run from the disk; see ``merging.checkpoints.base.Opened``."""
        place = self._place(name)
        file, offset = self._files[place.path], place.at(start)
        if hasattr(os, "posix_fadvise") and not _at_hand(file, offset):
            size = (stop - start) * place.dtype.itemsize
            os.posix_fadvise(file, offset, size, os.POSIX_FADV_WILLNEED)

    def close(self) -> None:
        """Close the files."""
        while self._files:
            os.close(self._files.popitem()[1])

    def _open(self, path: Path) -> int:
        try:
            return os.open(path, os.O_RDONLY)
        except OSError as error:
            self.close()
            raise SourceError(
                f"Model {self._label}: cannot read {path.name!r}: {error.strerror}."
            ) from error

    def _place(self, name: str) -> Place:
        if name not in self._places:
            raise SourceError(f"Model {self._label} has no tensor {name!r}.")
        return self._places[name]

    def _buffer(self, dtype: torch.dtype, count: int) -> Tensor:
        """Memory of the calling thread, used again."""
        held: dict[torch.dtype, Tensor] = self._local.__dict__.setdefault("held", {})
        if dtype not in held or len(held[dtype]) < count:
            held[dtype] = torch.empty(count, dtype=dtype)
        return held[dtype][:count]

    def _broken(self, name: str, why: str) -> SourceError:
        return SourceError(f"Model {self._label}: cannot read {name!r}: {why}.")


def _at_hand(file: int, offset: int) -> bool:
    """Whether a byte can be read without waiting for the disk; False where nobody can tell."""
    if not hasattr(os, "RWF_NOWAIT"):
        return False
    try:
        return os.preadv(file, [bytearray(1)], offset, os.RWF_NOWAIT) == 1
    except OSError:
        return False
