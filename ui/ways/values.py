"""All values of one setting, or all pairs of values of two."""

from collections.abc import Hashable
from dataclasses import replace
from typing import Any

from merging.jobs import Snapshot
from merging.search.plan import SweepPlan
from ui.charts.sweep import sweep_figure
from ui.charts.sweep_grid import grid_figure
from ui.components.study import Field, Options
from ui.scene import Scene
from ui.state import BOUNDS
from ui.sweeps import SWEEP
from ui.views.guard import Guarded, guard_of, guards, held_out
from ui.views.sweep import sweep_view
from ui.views.sweep_grid import grid_view
from ui.views.sweep_words import INVITE, changes_nothing, estimate_words, how_many, verdict_words
from ui.ways.way import Finding, Offer, Way

LOSSES: Options = tuple((b, f"{b} point{'' if b == '1' else 's'}") for b in sorted(BOUNDS, key=int))


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
    fields = [Field("vary", "Vary", axes, scene.vary)]
    if len(beside) > 1:
        fields.append(Field("vary2", "and", beside, scene.vary2))
    if guards(plan_of(scene).axes) and _held_out(scene):
        fields.append(Field("bound", "Held-out tasks may lose", LOSSES, scene.state.view.bound))
    return tuple(fields)


def _held_out(scene: Scene) -> tuple[str, ...]:
    opened = scene.opened
    task_of = {expert: opened.task_of(expert) for expert in opened.experts}
    return held_out(scene.recipe, task_of, [task["id"] for task in opened.card["tasks"]])


def _guarded(scene: Scene) -> Guarded | None:
    """What the guard allows of the last sweep."""
    assert scene.swept is not None
    result = scene.swept.result
    opened = scene.services.sets[result.plan.recipe.set or ""]
    return guard_of(result, opened, scene.state.view.bound)


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
    said, guarded = verdict_words(result, live and not result.ended), _guarded(scene)
    forbidden = guarded.beyond if guarded else ()
    if changes_nothing(result):
        forbidden = ("best", "simplest")
    return Finding(
        f"{said} {guarded.words if guarded else ''}".strip(),
        tuple((t.key, t.words) for t in view.tried),
        "" if "best" in forbidden else view.best,
        "" if "simplest" in forbidden else view.simplest,
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
    if len(scene.swept.result.plan.axes) > 1:
        return grid_figure(view)
    found = _guarded(scene)
    return sweep_figure(replace(view, allowed=found.guard.limit if found is not None else None))


def _key(scene: Scene) -> Hashable:
    if scene.swept is None:
        return 0
    return scene.recipe.key(), scene.swept.number, scene.state.view.bound


VALUES = Way(
    "values", "All values", SWEEP, INVITE, _fields, _offer, _start, _finding, _figure, _key
)
