"""A model in a folder: ``model.safetensors``, or shards with their index, and ``config.json``."""

import json
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
from merging.checkpoints.open_files import OpenFiles, Place, places_in
from merging.errors import SourceError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
MOST_JSON_BYTES = 64 << 20

_DTYPES = {
    "F64": torch.float64,
    "F32": torch.float32,
    "F16": torch.float16,
    "BF16": torch.bfloat16,
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
        infos: Shape and type of every tensor.
        places: Where every tensor lies.
    """

    name: str
    path: Path
    files: Mapping[str, Path]
    infos: Mapping[str, TensorInfo]
    places: Mapping[str, Place]

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
        return read_json(self.path / CONFIG, self.name)


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
    for file in _weight_files(folder, label):
        inside = _read_header(file, label)
        for tensor in inside:
            if tensor in files:
                raise SourceError(f"Model {label}: {tensor!r} stands in two files.")
            files[tensor] = file
        infos |= inside
        places |= places_in(file, {name: info.dtype for name, info in inside.items()}, label)
    _check_index(folder, label, files)
    return FolderCheckpoint(label, folder, files, infos, places)


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
    return FolderCheckpoint(name, path.parent, dict.fromkeys(infos, path), infos, places)


def read_json(path: Path, label: str) -> dict[str, Any]:
    """Read a small JSON object.

    Raises:
        SourceError: Missing, larger than 64 MiB, or not a JSON object.
    """
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise SourceError(f"Model {label}: {path.name} is larger than 64 MiB.")
        data = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"Model {label}: cannot read {path.name}: {error}") from error
    if not isinstance(data, dict):
        raise SourceError(f"Model {label}: {path.name} must hold a JSON object.")
    return data


def _weight_files(folder: Path, label: str) -> list[Path]:
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    if (folder / INDEX).is_file():
        names = read_json(folder / INDEX, label).get("weight_map")
        if not isinstance(names, dict) or not names:
            raise SourceError(f"Model {label}: {INDEX} has no weight_map.")
        shards = sorted({str(n) for n in names.values()})
        for shard in shards:
            if Path(shard).name != shard:
                raise SourceError(
                    f"Model {label}: {INDEX} names {shard!r:.80}, which is a path. Files of "
                    "weights must lie beside their index."
                )
            if not os.path.isfile(folder / shard):
                raise SourceError(f"Model {label}: {INDEX} names {shard!r}, which is not there.")
        return [folder / shard for shard in shards]
    found = ", ".join(sorted(p.name for p in folder.glob("*.bin"))[:3])
    hint = f" It holds {found}: convert it to safetensors first." if found else ""
    raise SourceError(f"Model {label}: no {WEIGHTS} in {str(folder)!r}.{hint}")


def _check_index(folder: Path, label: str, files: Mapping[str, Path]) -> None:
    """Refuse a model in shards that lacks a tensor which its index names."""
    if (folder / WEIGHTS).is_file():
        return
    for name, shard in read_json(folder / INDEX, label)["weight_map"].items():
        if name not in files or files[name].name != shard:
            raise SourceError(
                f"Model {label}: {INDEX} says that {name!r} is in {shard!r}, where it is not. "
                "The model is not complete; download it again."
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
