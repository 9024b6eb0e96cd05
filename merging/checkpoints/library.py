"""The models that may be chosen by name: what lies under one folder of the server's settings."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from merging.checkpoints.layouts import COMPONENT, COMPONENTS, INDEX, MODULES, WEIGHTS
from merging.errors import SourceError, unknown

ADAPTER = "adapter_config.json"
DELTA_ENDING = ".delta.safetensors"
MOST_DEPTH, MOST_FOUND, MOST_SEEN = 3, 500, 20_000

Kind = Literal["model", "adapter", "delta"]


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """Something that can be chosen.

    Attributes:
        name: Path below the folder of models, with ``/`` between its parts.
        kind: A model, an adapter or a file with a delta.
    """

    name: str
    kind: Kind


@dataclass(frozen=True, slots=True)
class Library:
    """What lies under a folder of models.

    Attributes:
        root: The folder.
        entries: Sorted by name.
        cut: There was more than is listed (500 entries, 20,000 files, three folders deep).
    """

    root: Path
    entries: tuple[Entry, ...]
    cut: bool = False

    def path(self, name: str) -> Path:
        """Return where a listed entry lies; no other path can be asked for.

        Raises:
            UnknownNameError: It is not listed.
            SourceError: It is gone, or leads out of the folder by now.
        """
        if name not in {entry.name for entry in self.entries}:
            raise unknown("model", name, [entry.name for entry in self.entries])
        found = self.root / name
        if not _inside(found, self.root.resolve()):
            raise SourceError(f"Model {name!r:.80} is no longer there. List the models again.")
        return found


def list_models(root: Path | str) -> Library:
    """List models, adapters and deltas under a folder, without reading them.

    Hidden names and links that lead out of the folder are passed over.

    Args:
        root: The folder (setting ``MODELS_DIR``).

    Raises:
        SourceError: There is no such folder.
    """
    top = Path(root)
    if not os.path.isdir(top):
        raise SourceError(f"There is no folder of models {str(root)!r}. Set MODELS_DIR to one.")
    found: list[Entry] = []
    for seen, entry in enumerate(_walk(top, top.resolve(), "")):
        if entry is not None:
            found.append(entry)
        if len(found) > MOST_FOUND or seen > MOST_SEEN:
            return Library(top, tuple(sorted(found[:MOST_FOUND])), cut=True)
    return Library(top, tuple(sorted(found)))


def _walk(folder: Path, top: Path, name: str) -> Iterator[Entry | None]:
    """What lies in a folder: entries, and None for every other file that was looked at."""
    if name.count("/") >= MOST_DEPTH:
        return
    kind = _kind(folder) if name else None
    if kind is not None:
        yield Entry(name, kind)
        return
    try:
        inside = sorted(os.listdir(folder)[:MOST_SEEN])
    except OSError:
        return
    for each in inside:
        path, below = folder / each, f"{name}/{each}" if name else each
        if each.startswith(".") or not each.isprintable() or not _inside(path, top):
            yield None
        elif path.is_dir():
            yield None
            yield from _walk(path, top, below)
        else:
            yield Entry(below, "delta") if each.endswith(DELTA_ENDING) else None


def _kind(folder: Path) -> Kind | None:
    if (folder / ADAPTER).is_file():
        return "adapter"
    weights = (WEIGHTS, INDEX, COMPONENT, f"{COMPONENT}.index.json", MODULES, COMPONENTS)
    return "model" if any((folder / name).is_file() for name in weights) else None


def _inside(path: Path, top: Path) -> bool:
    """Whether a path exists and leads neither out of the top folder nor back up, also by links."""
    try:
        real = path.resolve(strict=True)
        return real.is_relative_to(top) and not path.parent.resolve().is_relative_to(real)
    except (OSError, RuntimeError):
        return False
