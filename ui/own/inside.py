"""Sketches of own models, made in the background: with one, a recipe's effect is told at once."""

import threading
from dataclasses import dataclass
from functools import partial

from merging.errors import Cancelled, MergeError, RecipeError
from merging.jobs import JobRunner, Report, Snapshot
from merging.recipe import Recipe
from merging.sketch import Sketch, build_sketch
from ui.own.shelf import Shelf

MOST_SKETCHES = 4
NO_BASE = "Changes are told from a base. Choose the model the experts came from."


@dataclass(frozen=True, slots=True)
class _Kept:
    listing: int
    base: str
    experts: frozenset[str]
    sketch: Sketch

    def holds(self, listing: int, recipe: Recipe) -> bool:
        """Whether it is of a recipe's models, as they were listed last."""
        same = (self.listing, self.base) == (listing, recipe.base)
        return same and {e.id for e in recipe.experts} <= self.experts


class OwnInside:
    """Makes sketches in the queue of the merges; keeps the last ones for all visitors."""

    def __init__(self, jobs: JobRunner) -> None:
        """Work in this queue."""
        self._jobs, self._lock = jobs, threading.Lock()
        self._kept: list[_Kept] = []

    def sketch(self, listing: int, recipe: Recipe) -> Sketch | None:
        """Return a sketch of a recipe's models, or None.

        Args:
            listing: Number of the listing that the names are of.
            recipe: Of listed models.
        """
        with self._lock:
            return next((k.sketch for k in self._kept if k.holds(listing, recipe)), None)

    def start(self, owner: str, shelf: Shelf, listing: int, recipe: Recipe) -> Snapshot:
        """Queue the reading of a recipe's models.

        Raises:
            RecipeError: The recipe has no base.
            MergeError: A name is not listed, or the visitor's last reading is still at work.
        """
        if recipe.base is None:
            raise RecipeError(NO_BASE)
        shelf.reach(recipe)
        experts = " ".join(sorted(repr(e.id) for e in recipe.experts))
        key = f"sketch {listing} {recipe.base!r} {experts}"
        return self._jobs.submit(_own(owner), key, partial(self._work, shelf, listing, recipe))

    def job(self, owner: str) -> Snapshot | None:
        """Return the visitor's newest reading, or None."""
        return self._jobs.latest(_own(owner))

    def cancel(self, owner: str, seconds: float) -> None:
        """Ask the visitor's reading to stop, and wait for it a moment."""
        self._jobs.cancel(_own(owner))
        self._jobs.wait(_own(owner), seconds)

    def _work(self, shelf: Shelf, listing: int, recipe: Recipe, report: Report) -> str:
        try:
            base, experts = shelf.open(recipe)
            if base is None:
                raise RecipeError(NO_BASE)
            sketch = build_sketch(base, experts, progress=report)
        except Cancelled:
            raise
        except MergeError as error:
            raise MergeError(shelf.hidden(str(error))) from error
        kept = _Kept(listing, recipe.base or "", frozenset(experts), sketch)
        with self._lock:
            self._kept = [kept, *self._kept][:MOST_SKETCHES]
        return sketch.identity


def _own(owner: str) -> str:
    """Another name in the queue than the merges': a visitor may have a job of each."""
    return f"inside {owner}"
