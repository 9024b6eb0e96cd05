"""Files that go with weights, while they are gathered: bounded, regular, each with its source."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from merging.checkpoints.small_files import Refused, read_small

MOST_TOGETHER = 256 << 20  # bytes of all files


@dataclass(frozen=True, slots=True)
class Companions:
    """Files that go with weights.

    Attributes:
        files: Their bytes by name; a name may hold one folder.
        sources: Name of the model that each comes from.
        left: What was not taken, with the reason as a clause.
        notes: What a reader should know about those taken, in sentences.
        made: Names of files that are not byte for byte their source's.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)
    left: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    made: frozenset[str] = frozenset()


class Basket:
    """Companions while they are gathered."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.sources: dict[str, str] = {}
        self.left: dict[str, str] = {}
        self.notes: list[str] = []
        self.made: set[str] = set()

    def companions(self) -> Companions:
        """What was gathered, frozen."""
        made = frozenset(self.made)
        return Companions(self.files, self.sources, self.left, tuple(self.notes), made)

    def add(self, other: "Basket", place: str) -> None:
        """Take over what another one holds, into a folder such as ``0_Transformer/``, or ""."""
        self.files |= {f"{place}{name}": data for name, data in other.files.items()}
        self.sources |= {f"{place}{name}": model for name, model in other.sources.items()}
        self.left |= {f"{place}{name}": why for name, why in other.left.items()}
        self.made |= {f"{place}{name}" for name in other.made}
        self.notes += other.notes

    def take(self, model: str, folder: Path, name: str) -> bool:
        """Take a file; is there one now, or one that was refused?"""
        try:
            data = read_small(folder, name)
            if data is None:
                return False
            if sum(map(len, self.files.values())) + len(data) > MOST_TOGETHER:
                raise Refused(f"all files together are larger than {MOST_TOGETHER >> 20} MiB")
        except Refused as why:
            self.left[name] = f"{why} (in {model})"
            return True
        self.files[name], self.sources[name] = data, model
        if name.endswith(".json") and "auto_map" in json_object(data):
            self.notes.append(
                f"{name} is kept as it was and names code of its author (auto_map), which was not "
                "taken along and is not run here."
            )
        return True


def json_object(data: bytes) -> dict[str, Any]:
    """Return the object that a file holds, or an empty one."""
    found = json_any(data)
    return found if isinstance(found, dict) else {}


def json_any(data: bytes) -> Any:
    """Return what a file of JSON holds, or None."""
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def bytes_of(folder: Path, name: str) -> bytes | None:
    """Return a small file of a folder, or None where there is none that is taken."""
    try:
        return read_small(folder, name)
    except Refused:
        return None
