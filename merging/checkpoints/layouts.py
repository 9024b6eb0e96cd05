"""Where the weight files of a model folder lie: the layouts of the libraries that write them.

``transformers``: ``model.safetensors`` or shards with their index. ``sentence-transformers``:
``modules.json``, the transformer in the root or in ``0_Transformer``, further modules in folders
of their own. ``diffusers``: ``model_index.json``, a folder for each component, or one component.
"""

import json
import os.path
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from merging.errors import SourceError

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
CONFIG = "config.json"
COMPONENT = "diffusion_pytorch_model.safetensors"
MODULES = "modules.json"
COMPONENTS = "model_index.json"
MOST_JSON_BYTES = 64 << 20
MOST_PARTS = 64

Kind = Literal["transformers", "sentence-transformers", "diffusers"]


@dataclass(frozen=True, slots=True)
class Part:
    """One module of a model.

    Attributes:
        files: Its files of weights.
        prefix: What stands before its tensors' names: ``""``, ``"unet."``, ``"2_Dense."``.
        index: The index that names its shards, or None.
    """

    files: tuple[Path, ...]
    prefix: str = ""
    index: Path | None = None


@dataclass(frozen=True, slots=True)
class Home:
    """Where the tensors of a module lie, seen from the model's folder.

    Attributes:
        prefix: What stands before their names.
        file: The file that would hold them all; one folder may stand before it.
    """

    prefix: str = ""
    file: str = WEIGHTS


ROOT = Home()


@dataclass(frozen=True, slots=True)
class Layout:
    """How a model lies in its folder: whose layout, its parts, and the file of its config."""

    kind: Kind
    parts: tuple[Part, ...]
    config: Path

    def homes(self, folder: Path) -> tuple[Home, ...]:
        """Return where the tensors of each part lie in a model's folder."""
        places = ((p.prefix, p.index or p.files[0]) for p in self.parts)
        found = ((prefix, path.relative_to(folder).as_posix()) for prefix, path in places)
        return tuple(Home(prefix, name.removesuffix(".index.json")) for prefix, name in found)


def layout_of(folder: Path, label: str) -> Layout:
    """Find the weight files of a model folder; none is read.

    Args:
        folder: An existing folder; hostile until checked.
        label: Name of the model, for messages.

    Raises:
        SourceError: No safetensors where the layout has them, an index or a list of modules that
            is damaged, or names a path.

    Source:
        The folders that transformers 5, sentence-transformers 5 and diffusers 0.3x write.
    """
    if (folder / COMPONENTS).is_file():
        return _diffusers(folder, label)
    if (folder / MODULES).is_file():
        return _sentence(folder, label)
    for name in (WEIGHTS, COMPONENT):
        if found := _part(folder, label, name):
            kind: Kind = "transformers" if name == WEIGHTS else "diffusers"
            return Layout(kind, (found,), folder / CONFIG)
    raise _nothing(folder, label)


def read_json(path: Path, label: str) -> dict[str, Any]:
    """Read a small JSON object.

    Raises:
        SourceError: Missing, larger than 64 MiB, or not a JSON object.
    """
    data = read_any_json(path, label)
    if not isinstance(data, dict):
        raise SourceError(f"Model {label}: {path.name} must hold a JSON object.")
    return data


def read_any_json(path: Path, label: str) -> Any:
    """Read a small JSON document.

    Raises:
        SourceError: Missing, larger than 64 MiB, or not JSON.
    """
    try:
        if path.stat().st_size > MOST_JSON_BYTES:
            raise SourceError(f"Model {label}: {path.name} is larger than 64 MiB.")
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SourceError(f"Model {label}: cannot read {path.name}: {error}") from error


def check_index(part: Part, label: str, files: Mapping[str, Path]) -> None:
    """Refuse a part in shards that lacks a tensor which its index names.

    Raises:
        SourceError: It does; the message names index, tensor and shard.
    """
    if part.index is None:
        return
    for name, shard in read_json(part.index, label)["weight_map"].items():
        found = files.get(part.prefix + name)
        if found is None or found.name != shard:
            raise SourceError(
                f"Model {label}: {part.index.name} says that {name!r} is in {shard!r}, where it "
                "is not. The model is not complete; download it again."
            )


def _diffusers(folder: Path, label: str) -> Layout:
    parts = []
    for name, value in read_json(folder / COMPONENTS, label).items():
        if name.startswith("_") or not isinstance(value, list) or value[:1] == [None]:
            continue
        inside = _inside(folder, name, COMPONENTS, label)
        for file in (COMPONENT, WEIGHTS):
            found = _part(inside, label, file, f"{name}.")
            if found:
                parts.append(found)
                break
        else:
            if any(inside.glob("*.bin")) or any(inside.glob("*.safetensors")):
                raise _nothing(inside, label)
    return _bounded(folder, label, "diffusers", parts, folder / COMPONENTS)


def _sentence(folder: Path, label: str) -> Layout:
    listed = read_any_json(folder / MODULES, label)
    if not isinstance(listed, list) or not all(isinstance(e, dict) for e in listed):
        raise SourceError(f"Model {label}: {MODULES} must hold a list of modules.")
    parts: list[Part] = []
    config = folder / CONFIG
    for entry in listed[: MOST_PARTS + 1]:
        path = entry.get("path", "")
        inside = folder if path == "" else _inside(folder, path, MODULES, label)
        first = not parts
        found = _part(inside, label, WEIGHTS, "" if first else f"{path}.")
        if found:
            parts.append(found)
            config = inside / CONFIG if first else config
        elif first or any(inside.glob("*.bin")):
            raise _nothing(inside, label)
    return _bounded(folder, label, "sentence-transformers", parts, config)


def _bounded(folder: Path, label: str, kind: Kind, parts: list[Part], config: Path) -> Layout:
    if not parts:
        raise _nothing(folder, label)
    if len(parts) > MOST_PARTS:
        raise SourceError(f"Model {label} has {len(parts)} parts; at most {MOST_PARTS} are read.")
    return Layout(kind, tuple(parts), config)


def _inside(folder: Path, name: object, source: str, label: str) -> Path:
    """A folder directly below, by its plain name."""
    if not isinstance(name, str) or name in ("", ".", "..") or Path(name).name != name:
        raise SourceError(
            f"Model {label}: {source} names {name!r:.80}, which is a path. Parts of a model must "
            "lie in folders directly inside its own."
        )
    return folder / name


def _part(folder: Path, label: str, name: str, prefix: str = "") -> Part | None:
    if os.path.isfile(folder / name):  # unlike is_file, also False for a name that is too long
        return Part((folder / name,), prefix)
    index = folder / f"{name}.index.json"
    if not os.path.isfile(index):
        return None
    names = read_json(index, label).get("weight_map")
    if not isinstance(names, dict) or not names:
        raise SourceError(f"Model {label}: {index.name} has no weight_map.")
    shards = sorted({str(n) for n in names.values()})
    for shard in shards:
        if Path(shard).name != shard:
            raise SourceError(
                f"Model {label}: {index.name} names {shard!r:.80}, which is a path. Files of "
                "weights must lie beside their index."
            )
        if not os.path.isfile(folder / shard):
            raise SourceError(f"Model {label}: {index.name} names {shard!r}, which is not there.")
    return Part(tuple(folder / shard for shard in shards), prefix, index)


def _nothing(folder: Path, label: str) -> SourceError:
    found = ", ".join(sorted(p.name for p in folder.glob("*.bin"))[:3])
    hint = f" It holds {found}: convert it to safetensors first." if found else ""
    variants = sorted(p.name for p in folder.glob("*.*.safetensors"))
    if variants and not found:
        hint = f" It holds {variants[0]!r:.80}, a variant: save it again without one."
    return SourceError(f"Model {label}: no {WEIGHTS} in {str(folder)!r}.{hint}")
