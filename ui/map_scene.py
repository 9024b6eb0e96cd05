"""From a scene to the bar and the chart of the map. No Gradio, no state."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from merging.jobs import Snapshot
from merging.search.heights import KINDS, Height
from merging.search.landscape import Landscape
from merging.search.plane import SIDE, Spot
from merging.sets import ModelSet
from ui.charts.map import map_figure
from ui.components.study import Field, study_value
from ui.maps import MAP, Charted
from ui.scene import Scene
from ui.views.chooser import FIRST_LOOK
from ui.views.experts import ExpertMark, expert_marks
from ui.views.map import ALL, height_of, map_view, tasks_counted
from ui.views.map_words import INVITE, map_cost_words, map_words
from ui.views.sentences import unbroken
from ui.views.sweep_words import running_words

SHOWN = {"share": "Share of the own expert", "accuracy": "Accuracy", "loss": "Loss"}


@dataclass(frozen=True, slots=True)
class Progress:
    """What a bar says of its study: state, note, share done."""

    state: str
    note: str
    fraction: float = 0.0
    live: bool = False


def chosen_plane(scene: Scene) -> tuple[str, str]:
    """Return the two experts that span the map: the visitor's, else the first of the recipe."""
    asked = scene.state.view.plane.split(",")
    known = list(scene.opened.experts)
    if len(asked) == 2 and asked[0] != asked[1] and all(name in known for name in asked):
        return asked[0], asked[1]
    mine = [e.id for e in scene.recipe.experts]
    first, second, *_ = dict.fromkeys((*mine, *known))
    return first, second


def marks_of(opened: ModelSet) -> dict[str, ExpertMark]:
    """Return the marks of a set's experts, by id."""
    words = {e["id"]: e["label"] for e in opened.card["experts"]}
    order = tuple(opened.experts)
    return {m.expert: m for m in expert_marks(order, words, order)}


def asked_tasks(scene: Scene, opened: ModelSet, models: Sequence[str]) -> tuple[str, ...]:
    """Return the tasks that count for some models of a set, as the visitor chose."""
    every = [task["id"] for task in opened.card["tasks"]]
    task_of = {e["id"]: e["task"] for e in opened.card["experts"]}
    return tasks_counted(scene.state.view.over, models, task_of, every)


def height(scene: Scene, opened: ModelSet, models: Sequence[str], own: Any) -> Height:
    """Return what is read off models, as the visitor chose."""
    return height_of(scene.state.view.height, asked_tasks(scene, opened, models), own)


def map_height(scene: Scene, held: Charted) -> tuple[Height, bool]:
    """Return what is read off a map, and whether it was judged on the tasks that were chosen."""
    found: Landscape = held.result
    high = height(scene, scene.services.sets[held.set], found.experts, found.own)
    if set(high.tasks) <= set(found.tasks):
        return high, True
    return replace(high, tasks=found.tasks), False


def progress(job: Snapshot | None, found: object, note: str, left: float = 0.0) -> Progress:
    """Return what a bar says: how far its job is, or what the next one takes.

    Args:
        job: The visitor's newest where that is this study.
        found: What the last one found, or None.
        note: What the next one takes.
        left: Seconds that the running one will still take, 0 where not known.
    """
    if job is not None and not job.final:
        return Progress(job.status, running_words(job, left), job.fraction, True)
    if job is not None and job.status == "failed":
        return Progress("failed", job.message)
    return Progress("done" if found else "idle", note)


def charted(scene: Scene, kind: str) -> Charted | None:
    """Return what the visitor's last study of a kind found."""
    found = scene.services.maps.of(scene.owner, kind) if scene.owner else None
    return None if found is None else found.value


def map_bar(scene: Scene) -> dict[str, Any]:
    """Return what can be chosen of the map, what it takes, and what it shows."""
    maps, plane, opened = scene.services.maps, chosen_plane(scene), scene.opened
    held, job = charted(scene, MAP), scene.study(MAP)
    found: Landscape | None = held.result if held else None
    asked = asked_tasks(scene, opened, plane)
    each = maps.seconds(opened, scene.services.sweeps.seconds(opened.id))
    seconds = None if each is None else each * len(asked)
    cost = map_cost_words(SIDE**2, maps.left(opened.id, plane, asked), seconds)
    now = progress(job, found, cost, found.left if found is not None else 0.0)
    said = INVITE
    if held is not None and found is not None:
        marks = marks_of(scene.services.sets[held.set])
        live = now.live and not found.ended
        said = map_words(found, map_height(scene, held)[0], marks, yours(scene, held), live)
    return study_value(
        _fields(scene, plane), "Draw the map", now.note, unbroken(said), now.state, now.fraction,
        "Drawing the map",
    )  # fmt: skip


def landscape(scene: Scene) -> dict[str, Any] | None:
    """Return the chart of the visitor's last map; None before it begins."""
    held = charted(scene, MAP)
    if held is None:
        return None
    found: Landscape = held.result
    opened = scene.services.sets[held.set]
    marks = marks_of(opened)
    high, judged = map_height(scene, held)
    stale = not judged or (held.set, found.experts) != (scene.opened.id, chosen_plane(scene))
    names = " and ".join(marks[e].name for e in found.experts)
    of = f"the base, {names} of the set {opened.card['label']}"
    if not judged:
        words = {task["id"]: task["label"] for task in opened.card["tasks"]}
        of += f", judged on {' and '.join(words[t] for t in found.tasks)} only"
    return map_figure(map_view(found, high, marks, yours(scene, held), stale, of))


def yours(scene: Scene, held: Charted) -> Spot | None:
    """Return where the merge of the controls stands on a map; None on that of another set.

    Quick methods are merged for it; others have a place when a map was drawn with them.
    """
    if held.set != scene.opened.id:
        return None
    quick = scene.recipe.method in FIRST_LOOK
    return scene.services.maps.spot(scene.recipe, held.result.experts, merge=quick)


def counted(scene: Scene) -> dict[str, str]:
    """Return words for the tasks that may count, by what the choice is called."""
    tasks = {task["id"]: task["label"] for task in scene.opened.card["tasks"]}
    return {"": "Theirs", ALL: "All", **tasks}


def _fields(scene: Scene, plane: tuple[str, str]) -> list[Field]:
    view, over = scene.state.view, counted(scene)
    names = [(e, mark.name) for e, mark in marks_of(scene.opened).items()]
    chosen = view.over if view.over in over else ""
    return [
        Field("first", "From the base to", tuple(n for n in names if n[0] != plane[1]), plane[0]),
        Field("second", "and to", tuple(n for n in names if n[0] != plane[0]), plane[1]),
        Field("height", "Show", tuple((kind, SHOWN[kind]) for kind in KINDS), view.height),
        Field("over", "Tasks", tuple(over.items()), chosen),
    ]
