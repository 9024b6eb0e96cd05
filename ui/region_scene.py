"""From a scene to straight paths, convex hulls and clusters of experts. No Gradio, no state."""

from typing import Any

from merging.search.ground import BASE, BETWEEN
from merging.search.hull import SAMPLES, Hull
from merging.search.landscape import AVERAGE
from merging.search.path import STEPS, Path
from ui.charts.clusters import clusters_figure
from ui.charts.hull import hull_figure
from ui.charts.path import path_figure
from ui.components.study import Field, study_value
from ui.map_scene import charted, height, marks_of, progress
from ui.maps import HULL, MERGED, PATH, Charted
from ui.scene import Scene
from ui.views import hull as hull_views
from ui.views import path as path_views
from ui.views.clusters import clusters_view
from ui.views.map_words import cost_words
from ui.views.sentences import unbroken


def ends_offered(scene: Scene, name: str = "") -> dict[str, str]:
    """Return words for all that a path can begin or end at; of the page's set by default.

    Base, experts, the average of those that are on, the merge, and experts of other sets that fit.
    """
    sets = scene.services.sets
    opened = sets[name] if name else scene.opened
    own = {BASE: "base", **{e: mark.name for e, mark in marks_of(opened).items()}}
    mixed = {AVERAGE: "average of those that are on", MERGED: "your merge"}
    others = {}
    for model in scene.services.maps.ground(opened.id).models():
        of, between, expert = model.partition(BETWEEN)
        if between and of in sets:
            others[model] = f"{sets[of].card['label']}: {marks_of(sets[of])[expert].label}"
    return {**own, **mixed, **others}


def chosen_way(scene: Scene) -> tuple[str, str]:
    """Return the ends of the path: the visitor's, else the first two experts of the recipe."""
    asked = scene.state.view.ends.split(",")
    known = ends_offered(scene)
    if len(asked) == 2 and asked[0] != asked[1] and all(end in known for end in asked):
        return asked[0], asked[1]
    first, second, *_ = dict.fromkeys((*(e.id for e in scene.recipe.experts), *scene.order))
    return first, second


def path_bar(scene: Scene) -> dict[str, Any]:
    """Return what can be chosen of a path, what it takes, and whether it has a barrier."""
    held, job, way = charted(scene, PATH), scene.study(PATH), chosen_way(scene)
    now = progress(job, held, cost_words(STEPS, _seconds(scene), "steps"))
    said = path_views.INVITE
    if held is not None:
        found: Path = held.result
        live = now.live and not found.ended
        high = _path_height(scene, held)
        said = path_views.path_words(found, high, ends_offered(scene, held.set), live)
    ends = list(ends_offered(scene).items())
    fields = [
        Field("from", "From", tuple(e for e in ends if e[0] != way[1]), way[0]),
        Field("to", "to", tuple(e for e in ends if e[0] != way[0]), way[1]),
    ]
    return study_value(
        fields, "Walk the path", now.note, unbroken(said), now.state, now.fraction,
        "Walking the path",
    )  # fmt: skip


def straight(scene: Scene) -> dict[str, Any] | None:
    """Return the chart of the visitor's last path; None before its first step."""
    held = charted(scene, PATH)
    if held is None or not held.result.steps:
        return None
    names = ends_offered(scene, held.set)
    stale = "" if _same_path(scene, held) else _of(scene, held, "path")
    view = path_views.path_view(held.result, _path_height(scene, held), names, stale)
    return path_figure(view)


def hull_bar(scene: Scene) -> dict[str, Any]:
    """Return what judging a hull takes, and how models inside it do."""
    held, job = charted(scene, HULL), scene.study(HULL)
    total = SAMPLES + 2 + len(scene.recipe.experts)
    now = progress(job, held, cost_words(total, _seconds(scene), "models"))
    said = hull_views.INVITE
    if held is not None:
        found: Hull = held.result
        live = now.live and not found.ended
        said = hull_views.hull_words(found, _hull_height(scene, held), live)
    why = "" if len(scene.recipe.experts) > 1 or now.live else hull_views.ALONE
    return study_value(
        [], "Draw models inside", now.note, unbroken(said), now.state, now.fraction,
        "Judging models", why,
    )  # fmt: skip


def region(scene: Scene) -> dict[str, Any] | None:
    """Return the strip of the visitor's last hull; None before its first model."""
    held = charted(scene, HULL)
    if held is None or not held.result.members:
        return None
    mine = tuple(e.id for e in scene.recipe.experts)
    same = (held.set, held.result.experts) == (scene.opened.id, mine)
    stale = "" if same else _of(scene, held, "hull")
    marks = marks_of(scene.services.sets[held.set])
    return hull_figure(hull_views.hull_view(held.result, _hull_height(scene, held), marks, stale))


def clusters(scene: Scene) -> dict[str, Any]:
    """Return which task vectors of the set's experts are alike."""
    marks = marks_of(scene.opened)
    rows = list(scene.sketch.rows(scene.order))
    every = scene.sketch.cosines().tolist()
    cosines = [[every[i][j] for j in rows] for i in rows]
    return clusters_figure(clusters_view([marks[e] for e in scene.order], cosines))


def _path_height(scene: Scene, held: Charted) -> Any:
    opened = scene.services.sets[held.set]
    ends = [e for e in held.result.ends if e not in (AVERAGE, MERGED)]
    mixed = len(ends) < len(held.result.ends)
    models = [*ends, *(e.id for e in held.recipe.experts)] if mixed else ends
    return height(scene, opened, models, held.result.own)


def _hull_height(scene: Scene, held: Charted) -> Any:
    opened = scene.services.sets[held.set]
    return height(scene, opened, held.result.experts, held.result.own)


def _same_path(scene: Scene, held: Charted) -> bool:
    if (held.set, held.result.ends) != (scene.opened.id, chosen_way(scene)):
        return False
    mine, theirs = scene.recipe, held.recipe
    if MERGED in held.result.ends:
        return mine.key() == theirs.key()
    on = [e.id for e in mine.experts] == [e.id for e in theirs.experts]
    return on or AVERAGE not in held.result.ends


def _of(scene: Scene, held: Charted, what: str) -> str:
    label = scene.services.sets[held.set].card["label"]
    return f"this {what} belongs to earlier choices (set {label})."


def _seconds(scene: Scene) -> float | None:
    opened, services = scene.opened, scene.services
    each = services.maps.seconds(opened, services.sweeps.seconds(opened.id))
    return None if each is None else each * len(opened.card["tasks"])
