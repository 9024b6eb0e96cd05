"""The bundled sets: base, experts and tasks that fit together, and the card of each."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file

from merging.checkpoints.folder import FolderCheckpoint, open_folder, read_json
from merging.errors import SourceError, unknown
from merging.evaluation import Bits, Task, load_task
from merging.evaluation.record import RunRecord, load_runs
from merging.recipe import Recipe
from merging.sketch import Sketch, load_sketch

CARD_FORMAT = "merge-explorer-card/1"
ROOT = Path(__file__).resolve().parents[2] / "assets" / "zoo"


@dataclass(frozen=True, slots=True)
class ModelSet:
    """A base, its experts and their tasks.

    Attributes:
        id: Name of the set.
        card: What ``card.json`` says: words, tasks, licences, training, measured scores.
        base: The shared starting point.
        experts: By id, in the order of the card.
        root: Folder of all sets.
    """

    id: str
    card: Mapping[str, Any]
    base: FolderCheckpoint
    experts: Mapping[str, FolderCheckpoint]
    root: Path

    @property
    def folder(self) -> Path:
        """Folder of this set."""
        return self.root / self.id

    @property
    def teaching(self) -> bool:
        """Whether the set was made for a lesson: it is read when somebody first asks for it."""
        return self.card.get("teaching") is True

    def in_own_type(self, recipe: Recipe) -> Recipe:
        """Return the recipe without a dtype that is the set's own, so that it changes nothing."""
        kinds = {i.dtype for i in self.base.tensors().values() if i.dtype.is_floating_point}
        own = str(next(iter(kinds))).removeprefix("torch.") if len(kinds) == 1 else None
        return replace(recipe, dtype=None) if recipe.dtype == own else recipe

    def task_of(self, expert: str) -> str:
        """Return the task an expert was trained on, "" for one that knows a little of all."""
        return next(str(e["task"]) for e in self.card["experts"] if e["id"] == expert)

    def check(self, recipe: Recipe) -> None:
        """Make sure that a recipe belongs here.

        Raises:
            UnknownNameError: It names another set or an expert that is not in this one.
        """
        if recipe.set != self.id:
            raise unknown("set", recipe.set or recipe.base or "", [self.id])
        for expert in recipe.experts:
            if expert.id not in self.experts:
                raise unknown(f"expert in the set {self.id}", expert.id, self.experts)


def set_names(root: Path | None = None) -> tuple[str, ...]:
    """Return the names of the sets that are there, in the order of their cards' ``order``."""
    folder = root or zoo_root()
    found = _there(folder)
    return tuple(sorted(found, key=lambda n: (read_json(folder / n / "card.json", n)["order"], n)))


def zoo_root() -> Path:
    """Return the folder of the bundled sets; ``MERGE_EXPLORER_ZOO`` names another."""
    return Path(os.environ.get("MERGE_EXPLORER_ZOO", ROOT))


def open_set(name: str, root: Path | None = None) -> ModelSet:
    """Open a bundled set without reading weights.

    An expert lies in the set's own folder, or where its ``folder`` in the card says, counted from
    the folder of all sets; so are ``base`` and ``heads``.

    Raises:
        UnknownNameError: There is no such set.
        SourceError: Its files cannot be read, or its card points out of the folder of all sets.
    """
    folder = root or zoo_root()
    if name not in _there(folder):
        raise unknown("set", name, set_names(folder))
    card = read_json(folder / name / "card.json", name)
    if card.get("format") != CARD_FORMAT:
        raise SourceError(f"The card of {name} is not of format {CARD_FORMAT}.")
    base = open_folder(_inside(folder, card["base"], name), "base")
    experts = {
        e["id"]: open_folder(_inside(folder, e.get("folder", f"{name}/{e['id']}"), name), e["id"])
        for e in card["experts"]
    }
    return ModelSet(name, card, base, experts, folder)


def _there(folder: Path) -> set[str]:
    return {path.parent.name for path in folder.glob("*/card.json")}


def _inside(folder: Path, place: str, name: str) -> Path:
    """Return a folder that a card names; it must be one of the sets' own."""
    if Path(place).is_absolute() or ".." in Path(place).parts:
        raise SourceError(f"The card of {name} points to {place!r}, which is not in the zoo.")
    return folder / place


@cache
def sketch(name: str, root: Path | None = None) -> Sketch:
    """Return the shipped sketch of a set; read once per process.

    It holds every weight. What the weights themselves say is taken from them: they ship beside
    it, and twenty times as many bytes would say the same again.
    """
    opened = open_set(name, root)
    path = (root or zoo_root()) / name / "sketch.safetensors"
    return load_sketch(path, opened.base, opened.experts)


@cache
def tasks(name: str, half: str, root: Path | None = None) -> tuple[Task, ...]:
    """Return one half of a set's tasks, ready to score; read once per process."""
    folder = root or zoo_root()
    card = open_set(name, folder).card
    heads = _inside(folder, card.get("heads", "heads"), name)
    return tuple(
        load_task(
            task["id"],
            folder / "eval" / f"{task['id']}.safetensors",
            heads / f"{task['id']}.safetensors",
            half,
            card["preprocess"],
        )
        for task in card["tasks"]
    )


@dataclass(frozen=True, slots=True)
class References:
    """Which items of the reporting half the base and each task's own expert answer correctly."""

    base: Mapping[str, Bits]
    own: Mapping[str, Bits]


@cache
def references(name: str, root: Path | None = None) -> References:
    """Return the stored answers of base and experts; read once per process.

    Raises:
        SourceError: The file is missing or damaged.
    """
    path = (root or zoo_root()) / name / "references.safetensors"
    try:
        stored = load_file(path)
    except (OSError, SafetensorError) as error:
        raise SourceError(f"Cannot read {path.name} of {name}: {error}") from error
    parts: dict[str, dict[str, Bits]] = {"base": {}, "own": {}}
    for key, bits in stored.items():
        who, task = key.split("/", 1)
        parts[who][task] = bits.numpy().astype(np.bool_)
    return References(parts["base"], parts["own"])


@cache
def shipped_runs(name: str, root: Path | None = None) -> tuple[RunRecord, ...]:
    """Return the runs that ship with a set, the first experiment first."""
    return load_runs((root or zoo_root()) / name / "runs.safetensors")
