"""Good settings by a search that proposes them and learns from their scores."""

from collections.abc import Hashable
from typing import Any

from merging.jobs import Report, Snapshot
from merging.search.axis import Axis
from merging.search.optimise import SearchResult, optimise, search_space
from merging.search.points import Measure
from ui.charts.front import front_figure
from ui.components.study import Field, Options
from ui.scene import Scene
from ui.state import FREE, SECONDS
from ui.studies import Keep
from ui.views.front import MEAN, WORDS, WORST, FrontView, front_view, score_name
from ui.views.front_words import INVITE, search_words, settings_count, space_words
from ui.views.sweep import same_but_for
from ui.ways.way import Finding, Offer, Way, one_of

FIND = "find"
TIMES: Options = tuple((seconds, f"{seconds} s") for seconds in SECONDS)
CHANGES: Options = tuple(zip(FREE, ("settings", "settings and weights"), strict=True))


def _space(scene: Scene) -> tuple[Axis, ...]:
    view = scene.state.view
    axes = search_space(scene.recipe, weights=view.free == FREE[1])
    known = scene.axes.values()  # called by the words of their experts
    named = {(a.name, a.expert): a for a in known}
    return tuple(named.get((a.name, a.expert), a) for a in axes)


def _scores(scene: Scene, first: str) -> Options:
    tasks = scene.tasks_of(scene.recipe)
    return ((first, WORDS[first]), *((t, score_name(t, tasks)) for t in tasks))


def _fields(scene: Scene) -> tuple[Field, ...]:
    view = scene.state.view
    across, up = _scores(scene, MEAN), _scores(scene, WORST)
    return (
        Field("free", "Change", CHANGES, view.free),
        Field("seconds", "for", TIMES, view.seconds),
        Field("across", "Draw", across, one_of(view.across, across)),
        Field("up", "against", up, one_of(view.up, up)),
    )


def _offer(scene: Scene) -> Offer:
    space, seconds = _space(scene), scene.state.view.seconds
    found = scene.found_by(FIND)
    again = found is not None and found.value.ended and not _stale(scene, found.value)
    go = "Search on" if again else "Find good settings"
    return Offer(go, f"changes {space_words(space)}, for {seconds} s")


def _start(scene: Scene, token: str) -> Snapshot:
    recipe, axes, studies = scene.recipe, _space(scene), scene.services.studies
    budget = float(scene.state.view.seconds)

    def work(measure: Measure, report: Report, keep: Keep) -> SearchResult:
        done = 0

        def kept(result: SearchResult) -> None:
            nonlocal done
            done = len(result.points)
            if done or result.ended == "budget":
                keep(result)

        def told(fraction: float, message: str) -> None:
            report(fraction, f"{settings_count(done)} tried")

        return optimise(
            recipe, told, measure=measure, axes=axes, results=studies.answers, on_point=kept,
            budget_seconds=budget, source=studies.elsewhere(measure),
        )  # fmt: skip

    names = " ".join(f"{axis.name}.{axis.expert}" for axis in axes)
    return studies.start(token, FIND, f"{recipe.key()} {names} {budget}", recipe.set or "", work)


def _finding(scene: Scene, live: bool) -> Finding | None:
    found = scene.found_by(FIND)
    if found is None:
        return None
    result, view = found.value, _view(scene, found.value)
    order = sorted(view.dots, key=lambda dot: -dot.mean.value)
    return Finding(
        search_words(result, live and not result.ended),
        tuple((dot.key, f"{100 * dot.mean.value:.1f} %: {dot.words}") for dot in order),
        view.best,
        view.simplest,
        view.failed,
        0.0,
        bool(result.ended),
    )


def _view(scene: Scene, result: SearchResult) -> FrontView:
    tasks = scene.tasks_of(result.recipe)
    view = scene.state.view
    across = one_of(view.across, _scores(scene, MEAN))
    up = one_of(view.up, _scores(scene, WORST))
    return front_view(result, scene.recipe, tasks, across, up)


def _figure(scene: Scene) -> dict[str, Any] | None:
    found = scene.found_by(FIND)
    if found is None:
        return None
    view = _view(scene, found.value)
    return front_figure(view) if view.dots else None


def _stale(scene: Scene, result: SearchResult) -> bool:
    return not same_but_for(result.axes, result.recipe, scene.recipe)


def _key(scene: Scene) -> Hashable:
    found = scene.found_by(FIND)
    if found is None:
        return 0
    view = scene.state.view
    return found.number, _stale(scene, found.value), view.across, view.up


FIND_WAY = Way(
    "find", "Find good settings", FIND, INVITE, _fields, _offer, _start, _finding, _figure, _key
)
