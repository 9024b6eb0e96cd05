"""All values of one setting, or all pairs of values of two."""

from collections.abc import Hashable
from typing import Any

from merging.jobs import Snapshot
from merging.search.plan import SweepPlan
from ui.charts.sweep import sweep_figure
from ui.charts.sweep_grid import grid_figure
from ui.components.study import Field
from ui.scene import Scene
from ui.sweeps import SWEEP
from ui.views.sweep import sweep_view
from ui.views.sweep_grid import grid_view
from ui.views.sweep_words import INVITE, estimate_words, how_many, verdict_words
from ui.ways.way import Finding, Offer, Way


def plan_of(scene: Scene) -> SweepPlan:
    """Return the sweep of what is chosen.

    Raises:
        RecipeError: There are too many points.
    """
    if not scene.vary2:
        return SweepPlan(scene.recipe, (scene.axes[scene.vary],))
    coarse = scene.coarse_axes
    return SweepPlan(scene.recipe, (coarse[scene.vary], coarse[scene.vary2]))


def _fields(scene: Scene) -> tuple[Field, ...]:
    axes = tuple((name, axis.label) for name, axis in scene.axes.items())
    beside = (("", "nothing else"), *((n, scene.axes[n].label) for n in scene.beside))
    first = Field("vary", "Vary", axes, scene.vary)
    return (first, Field("vary2", "and", beside, scene.vary2)) if len(beside) > 1 else (first,)


def _offer(scene: Scene) -> Offer:
    plan, sweeps = plan_of(scene), scene.services.sweeps
    words = how_many(*plan.axes)
    return Offer(f"Try {words}", estimate_words(plan.axes, sweeps.estimate(plan), sweeps.budget))


def _start(scene: Scene, token: str) -> Snapshot:
    return scene.services.sweeps.start(token, plan_of(scene))


def _finding(scene: Scene, live: bool) -> Finding | None:
    if scene.swept is None:
        return None
    result, view = scene.swept.result, _view(scene)
    return Finding(
        verdict_words(result, live and not result.ended),
        tuple((t.key, t.words) for t in view.tried),
        view.best,
        view.simplest,
        view.failed,
        result.left,
        bool(result.ended),
        report=bool(view.tried),
    )


def _view(scene: Scene) -> Any:
    assert scene.swept is not None
    result = scene.swept.result
    tasks = scene.tasks_of(result.plan.recipe)
    make = grid_view if len(result.plan.axes) > 1 else sweep_view
    return make(result, scene.recipe, tasks)


def _figure(scene: Scene) -> dict[str, Any] | None:
    if scene.swept is None:
        return None
    view = _view(scene)
    if not view.tried:
        return None
    return grid_figure(view) if len(scene.swept.result.plan.axes) > 1 else sweep_figure(view)


def _key(scene: Scene) -> Hashable:
    return 0 if scene.swept is None else (scene.recipe.key(), scene.swept.number)


VALUES = Way(
    "values", "All values", SWEEP, INVITE, _fields, _offer, _start, _finding, _figure, _key
)
