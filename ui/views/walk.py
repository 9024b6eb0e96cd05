"""A line search on λ to the chart of a sweep: its curve, what it rolled back, its words. Pure."""

from dataclasses import dataclass

from merging.errors import RecipeError
from merging.recipe import Recipe
from merging.search.axis import Axis, parameter_axis
from merging.search.points import Point
from merging.search.walk import WalkResult
from merging.units import counted
from ui.views.sentences import settings_of
from ui.views.sweep import SweepView, Tried, present_value, same_but_for
from ui.views.sweep_words import UNREPORTED, share_words
from ui.views.tasks import Names

NAME, STEP = "scale", 0.1
INVITE = (
    "Step up λ from the base while the score on the images for choosing does not fall, and roll "
    "back what lost. Scoring is cheap beside training, so one good direction can be followed as "
    "far as it goes. The place it goes back to is scored once more on other images."
)


@dataclass(frozen=True, slots=True, eq=False)
class Walked:
    """A line search of a recipe at one moment."""

    recipe: Recipe
    axis: Axis
    result: WalkResult

    @property
    def points(self) -> tuple[Point, ...]:
        """Its steps."""
        return self.result.points

    @property
    def ended(self) -> str:
        """How it ended, as the library says it; "" while it runs."""
        return self.result.line.stopped


def walk_axis(recipe: Recipe) -> Axis:
    """Return the steps of λ, from 0 to the end of its slider.

    Raises:
        RecipeError: The method has no λ.
    """
    spec = recipe.spec
    param = next((p for p in spec.params if p.name == NAME), None)
    if param is None:
        raise RecipeError(
            f"{spec.label} has no λ to step along. Choose another method, or try all values."
        )
    count = round(param.slider[1] / STEP)
    return parameter_axis(recipe, NAME, [round(STEP * i, 9) for i in range(count + 1)])


def walk_view(walked: Walked, recipe: Recipe, tasks: Names) -> SweepView:
    """Arrange a line search, whole or in part.

    Args:
        walked: What was found.
        recipe: Of the controls.
        tasks: Letter and word of each task, by its id.
    """
    axis, result = walked.axis, walked.result
    steps = [(i, p) for i, p in enumerate(result.points) if p.mean is not None]
    tried = tuple(_tried(i, point, axis) for i, point in steps)
    best = tried[result.best].key if result.best is not None else ""
    chosen = result.chosen.mean if result.chosen is not None else None
    return SweepView(
        axis,
        tried,
        tasks,
        best,
        "",
        chosen,
        present_value(axis, recipe),
        not same_but_for((axis,), walked.recipe, recipe),
        settings_of(walked.recipe, recipe),
        tuple(point.error for point in result.points if point.error),
        lost=tuple(t.key for t in tried[result.best + 1 :]) if result.best is not None else (),
        walk=True,
    )


def walk_words(walked: Walked, live: bool) -> str:
    """Return where a line search went back to and why it stopped.

    Args:
        walked: One that has points.
        live: Whether it is still at work.
    """
    result, steps = walked.result, counted(len(walked.points), "step")
    if result.best is None:
        told = "None of the steps could be scored." if walked.points else _stopped(walked)
        return f"{steps} so far." if live else told
    best = result.points[result.best]
    share = f"{share_words(best.mean)} of what the experts can do on the images for choosing"
    if live:
        return f"{steps} so far. Best so far: {best.settings}, with {share}."
    back = f"It went back to {best.settings}, with {share}."
    other = _other(result, walked.ended == "cancelled")
    return f"{_stopped(walked)} {back} {other}".strip()


def walk_ended_words(walked: Walked) -> str:
    """Return how a line search ended, in one sentence; "" while it runs."""
    return _stopped(walked) if walked.ended else ""


def _stopped(walked: Walked) -> str:
    if not walked.points:
        return {"cancelled": "Stopped", "budget": "The time was up"}.get(
            walked.ended, "It broke off"
        ) + ": no step was tried."
    last, steps = walked.points[-1], counted(len(walked.points), "step")
    mean = f"{100 * last.mean.value:.1f} %" if last.mean is not None else "no score"
    return {
        "lost": f"The step to {last.settings} lost ({mean}) and was rolled back.",
        "end": f"It reached the end of the slider, {last.settings} ({mean}).",
        "failed": f"It stopped at a step that could not be scored. {last.error}",
        "budget": f"The time was up after {steps}.",
        "cancelled": f"Stopped: {steps} kept.",
    }.get(walked.ended, f"It broke off after {steps}.")


def _other(result: WalkResult, stopped: bool) -> str:
    if result.chosen is None:
        return UNREPORTED if stopped else ""
    if result.chosen.mean is None:
        return f"It could not be scored on other images: {result.chosen.error}"
    found = share_words(result.chosen.mean)
    return f"On images that were not looked at while choosing, it has {found}."


def _tried(at: int, point: Point, axis: Axis) -> Tried:
    assert point.mean is not None and point.recipe is not None
    key = point.recipe.key()
    return Tried(at, axis.values[at], point.settings, key, point.mean, point.shares)
