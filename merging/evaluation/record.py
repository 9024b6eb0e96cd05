"""Run records: a recipe and how it scored. Shipped ones are read from and written to one file."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from merging.engine import TensorReport
from merging.errors import SourceError
from merging.evaluation.intervals import Bits
from merging.recipe import Recipe, parse_recipe, write_recipe

FORMAT = "merge-explorer-runs/1"


@dataclass(frozen=True, slots=True, eq=False)
class RunRecord:
    """One recipe, merged and scored on the reporting half; a record equals itself only.

    Attributes:
        key: Hash of the recipe.
        recipe: What was merged.
        correct: Per task which items were answered correctly, shape (items,).
        report: What was done to every tensor.
        merge_seconds, score_seconds: Wall times.
        device: Where it ran.
        per_task: Whether each task was scored with its own model.
    """

    key: str
    recipe: Recipe
    correct: Mapping[str, Bits]
    report: tuple[TensorReport, ...]
    merge_seconds: float
    score_seconds: float
    device: str
    per_task: bool = False


def save_runs(records: Iterable[RunRecord], path: Path) -> None:
    """Write run records without their reports; the file appears only when complete."""
    facts, arrays = [], {}
    for index, record in enumerate(records):
        facts.append(
            {
                "recipe": write_recipe(record.recipe),
                "merge_seconds": record.merge_seconds,
                "score_seconds": record.score_seconds,
                "device": record.device,
                **({"per_task": True} if record.per_task else {}),
            }
        )
        for task, bits in record.correct.items():
            arrays[f"{index}/{task}"] = torch.from_numpy(bits.astype(np.uint8))
    partial = path.with_suffix(".partial")
    save_file(arrays, partial, {"format": FORMAT, "runs": json.dumps(facts)})
    partial.rename(path)


def load_runs(path: Path) -> tuple[RunRecord, ...]:
    """Read run records.

    Raises:
        SourceError: The file is missing, damaged or of another version.
    """
    try:
        with safe_open(path, framework="np") as file:
            facts = file.metadata() or {}
            if facts.get("format") != FORMAT:
                raise SourceError(f"{path.name} does not hold runs of format {FORMAT}.")
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            entries = json.loads(facts["runs"])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise SourceError(f"Cannot read the runs in {path.name}: {error}") from error
    return tuple(_record(index, entry, arrays) for index, entry in enumerate(entries))


def _record(index: int, entry: Mapping[str, object], arrays: Mapping[str, Bits]) -> RunRecord:
    recipe = parse_recipe(str(entry["recipe"]))
    mine = f"{index}/"
    return RunRecord(
        key=recipe.key(),
        recipe=recipe,
        correct={
            name.removeprefix(mine): bits.astype(np.bool_)
            for name, bits in arrays.items()
            if name.startswith(mine)
        },
        report=(),
        merge_seconds=float(str(entry["merge_seconds"])),
        score_seconds=float(str(entry["score_seconds"])),
        device=str(entry["device"]),
        per_task=entry.get("per_task") is True,
    )
