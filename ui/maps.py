"""Maps of all visitors: planes, straight paths and hulls as studies, and where a merge stands."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from merging.engine.cache import Intermediates
from merging.errors import MergeError
from merging.experiment import merge_recipe
from merging.jobs import Report, ResultCache, Snapshot
from merging.recipe import Recipe
from merging.search.crew import hands
from merging.search.ground import BASE, ITEMS, SetGround
from merging.search.hull import Hull, hull
from merging.search.judging import rehearse
from merging.search.landscape import AVERAGE, Landscape, landscape
from merging.search.path import Path, straight_path
from merging.search.plane import SIDE, Plane, Spot
from merging.search.points import Measure
from merging.sets import ModelSet
from ui.studies import STUDIED, Found, Keep, Studies

MAP, PATH, HULL = "map", "path", "hull"
MERGED = "merged"  # an end of a path: what the controls describe
MOST_PLANES, MOST_SPOTS, MOST_MAPS = 4, 512, 8

Result = Landscape | Path | Hull


@dataclass(frozen=True, slots=True, eq=False)
class Charted:
    """What a visitor's last study of a kind found, whole or in part.

    Attributes:
        set: Name of the set it is of.
        recipe: Of the controls when it began.
        result: What was found.
    """

    set: str
    recipe: Recipe
    result: Any


class Maps:
    """Starts studies of weight space, and knows what they take."""

    def __init__(
        self,
        studies: Studies,
        intermediates: Intermediates | None = None,
        ground_of: Callable[[str], SetGround] = SetGround,
    ) -> None:
        """Begin without any.

        Args:
            studies: Runs them.
            intermediates: What one merge leaves for the next.
            ground_of: Opens a set.
        """
        self._studies, self._cache, self._ground_of = studies, intermediates, ground_of
        self._grounds: dict[str, SetGround] = {}
        self._lock = threading.Lock()
        self._planes, self._spots = ResultCache(MOST_PLANES), ResultCache(MOST_SPOTS)
        self._drawn = ResultCache(MOST_MAPS)
        self._seconds: dict[str, float] = {}

    def ground(self, name: str) -> SetGround:
        """Return what judges models of a set; opened once."""
        with self._lock:
            if name not in self._grounds:
                self._grounds[name] = self._ground_of(name)
            return self._grounds[name]

    def rehearse(self, name: str) -> None:
        """Measure a set's own experts and build what judges, so that a first place comes soon."""
        with self._studies.turn:
            rehearse(self.ground(name))

    def of(self, owner: str, kind: str) -> Found | None:
        """Return the visitor's last study of a kind; its value is ``Charted``."""
        return self._studies.of(owner, kind)

    def seconds(self, opened: ModelSet, sweep: float | None) -> float | None:
        """Return how long one task takes at one place, or None where nothing was timed.

        Args:
            opened: The set.
            sweep: Seconds that a point of a sweep of it takes; None if not known.
        """
        known = self._seconds.get(opened.id)
        if known is not None or sweep is None:
            return known
        every = [int(task["tuning"]) for task in opened.card["tasks"]]
        judged = sum(min(ITEMS, n) for n in every) / len(every)
        return sweep * judged / sum(min(STUDIED, n) for n in every) / hands()

    def left(self, name: str, experts: tuple[str, str], tasks: Sequence[str]) -> int:
        """Return how many places of a plane no map has judged yet on all of some tasks."""
        known: Landscape | None = self._drawn.get((name, experts))
        return SIDE**2 if known is None else known.total - len(known.measured(tasks))

    def start_map(
        self, owner: str, recipe: Recipe, experts: tuple[str, str], tasks: Sequence[str]
    ) -> Snapshot:
        """Queue the map of the plane through the base and two experts.

        What an earlier map has judged, whole or not, is not judged again.

        Args:
            owner: Token of the visitor.
            recipe: Of the controls.
            experts: Two of its set.
            tasks: That count.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """
        name = recipe.set or ""

        def work(measure: Measure, report: Report, keep: Keep) -> Any:
            ground = self.ground(name)
            rest, placed = tuple(e for e in ground.experts if e not in experts), False

            def kept(part: Landscape) -> None:
                nonlocal placed
                keep(Charted(name, recipe, part))
                if part.named and not placed:  # merging must not keep the first place waiting
                    placed = True
                    self._try_to_place(recipe, experts)

            found = landscape(
                ground,
                experts,
                report,
                others=rest,
                tasks=tasks,
                known=self._drawn.get((name, experts)),
                on_point=kept,
            )
            self._drawn.put((name, experts), found)
            if found.seconds:
                self._seconds[name] = found.seconds
            return found

        return self._studies.start(owner, MAP, f"{name} {experts} {tasks}", name, work)

    def start_path(self, owner: str, recipe: Recipe, ends: tuple[str, str]) -> Snapshot:
        """Queue the straight path between two models: names of the ground, average, or merged.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """
        name = recipe.set or ""

        def work(measure: Measure, report: Report, keep: Keep) -> Any:
            ground = self.ground(name)
            models = self._model(ground, recipe, ends[0]), self._model(ground, recipe, ends[1])
            return straight_path(
                ground,
                ends,
                models,
                report,
                on_point=lambda part: keep(Charted(name, recipe, part)),
            )

        return self._studies.start(owner, PATH, f"{recipe.key()} {ends}", name, work)

    def start_hull(self, owner: str, recipe: Recipe) -> Snapshot:
        """Queue models from the convex hull of a recipe's experts.

        Raises:
            ResourceError: The visitor has another live job, or the queue is full.
        """
        name, experts = recipe.set or "", tuple(e.id for e in recipe.experts)

        def work(measure: Measure, report: Report, keep: Keep) -> Any:
            return hull(
                self.ground(name),
                experts,
                report,
                on_point=lambda part: keep(Charted(name, recipe, part)),
            )

        return self._studies.start(owner, HULL, f"{name} {experts}", name, work)

    def spot(self, recipe: Recipe, experts: tuple[str, str], merge: bool) -> Spot | None:
        """Return where a recipe's model stands beside a plane of its set; None where not known.

        Args:
            recipe: Of a set.
            experts: That span the plane.
            merge: Whether to merge it now where that was not done yet.
        """
        found: Spot | None = self._spots.get((recipe.key(), experts))
        if found is None and merge:
            self._try_to_place(recipe, experts)
            found = self._spots.get((recipe.key(), experts))
        return found

    def _try_to_place(self, recipe: Recipe, experts: tuple[str, str]) -> None:
        """Find a merge's place; what has none, or cannot be merged, is left out of the map."""
        key = (recipe.key(), experts)
        if self._spots.get(key) is not None:
            return
        try:
            ground = self.ground(recipe.set or "")
            _, outcome = merge_recipe(recipe, cache=self._cache)
            self._spots.put(key, self._plane(ground, experts).spot(ground.vector(outcome)))
        except MergeError:
            return

    def _plane(self, ground: SetGround, experts: tuple[str, str]) -> Plane:
        key = (ground.name, experts)
        found: Plane | None = self._planes.get(key)
        if found is None:
            base, first, second = (ground.weights(n) for n in (BASE, *experts))
            found = Plane.through(base, first, second, experts)
            self._planes.put(key, found)
        return found

    def _model(self, ground: SetGround, recipe: Recipe, end: str) -> Any:
        if end == AVERAGE:
            return ground.average([e.id for e in recipe.experts])
        if end != MERGED:
            return ground.weights(end)
        _, outcome = merge_recipe(recipe, cache=self._cache)
        return ground.vector(outcome)
