"""Write a merged model as a folder that ``transformers`` loads, whole or not at all."""

import json
import os.path
import shutil
import tempfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import save_file

from merging.engine.outcome import Outcome
from merging.errors import ResourceError, SourceError
from merging.methods.context import PerTask
from merging.recipe import write_recipe

RECIPE_FILE = "recipe.yaml"
REPORT_FILE = "merge_report.json"
PER_TASK_FILE = "per_task.safetensors"


def write_model(
    outcome: Outcome, config: dict[str, Any], folder: Path, relative_to: str = ""
) -> Outcome:
    """Write weights, config, recipe and report.

    Everything is written beside the target under a temporary name and renamed when complete.

    Args:
        outcome: A finished merge.
        config: Contents of the reference model's ``config.json``.
        folder: Must not exist, or be empty.
        relative_to: Folder from which the recipe's paths count, told in the written recipe: they
            cannot be rewritten, since random masks depend on them.

    Returns:
        The outcome with ``folder`` set and its tensors let go.

    Raises:
        SourceError: The folder is in use or cannot be made.
        ResourceError: The disk is full.
    """
    if os.path.exists(folder) and (not folder.is_dir() or any(folder.iterdir())):
        raise SourceError(f"{str(folder)!r} exists already. Choose another --out.")
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise SourceError(f"Cannot write beside {str(folder)!r}: {error.strerror}.") from error
    try:
        _write(outcome, config, partial, relative_to)
        partial.chmod(0o755)
        partial.replace(folder)
    except (OSError, SafetensorError) as error:
        shutil.rmtree(partial, ignore_errors=True)
        raise ResourceError(
            f"Writing to {str(folder)!r} failed: {error}. Nothing was left behind. "
            "Is the disk full?"
        ) from error
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return replace(outcome, tensors={}, folder=folder)


def _write(outcome: Outcome, config: dict[str, Any], folder: Path, relative_to: str) -> None:
    metadata = {"format": "pt", "merge_explorer_recipe": outcome.recipe.key()}
    tensors = {name: tensor.contiguous() for name, tensor in outcome.tensors.items()}
    weights = folder / "model.safetensors"
    save_file(tensors, weights, metadata)
    weights.chmod(0o644)
    floating = next(t.dtype for t in tensors.values() if t.is_floating_point())
    kind = str(floating).removeprefix("torch.")
    written = {k: v for k, v in config.items() if k != "torch_dtype"}
    written |= {"dtype": kind, **outcome.config}
    gone = {k for k, v in outcome.config.items() if v is None}
    _write_json(folder / "config.json", {k: v for k, v in written.items() if k not in gone})
    recipe = write_recipe(outcome.recipe)
    if relative_to and outcome.recipe.set is None:
        recipe = f"# Paths count from {relative_to!r}: merge again from there.\n{recipe}"
    (folder / RECIPE_FILE).write_text(recipe, "utf-8")
    report = {
        "recipe": outcome.recipe.key(),
        "seconds": round(outcome.seconds, 3),
        "device": outcome.device,
        "tensors": [asdict(entry) for entry in outcome.report],
    }
    _write_json(folder / REPORT_FILE, report)
    if outcome.per_task is not None:
        _write_per_task(outcome.per_task, folder / PER_TASK_FILE)


def _write_per_task(parts: PerTask, path: Path) -> None:
    """Write shared task vector, masks and factors: a task's model is base + shared·mask·factor."""
    tensors = {f"shared/{name}": tensor for name, tensor in parts.shared.items()}
    for expert, masks in parts.masks.items():
        tensors |= {f"mask/{expert}/{name}": mask for name, mask in masks.items()}
    factors = json.dumps(dict(parts.factors))
    save_file({n: t.cpu().contiguous() for n, t in tensors.items()}, path, {"factors": factors})
    path.chmod(0o644)


def _write_json(path: Path, data: dict[str, Any]) -> None:
    path.write_text(json.dumps(data, indent=2) + "\n", "utf-8")
