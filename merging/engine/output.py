"""Write a merged model as a folder that ``transformers`` loads, whole or not at all."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import safetensors.torch

from merging.checkpoints.base import Checkpoint, TensorInfo
from merging.checkpoints.layouts import CONFIG, ROOT, Home
from merging.checkpoints.licence import licences_of
from merging.checkpoints.under import folder_under
from merging.engine.outcome import Outcome
from merging.engine.shards import Slot
from merging.engine.writer import FolderWriter
from merging.export import Companions, Extras, gather
from merging.export.card import CARD_FILE, CardFacts, card_text
from merging.export.config import Config, written_config
from merging.methods.context import PerTask
from merging.recipe import Recipe, write_recipe

RECIPE_FILE = "recipe.yaml"
REPORT_FILE = "merge_report.json"
PER_TASK_FILE = "per_task.safetensors"
SHARD_BYTES = 5_000_000_000


def write_model(
    outcome: Outcome,
    config: Mapping[str, Any],
    folder: Path,
    relative_to: str = "",
    shard_bytes: int = SHARD_BYTES,
    *,
    models: Sequence[Checkpoint] = (),
    extras: Extras | None = None,
) -> Outcome:
    """Write a merge that is in memory, with all that belongs to a model folder.

    Everything is written beside the target under a temporary name and renamed when complete.

    Args:
        outcome: A finished merge.
        config: Contents of the reference model's ``config.json``.
        folder: Must not exist, or be empty.
        relative_to: Folder from which the recipe's paths count, told in the written recipe: they
            cannot be rewritten, since random masks depend on them.
        shard_bytes: Most bytes of tensors in a file.
        models: That were merged, the reference first: tokenizer and other files come from them.
        extras: What is known besides: scores, licences, files from elsewhere.

    Returns:
        The outcome with ``folder`` set and its tensors let go.

    Raises:
        SourceError: The folder is in use or cannot be made.
        ResourceError: The disk is full.
    """
    slots = [Slot(n, t.dtype, tuple(t.shape)) for n, t in outcome.tensors.items()]
    key = outcome.recipe.key()
    homes, about = homes_of(models), metadata_of(outcome.recipe)
    with FolderWriter(folder, slots, key, about, shard_bytes=shard_bytes, homes=homes) as writer:
        for name, tensor in outcome.tensors.items():
            writer.write(name, 0, tensor.contiguous().flatten())
        writer.finish(files_of(outcome, slots, config, relative_to, models, extras))
    return replace(outcome, tensors={}, folder=folder)


def homes_of(models: Sequence[Checkpoint]) -> tuple[Home, ...]:
    """Return where the tensors of each module are written: as the reference, the first, has it."""
    found = folder_under(models[0]) if models else None
    return (ROOT,) if found is None else found.homes


def metadata_of(recipe: Recipe) -> dict[str, str]:
    """Return what is written into every file of weights: the recipe and its key."""
    return {
        "format": "pt",
        "merge_explorer_recipe": recipe.key(),
        "merge_explorer_recipe_text": write_recipe(recipe),
    }


def files_of(
    outcome: Outcome,
    slots: list[Slot],
    config: Mapping[str, Any],
    relative_to: str = "",
    models: Sequence[Checkpoint] = (),
    extras: Extras | None = None,
) -> dict[str, str | bytes]:
    """Return the files beside the weights, by name.

    Args:
        outcome: A finished merge; its tensors may be written already.
        slots: Type and shape of every tensor.
        config: Contents of the reference model's ``config.json``.
        relative_to, models, extras: As in ``write_model``.
    """
    known = extras or Extras()
    along = known.companions or gather(models, outcome.recipe.chat_template)
    told = _config(outcome, slots, config, models)
    recipe = write_recipe(outcome.recipe)
    if relative_to and outcome.recipe.set is None:
        recipe = f"# Paths count from {relative_to!r}: merge again from there.\n{recipe}"
    files: dict[str, str | bytes] = {
        _config_file(models): _json(dict(told.data)),
        RECIPE_FILE: recipe,
        REPORT_FILE: _json(_report(outcome, along, told)),
        CARD_FILE: card_text(_card(outcome, along, told, relative_to, models, known)),
        **along.files,
    }
    if outcome.per_task is not None:
        files[PER_TASK_FILE] = _per_task(outcome.per_task)
    return files


def _config_file(models: Sequence[Checkpoint]) -> str:
    """Where the config is written; of a pipeline its list, which is the reference's as it is."""
    found = folder_under(models[0]) if models else None
    return CONFIG if found is None else found.about.relative_to(found.path).as_posix()


def _report(outcome: Outcome, along: Companions, config: Config) -> dict[str, Any]:
    return {
        "recipe": outcome.recipe.key(),
        "seconds": round(outcome.seconds, 3),
        "device": outcome.device,
        "files": dict(along.sources),
        "files_made": sorted(along.made),
        "files_not_taken": dict(along.left),
        "notes": [*along.notes, *config.notes],
        "tensors": [asdict(entry) for entry in outcome.report],
    }


def _card(
    outcome: Outcome,
    along: Companions,
    config: Config,
    relative_to: str,
    models: Sequence[Checkpoint],
    extras: Extras,
) -> CardFacts:
    said: dict[str, str] = {}
    for model in models:
        known = extras.licences.get(model.name, "").lower()
        said |= {model.name: known} if known else licences_of(model) or {model.name: ""}
    return CardFacts(
        recipe=outcome.recipe,
        actions=[(entry.tensor, entry.action, entry.reason) for entry in outcome.report],
        config=config.data,
        companions=along,
        notes=config.notes,
        licences=said,
        scores=extras.scores,
        relative_to=relative_to,
        device=outcome.device,
    )


def _config(
    outcome: Outcome, slots: list[Slot], config: Mapping[str, Any], models: Sequence[Checkpoint]
) -> Config:
    written = {slot.name: TensorInfo(slot.shape, slot.dtype) for slot in slots}
    reference = models[0].tensors() if models else {}
    return written_config(config, written, reference, outcome.config)


def _per_task(parts: PerTask) -> bytes:
    """Shared task vector, masks and factors: a task's model is base + shared·mask·factor."""
    tensors = {f"shared/{name}": tensor for name, tensor in parts.shared.items()}
    for expert, masks in parts.masks.items():
        tensors |= {f"mask/{expert}/{name}": mask for name, mask in masks.items()}
    whole = {n: t.cpu().contiguous() for n, t in tensors.items()}
    return safetensors.torch.save(whole, {"factors": json.dumps(dict(parts.factors))})


def _json(data: dict[str, Any]) -> str:
    return json.dumps(data, indent=2) + "\n"
