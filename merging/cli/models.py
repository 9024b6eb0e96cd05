"""A recipe's file and the models that it names."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from merging.checkpoints import Checkpoint
from merging.checkpoints.opening import open_model
from merging.checkpoints.sliced import sliced
from merging.engine import Plan, make_plan
from merging.errors import SourceError
from merging.recipe import Recipe, read_recipe
from merging.recipe.mergekit import models_of
from merging.sets import ModelSet, open_set


@dataclass(frozen=True, slots=True)
class Models:
    """The models of a recipe, not yet read.

    Attributes:
        base: The shared starting point, or None.
        experts: By expert id.
        opened: The bundled set they belong to, or None for folders.
    """

    base: Checkpoint | None
    experts: Mapping[str, Checkpoint]
    opened: ModelSet | None = None

    def licences(self) -> dict[str, str]:
        """Return what a bundled set says of its models' licence, by name; of folders nothing."""
        if self.opened is None:
            return {}
        said = str(self.opened.card.get("licence", ""))
        return {m.name: said for m in (self.base, *self.experts.values()) if m is not None}


def read_file(path: Path) -> Recipe:
    """Read a recipe's file, ours or mergekit's.

    Raises:
        SourceError: It cannot be read.
        RecipeError: As ``read_recipe``.
    """
    return read_recipe(read_text(path))


def read_text(path: Path) -> str:
    """Read a recipe's file as text.

    Raises:
        SourceError: It cannot be read.
    """
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise SourceError(f"Cannot read the recipe {str(path)!r}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise SourceError(f"{str(path)!r} is not text. Give a recipe in YAML.") from error


def open_models(recipe: Recipe, beside: Path) -> Models:
    """Open the models that a recipe names.

    Args:
        recipe: It names a bundled set, or paths of the base and the experts; an expert may be a
            folder, an adapter, both joined by ``+``, or a delta file.
        beside: Folder that the paths count from.

    Raises:
        UnknownNameError: The set or an expert is unknown.
        SourceError: A folder is missing or holds no model.
    """
    if recipe.set is not None:
        opened = open_set(recipe.set)
        opened.check(recipe)
        return Models(opened.base, opened.experts, opened)
    whole = recipe.base if recipe.base and not recipe.base_layers else ""
    base = open_model(whole, beside) if whole else None
    found = {name: open_model(name, beside, base) for name in sorted(models_of(recipe))}
    if recipe.base and recipe.base_layers:
        base = sliced(recipe.base, recipe.base_layers, found)
    experts = {
        e.id: sliced(e.id, e.layers, found) if e.layers else found[e.id] for e in recipe.experts
    }
    return Models(base, experts)


def plan_of(path: Path) -> tuple[Plan, Models]:
    """Read a recipe's file, open its models and check them against each other.

    Raises:
        MergeError: As ``read_file``, ``open_models`` and ``make_plan``.
    """
    return planned(read_file(path), path.parent)


def planned(recipe: Recipe, beside: Path) -> tuple[Plan, Models]:
    """Open the models of a recipe and check them against each other.

    Raises:
        MergeError: As ``open_models`` and ``make_plan``.
    """
    models = open_models(recipe, beside)
    return make_plan(recipe, models.base, models.experts), models
