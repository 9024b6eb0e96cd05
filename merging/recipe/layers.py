"""Runs of layers that a model of a recipe is put together from (slices, "frankenmerges")."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from merging.errors import RecipeError

MOST_LAYERS = 10_000
MOST_RUNS = 1024


@dataclass(frozen=True, slots=True)
class Layers:
    """A run of layers of one model.

    Attributes:
        model: Id of the model, as an expert's id would name it.
        start, stop: First layer and the one after the last.
    """

    model: str
    start: int
    stop: int


def check_layers(models: Iterable[tuple[Layers, ...]]) -> None:
    """Check the runs of all models of a recipe.

    Args:
        models: Runs of every model, base first; none for a model that is taken whole.

    Raises:
        RecipeError: A run is malformed, or models have other numbers of layers than each other.
    """
    heights = set()
    for runs in models:
        if not runs:
            continue
        if len(runs) > MOST_RUNS:
            raise RecipeError(f"A model is put together from at most {MOST_RUNS} runs of layers.")
        for run in runs:
            _check(run)
        heights.add(height(runs))
    if len(heights) > 1:
        raise RecipeError(
            f"The models are put together from {', '.join(map(str, sorted(heights)))} layers. "
            "All need the same number."
        )


def _check(run: Layers) -> None:
    if not isinstance(run.model, str) or not run.model:
        raise RecipeError(f"A run of layers names the model {run.model!r:.60}; it needs a text.")
    for number in (run.start, run.stop):
        if isinstance(number, bool) or not isinstance(number, int):
            raise RecipeError(f"Layers of {run.model!r:.60}: {number!r:.40} is no whole number.")
    if not 0 <= run.start < run.stop <= MOST_LAYERS:
        raise RecipeError(
            f"Layers {run.start} to {run.stop} of {run.model!r:.60}: the first must be below the "
            f"end, and the end at most {MOST_LAYERS}."
        )


def height(runs: Sequence[Layers]) -> int:
    """Return how many layers runs have together."""
    return sum(run.stop - run.start for run in runs)


def told_layers(runs: Sequence[Layers]) -> list[list[str | int]]:
    """Return runs as plain lists, for the canonical form of a recipe."""
    return [[run.model, run.start, run.stop] for run in runs]
