"""Which part of the merged model costs which task: not a search, but started and drawn like one."""

from collections.abc import Hashable
from typing import Any

from merging.jobs import Report, Snapshot
from merging.search.attribution import AttributionResult, attribute, blocks_left
from merging.search.points import Measure
from merging.units import time_text
from ui.charts.parts_grid import parts_figure
from ui.components.study import Field, Options
from ui.scene import Scene
from ui.state import BY
from ui.studies import Keep
from ui.sweeps import BUDGET
from ui.views.parts import MEAN, PartsView, parts_view, score_words
from ui.views.parts_words import INVITE, NOUNS, parts_words
from ui.ways.bar import bar_of
from ui.ways.way import Finding, Offer, Way, one_of

PARTS = "parts"
SIZES: Options = tuple(
    zip(BY, ("layer and module", "whole layers", "kinds of module"), strict=True)
)


def _scores(scene: Scene) -> Options:
    tasks = scene.tasks_of(scene.recipe)
    return ((MEAN, "mean of all tasks"), *((task, score_words(task, tasks)) for task in tasks))


def _fields(scene: Scene) -> tuple[Field, ...]:
    view, scores = scene.state.view, _scores(scene)
    return (
        Field("parts", "By", SIZES, view.parts),
        Field("cost", "Show", scores, one_of(view.cost, scores)),
    )


def _offer(scene: Scene) -> Offer:
    by, grid = scene.state.view.parts, scene.grid
    counts = {"cell": len(grid.places), "row": len(grid.rows), "module": len(grid.columns)}
    count, studies = counts[by], scene.services.studies
    go = f"Put back {count} {NOUNS[by]}"
    seconds = scene.services.sweeps.seconds(scene.opened.id)
    left = blocks_left(scene.recipe, by, studies.measure(scene.opened.id), studies.answers)
    if left == 0:
        return Offer(go, "all of them measured before")
    todo = count + 2 if left is None else left + 1  # the merge, and once the own experts
    if seconds is None or seconds * todo >= BUDGET:
        return Offer(go, f"at most {BUDGET:g} s")
    return Offer(go, f"about {time_text(max(1.0, seconds * todo))}")


def _start(scene: Scene, token: str) -> Snapshot:
    recipe, by, studies = scene.recipe, scene.state.view.parts, scene.services.studies

    def work(measure: Measure, report: Report, keep: Keep) -> AttributionResult:
        state = AttributionResult(recipe)

        def kept(result: AttributionResult) -> None:
            nonlocal state
            state = result
            if result.blocks:
                keep(result)

        def told(fraction: float, message: str) -> None:
            done, total = len(state.effects), len(state.blocks)
            report(fraction, f"{done} of {total} put back" if total else "merging")

        return attribute(
            recipe, told, measure=measure, by=by, results=studies.answers, on_block=kept,
            budget_seconds=BUDGET,
        )  # fmt: skip

    return studies.start(token, PARTS, f"{recipe.key()} {by}", recipe.set or "", work)


def _finding(scene: Scene, live: bool) -> Finding | None:
    found = scene.found_by(PARTS)
    if found is None:
        return None
    result, view = found.value, _view(scene, found.value)
    left = min(BUDGET, result.seconds * (len(result.blocks) - len(result.effects)))
    said = parts_words(result, view, live and not result.ended)
    return Finding(said, errors=view.failed, left=left, ended=bool(result.ended))


def _view(scene: Scene, result: AttributionResult) -> PartsView:
    task = one_of(scene.state.view.cost, _scores(scene))
    return parts_view(result, scene.recipe, scene.tasks_of(result.recipe), task)


def _figure(scene: Scene) -> dict[str, Any] | None:
    found = scene.found_by(PARTS)
    if found is None:
        return None
    view = _view(scene, found.value)
    return parts_figure(view) if view.parts else None


def _key(scene: Scene) -> Hashable:
    found = scene.found_by(PARTS)
    if found is None:
        return 0
    return found.number, found.value.recipe.key() == scene.recipe.key(), scene.state.view.cost


PARTS_WAY = Way("parts", "Parts", PARTS, INVITE, _fields, _offer, _start, _finding, _figure, _key)


def bar(scene: Scene) -> dict[str, Any]:
    """Return what can be chosen, what that takes, and what was found the last time."""
    return bar_of(PARTS_WAY, scene)


def chart(scene: Scene) -> dict[str, Any] | None:
    """Return the chart of what was found."""
    return _figure(scene)


def chart_key(scene: Scene) -> Hashable:
    """Return all that the chart depends on."""
    return _key(scene)


def bar_key(scene: Scene) -> Hashable:
    """Return all that the bar depends on."""
    view = scene.state.view
    return scene.recipe.key(), view.parts, view.cost, _key(scene)
