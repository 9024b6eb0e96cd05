"""From a scene to the values of "What if it were another value?": its bar and its chart."""

from collections.abc import Hashable
from typing import Any

from merging.errors import MergeError
from merging.jobs import Snapshot
from ui.components.study import Field, study_value
from ui.components.whatif import whatif_value
from ui.scene import Scene
from ui.views.sentences import unbroken
from ui.views.sweep_words import running_words
from ui.ways.find import FIND_WAY
from ui.ways.values import VALUES
from ui.ways.walk import WALK_WAY
from ui.ways.way import Finding, Offer, Way

WAYS: tuple[Way, ...] = (VALUES, FIND_WAY, WALK_WAY)
KINDS = tuple(way.kind for way in WAYS)


def chosen_way(scene: Scene) -> Way:
    """Return the way that is looked at."""
    asked = scene.state.view.way
    return next((way for way in WAYS if way.name == asked), WAYS[0])


def whatif(scene: Scene) -> dict[str, Any]:
    """Return what can be chosen, what that takes, and what was found the last time."""
    way = chosen_way(scene)
    options = tuple((one.name, one.label) for one in WAYS)
    return bar_of(way, scene, Field("way", "How", options, way.name))


def sweep(scene: Scene) -> dict[str, Any] | None:
    """Return the chart of what was found."""
    return chosen_way(scene).figure(scene)


def bar_of(way: Way, scene: Scene, *before: Field) -> dict[str, Any]:
    """Return the value of a way's bar, with further fields before its own."""
    job = scene.study(way.kind)
    live = job is not None and not job.final
    found = way.finding(scene, live)
    offer = _offered(way, scene)
    failed = job is not None and job.status == "failed"
    state = "done" if found is not None else "idle"
    if job is not None and (live or failed):
        state = job.status
    value = study_value(
        (*before, *way.fields(scene)),
        offer.go,
        _note(job, found, offer),
        unbroken(found.said if found is not None else way.invite),
        state,
        job.fraction if job is not None and live else 0.0,
        "Trying values",
    )
    if found is None:
        return whatif_value(value)
    return whatif_value(value, found.takes, found.best, found.simplest, found.errors, found.report)


def bar_key(scene: Scene) -> Hashable:
    """Return all that the bar depends on."""
    way = chosen_way(scene)
    return scene.recipe.key(), scene.state.view, _number(way, scene)


def chart_key(scene: Scene) -> Hashable:
    """Return all that the chart depends on."""
    way = chosen_way(scene)
    return way.name, way.key(scene)


def _number(way: Way, scene: Scene) -> int:
    found = scene.found_by(way.kind)
    return 0 if found is None else found.number


def _offered(way: Way, scene: Scene) -> Offer:
    try:
        return way.offer(scene)
    except MergeError as error:
        return Offer("", str(error))


def _note(job: Snapshot | None, found: Finding | None, offer: Offer) -> str:
    if job is not None and not job.final:
        return running_words(job, found.left if found is not None else 0.0)
    return job.message if job is not None and job.status == "failed" else offer.note
