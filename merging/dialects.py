"""Where the dialects of a method part for one recipe, and by how much per tensor."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from merging.checkpoints import Checkpoint
from merging.engine import make_plan, run
from merging.engine.reading import Progress, Scorer
from merging.errors import Cancelled, MergeError, RecipeError, ResourceError
from merging.methods.context import Statistics
from merging.recipe import Recipe
from merging.recipe.options import Option, differing_options
from merging.sets import open_set

__all__ = [
    "Comparison",
    "Distance",
    "Option",
    "compare",
    "compare_models",
    "differing_options",
]

# Merged weights are compared before they are rounded to the type of the models.
COMPARED_AS = "float32"
Deltas = dict[str, Tensor]


@dataclass(frozen=True, slots=True)
class Distance:
    """How far two merged deltas are apart.

    Attributes:
        relative: Norm of their difference over the norm of the recipe's own. Where the recipe
            changes nothing: 0 when the other changes nothing either, else infinite.
        largest: Largest absolute difference of two weights.
        signs: Share of the weights whose changes differ in sign, in [0, 1]; no change is a sign
            of its own.
        count: Number of weights.
    """

    relative: float
    largest: float
    signs: float
    count: int


@dataclass(frozen=True, slots=True)
class Comparison:
    """A recipe against the same recipe in another dialect.

    Attributes:
        dialect: The other one.
        options: What it fills in differently, among what the recipe leaves open.
        tensors: Distance by tensor, in the order of the names; empty when refused.
        whole: Distance over the whole model; None when refused.
        refused: Why the other dialect cannot take these settings, or "".
    """

    dialect: str
    options: tuple[Option, ...]
    tensors: Mapping[str, Distance] = field(default_factory=dict)
    whole: Distance | None = None
    refused: str = ""


def compare(
    recipe: Recipe,
    progress: Progress = lambda fraction, message: None,
    root: Path | None = None,
    device: str | None = None,
) -> tuple[Comparison, ...]:
    """Compare a recipe of a bundled set with every other dialect of its method.

    Args:
        recipe: Names a set.
        progress: Called with the share done and a word; it may raise ``Cancelled``.
        root: Folder of the sets.
        device: Where to compute; CUDA when there is one by default.

    Returns:
        One comparison for each other dialect, in the order of the method's declaration.

    Raises:
        RecipeError: The recipe names folders.
        MergeError: As opening the set and merging the recipe itself do.
    """
    if recipe.set is None:
        raise RecipeError(
            "compare takes a recipe of a bundled set. For folders use compare_models, or "
            "python -m merging dialects."
        )
    opened = open_set(recipe.set, root)
    opened.check(recipe)
    return compare_models(recipe, opened.base, opened.experts, progress, device)


def compare_models(
    recipe: Recipe,
    base: Checkpoint | None,
    models: Mapping[str, Checkpoint],
    progress: Progress = lambda fraction, message: None,
    device: str | None = None,
    statistics: Statistics | None = None,
    scorer: Scorer | None = None,
) -> tuple[Comparison, ...]:
    """Compare a recipe with every other dialect of its method on given models.

    Both sides draw the same random masks. Without a base, the merged weights themselves take the
    place of the merged deltas.

    Args:
        recipe: What to merge.
        base: The shared starting point, or None.
        models: A checkpoint for every expert id of the recipe.
        progress, device, statistics, scorer: As in ``merging.engine.run``.

    Returns:
        As ``compare``. A dialect that refuses is reported with its sentence.

    Raises:
        MergeError: As planning and running the recipe itself do.
    """
    others = [d for d in recipe.spec.dialects if d != recipe.dialect]

    def merged(chosen: Recipe, place: int) -> Deltas:
        plan = make_plan(replace(chosen, dtype=COMPARED_AS), base, models)
        told = f" ({chosen.dialect})"
        outcome = run(
            plan,
            lambda done, word: progress((place + done) / (1 + len(others)), word + told),
            device,
            statistics=statistics,
            scorer=scorer,
        )
        return {s.tensor: _delta(outcome.tensors[s.tensor], base, s.tensor) for s in plan.merged()}

    ours = merged(recipe, 0) if others else {}
    found = []
    for place, dialect in enumerate(others, 1):
        options = differing_options(recipe, dialect)
        try:
            theirs = merged(replace(recipe, dialect=dialect), place) if options else ours
        except (Cancelled, ResourceError):
            raise
        except MergeError as error:
            found.append(Comparison(dialect, options, refused=str(error)))
            continue
        parts = {name: _squares(ours[name], theirs[name]) for name in sorted(ours)}
        distances = {name: _distance([part]) for name, part in parts.items()}
        found.append(Comparison(dialect, options, distances, _distance([*parts.values()])))
    return tuple(found)


def _delta(weights: Tensor, base: Checkpoint | None, name: str) -> Tensor:
    return weights.double() if base is None else weights.double() - base.load(name).double().cpu()


@dataclass(frozen=True, slots=True)
class _Squares:
    """What one tensor adds to a distance."""

    own: float
    apart: float
    largest: float
    signs: int
    count: int


def _squares(ours: Tensor, theirs: Tensor) -> _Squares:
    gap = theirs - ours
    return _Squares(
        own=float(ours.square().sum()),
        apart=float(gap.square().sum()),
        largest=float(gap.abs().max()) if gap.numel() else 0.0,
        signs=int(torch.count_nonzero(ours.sign() != theirs.sign())),
        count=gap.numel(),
    )


def _distance(parts: list[_Squares]) -> Distance:
    own, apart = (math.sqrt(sum(s)) for s in ([p.own for p in parts], [p.apart for p in parts]))
    count = sum(p.count for p in parts)
    return Distance(
        relative=apart / own if own else math.inf if apart else 0.0,
        largest=max(p.largest for p in parts),
        signs=sum(p.signs for p in parts) / count if count else 0.0,
        count=count,
    )
