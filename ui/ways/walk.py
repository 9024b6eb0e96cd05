"""A line search on λ: step up while the score does not fall, roll back what lost."""

from collections.abc import Hashable
from typing import Any

from merging.jobs import Report, Snapshot
from merging.search.points import Measure
from merging.search.walk import WalkResult, walk
from merging.units import counted
from ui.charts.sweep import sweep_figure
from ui.components.study import Field, Options
from ui.scene import Scene
from ui.state import PATIENCE
from ui.studies import Keep
from ui.sweeps import BUDGET
from ui.views.walk import INVITE, NAME, STEP, Walked, walk_axis, walk_view, walk_words
from ui.ways.way import Finding, Offer, Way

WALK = "walk"
STOPS: Options = tuple(
    zip(PATIENCE, ("at the first step that loses", "after three that lose"), strict=True)
)


def _fields(scene: Scene) -> tuple[Field, ...]:
    return (Field("patience", "Stop", STOPS, scene.state.view.patience),)


def _offer(scene: Scene) -> Offer:
    steps = len(walk_axis(scene.recipe).values)
    seconds = scene.services.sweeps.seconds(scene.opened.id)
    longest = BUDGET if seconds is None else min(BUDGET, max(1.0, seconds * (steps + 1)))
    return Offer("Step up λ", f"at most {steps} steps of {STEP:g} from λ = 0 and {longest:.0f} s")


def _start(scene: Scene, token: str) -> Snapshot:
    recipe, axis, studies = scene.recipe, walk_axis(scene.recipe), scene.services.studies
    patience = int(scene.state.view.patience)

    def work(measure: Measure, report: Report, keep: Keep) -> Walked:
        done = 0

        def kept(result: WalkResult) -> None:
            nonlocal done
            done = len(result.points)
            if done or result.line.stopped == "budget":
                keep(Walked(recipe, axis, result))

        def told(fraction: float, message: str) -> None:
            report(fraction, f"{counted(done, 'step')} tried")

        found = walk(
            recipe, told, measure=measure, name=NAME, step=STEP, end=float(axis.values[-1]),
            patience=patience, results=studies.answers, on_step=kept, budget_seconds=BUDGET,
        )  # fmt: skip
        return Walked(recipe, axis, found)

    return studies.start(token, WALK, f"{recipe.key()} {patience}", recipe.set or "", work)


def _finding(scene: Scene, live: bool) -> Finding | None:
    found = scene.found_by(WALK)
    if found is None:
        return None
    walked, view = found.value, walk_view(found.value, scene.recipe, _tasks(scene, found.value))
    return Finding(
        walk_words(walked, live and not walked.ended),
        tuple((t.key, t.words) for t in view.tried),
        view.best,
        errors=view.failed,
        ended=bool(walked.ended),
    )


def _tasks(scene: Scene, walked: Walked) -> Any:
    return scene.tasks_of(walked.recipe)


def _figure(scene: Scene) -> dict[str, Any] | None:
    found = scene.found_by(WALK)
    if found is None:
        return None
    view = walk_view(found.value, scene.recipe, _tasks(scene, found.value))
    return sweep_figure(view) if view.tried else None


def _key(scene: Scene) -> Hashable:
    found = scene.found_by(WALK)
    return 0 if found is None else (found.number, scene.recipe.key())


WALK_WAY = Way("walk", "Step up λ", WALK, INVITE, _fields, _offer, _start, _finding, _figure, _key)
