"""A model in a folder: safetensors files where its layout has them, and ``config.json``."""

import os.path
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from merging.checkpoints.base import Opened, TensorInfo
from merging.checkpoints.layouts import ROOT, Home, Kind, check_index, layout_of, read_json
from merging.checkpoints.open_files import WIDENED, OpenFiles, Place, places_in
from merging.errors import SourceError

__all__ = ["FolderCheckpoint", "open_file", "open_folder", "read_json"]

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
    "F8_E4M3": torch.float8_e4m3fn,
    "F8_E5M2": torch.float8_e5m2,
    "I64": torch.int64,
    "I32": torch.int32,
    "I16": torch.int16,
    "I8": torch.int8,
    "U8": torch.uint8,
    "BOOL": torch.bool,
}


@dataclass(frozen=True, slots=True)
class FolderCheckpoint:
    """A model whose weights lie in safetensors files of a folder.

    Attributes:
        name: Name for messages.
        path: The folder.
        files: File of every tensor.
        infos: Shape and type of every tensor; eight-bit floats are read as float32.
        places: Where every tensor lies.
        about: The file that ``config`` reads.
        layout: Whose layout the folder has.
        homes: Where the tensors of each of its modules lie.
    """

    name: str
    path: Path
    files: Mapping[str, Path]
    infos: Mapping[str, TensorInfo]
    places: Mapping[str, Place]
    about: Path
    layout: Kind = "transformers"
    homes: tuple[Home, ...] = (ROOT,)

    def tensors(self) -> Mapping[str, TensorInfo]:
        """Return shape and type of every tensor."""
        return self.infos

    def load(self, name: str) -> Tensor:
        """Read one tensor.

        Raises:
            SourceError: No such tensor, or the file cannot be read.
        """
        if name not in self.files:
            raise SourceError(f"Model {self.name} has no tensor {name!r}.")
        found = torch.empty(self.infos[name].shape, dtype=self.infos[name].dtype)
        files = OpenFiles(self.name, {name: self.places[name]})
        try:
            files.read(name, 0, found)
        finally:
            files.close()
        return found

    @contextmanager
    def opened(self) -> Iterator[Opened]:
        """Yield the model with all its files open."""
        files = OpenFiles(self.name, self.places)
        try:
            yield files
        finally:
            files.close()

    def mark(self) -> str:
        """Return names, sizes and times of change of the weight files, hashed."""
        digest = sha256()
        for path in sorted(set(self.files.values())):
            facts = path.stat()
            digest.update(f"{path.resolve()}|{facts.st_size}|{facts.st_mtime_ns}\n".encode())
        return digest.hexdigest()[:16]

    def identity(self) -> str:
        """Return a hash of the weight files."""
        digest = sha256()
        for path in sorted(set(self.files.values())):
            with path.open("rb") as file:
                digest.update(path.name.encode())
                for block in iter(lambda: file.read(1 << 20), b""):
                    digest.update(block)
        return digest.hexdigest()[:16]

    def config(self) -> dict[str, Any]:
        """Return ``config.json``.

        Raises:
            SourceError: It is missing, too large or not a JSON object.
        """
        return read_json(self.about, self.name)


def open_folder(path: Path | str, name: str | None = None) -> FolderCheckpoint:
    """Open a model folder without reading its weights.

    Args:
        path: The folder.
        name: Name for messages; the folder's name when None.

    Raises:
        SourceError: No such folder, no safetensors in it, or a file that cannot be read.
    """
    folder = Path(path)
    label = name or folder.name
    if not os.path.isdir(folder):  # unlike is_dir, also False for a name that is too long
        raise SourceError(f"Model {label}: there is no folder {str(path)!r}.")
    files: dict[str, Path] = {}
    infos: dict[str, TensorInfo] = {}
    places: dict[str, Place] = {}
    layout = layout_of(folder, label)
    for part in layout.parts:
        for file in part.files:
            stored = _read_header(file, label)
            inside = {part.prefix + name: info for name, info in stored.items()}
            for tensor in inside:
                if tensor in files:
                    raise SourceError(f"Model {label}: {tensor!r} stands in two files.")
                files[tensor] = file
            infos |= {name: _told(info) for name, info in inside.items()}
            found = places_in(file, {name: info.dtype for name, info in stored.items()}, label)
            places |= {part.prefix + name: place for name, place in found.items()}
        check_index(part, label, files)
    _check_scales(label, places)
    homes = layout.homes(folder)
    return FolderCheckpoint(label, folder, files, infos, places, layout.config, layout.kind, homes)


def open_file(path: Path, name: str) -> FolderCheckpoint:
    """Open one safetensors file, whatever it holds, without reading its numbers.

    Args:
        path: The file; ``config`` reads beside it.
        name: Name for messages.

    Raises:
        SourceError: No such file, or it is no safetensors.
    """
    if not os.path.isfile(path):
        raise SourceError(f"Model {name}: there is no file {str(path)!r}.")
    infos = _read_header(path, name)
    places = places_in(path, {tensor: info.dtype for tensor, info in infos.items()}, name)
    told = {tensor: _told(info) for tensor, info in infos.items()}
    about = path.parent / "config.json"
    return FolderCheckpoint(name, path.parent, dict.fromkeys(infos, path), told, places, about)


def _told(info: TensorInfo) -> TensorInfo:
    return TensorInfo(info.shape, WIDENED.get(info.dtype, info.dtype))


def _check_scales(label: str, places: Mapping[str, Place]) -> None:
    """Refuse eight-bit floats that mean something only together with scales beside them."""
    for name, place in places.items():
        if place.dtype not in WIDENED:
            continue
        for ending in ("_scale", "_scale_inv"):
            if name + ending in places:
                raise SourceError(
                    f"Model {label}: {name!r} is stored in eight bits with scales in "
                    f"{name + ending!r}, which are not read. Save it in bfloat16 first."
                )


def _read_header(file: Path, label: str) -> dict[str, TensorInfo]:
    try:
        with safe_open(file, framework="pt") as handle:
            infos = {}
            for name in handle.keys():  # noqa: SIM118 (safe_open is not a mapping)
                part = handle.get_slice(name)
                dtype = _DTYPES.get(part.get_dtype())
                if dtype is None:
                    raise SourceError(
                        f"Model {label}: {name!r} has type {part.get_dtype()}, which is not "
                        f"supported. Supported: {', '.join(_DTYPES)}."
                    )
                infos[name] = TensorInfo(tuple(part.get_shape()), dtype)
            return infos
    except (OSError, SafetensorError) as error:
        raise SourceError(f"Model {label}: cannot read {file.name}: {error}") from error
