"""Which kind of model an expert's id names: a folder, an adapter, both, or a delta file.

PATH                a model's folder, or an adapter's over the recipe's base
MODEL+ADAPTER       an adapter over the model in another folder, as mergekit writes it
FILE.safetensors    a delta file over the recipe's base
"""

import os.path
from collections.abc import Iterator
from pathlib import Path

from merging.checkpoints.adapter import over
from merging.checkpoints.adapter_file import AdapterFile, is_adapter, read_adapter
from merging.checkpoints.base import Checkpoint
from merging.checkpoints.delta import SUFFIX, delta_over, read_delta
from merging.checkpoints.folder import open_folder
from merging.errors import SourceError


def open_model(id: str, beside: Path, base: Checkpoint | None = None) -> Checkpoint:
    """Open the model that an id names, without reading its numbers.

    Args:
        id: As a recipe has it.
        beside: Folder that paths count from.
        base: The recipe's base, for adapters and deltas that name no model of their own. Its name
            is the path it was opened from.

    Raises:
        SourceError: There is no such model, it cannot be read, or it needs a base and has none.
    """
    if id.endswith(SUFFIX):
        return delta_over(read_delta(beside / id, id), _needed(base, id))
    if is_adapter(beside / id):
        return over(read_adapter(beside / id, id), _needed(base, id), id)
    if not os.path.isdir(beside / id):
        for model, adapter in _splits(id):
            if is_adapter(beside / adapter):
                under = base if base is not None and base.name == model else None
                under = under or open_folder(beside / model, model)
                return over(read_adapter(beside / adapter, adapter), under, id)
    if "@" in id and not os.path.isdir(beside / id):
        raise SourceError(
            f"{id!r:.80} names a revision (@), and models are folders here, which have none. "
            "Download that revision into a folder and name the folder."
        )
    return open_folder(beside / id, id)


def adapter_at(id: str, beside: Path, base: str | None) -> AdapterFile | None:
    """Return the adapter over the recipe's own base that an id names, or None for another model.

    Args:
        id: As a recipe has it.
        beside: Folder that paths count from.
        base: Path of the recipe's base, or None.

    Raises:
        SourceError: The adapter cannot be read.
    """
    path = id.removeprefix(f"{base}+") if base else id
    return read_adapter(beside / path, id) if is_adapter(beside / path) else None


def _splits(id: str) -> Iterator[tuple[str, str]]:
    """Every way to read MODEL+ADAPTER, the last plus first."""
    for place in reversed(range(1, len(id) - 1)):
        if id[place] == "+":
            yield id[:place], id[place + 1 :]


def _needed(base: Checkpoint | None, id: str) -> Checkpoint:
    if base is None:
        raise SourceError(
            f"{id!r:.80} is a change of a base, and the recipe names none. Add base: with the "
            "model it was made from. Adapters alone merge into an adapter with --as-adapter."
        )
    return base
