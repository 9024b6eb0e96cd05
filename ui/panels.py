"""Which pictures a page has, what each is made from, and when it has to be drawn again."""

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

from ui import lesson_pictures, map_scene, pictures, region_scene
from ui.lessons import LESSON
from ui.maps import HULL, MAP, PATH
from ui.presenter import Presenter
from ui.scene import Scene
from ui.ways import bar, parts

Draw = Callable[[Presenter, Scene], Any]
Key = Callable[[Scene], Hashable]

WHOLE = ("data", "layout", "narrow")


@dataclass(frozen=True, slots=True)
class Panel:
    """One component that shows an answer.

    Attributes:
        name: Of the component on the page.
        draw: Makes its value.
        key: Of all that the value depends on.
        settled: Drawn when the sliders have come to rest, not while they move.
        moves: While a slider moves only its marks and labels are sent, as long as its value says
            by the same ``revision`` that its lines and axes stay; whole when it rests.
        study: The kinds of studies whose results it shows.
    """

    name: str
    draw: Draw
    key: Key
    settled: bool = False
    moves: bool = False
    study: tuple[str, ...] = ()


def _experts(scene: Scene) -> Hashable:
    return scene.recipe.set, tuple(e.id for e in scene.recipe.experts)


def _recipe(scene: Scene) -> Hashable:
    return scene.recipe.key()


def _beside(scene: Scene) -> Hashable:
    """The recipe, and the pinned one where it can be compared."""
    return scene.recipe.key(), scene.pinned and (scene.pinned.key(), pictures.pinned_name(scene))


def _scored(scene: Scene) -> Hashable:
    """The scores on the page: whose, beside whose, how told."""
    pinned = scene.pinned_record
    runs = [(run.key, scene.name_of(run.key)) for run in (scene.record, pinned) if run is not None]
    return *runs, scene.stale, scene.state.view.units


def _listed(scene: Scene) -> Hashable:
    state = scene.state
    pinned = state.pinned and state.pinned.key()
    shown = not scene.stale and scene.listed.find(scene.record.key) is not None
    return scene.listed, scene.record.key if shown else "", pinned, state.compared


def _linked(scene: Scene) -> Hashable:
    state = scene.state
    pinned = state.pinned and state.pinned.key()
    steps = state.step, bool(state.past), bool(state.future)
    shown = scene.record.key, scene.owner
    return shown, state.recipe(), pinned, state.view, state.hide, steps


def _opened(scene: Scene) -> Hashable:
    cell = scene.state.view.cell
    return (scene.cell_recipe.key(), cell, scene.whose_cell) if cell else ""


def _directions(scene: Scene) -> Hashable:
    return _experts(scene), scene.state.view.kind


def _mapped(scene: Scene) -> Hashable:
    """The visitor's maps, what of them is looked at, and the recipe that has a place there."""
    view, kinds = scene.state.view, (MAP, PATH, HULL) if scene.owner else ()
    found = [scene.services.maps.of(scene.owner, kind) for kind in kinds]
    looked = view.height, view.over, view.plane, view.ends
    return tuple(one and one.number for one in found), looked, scene.recipe.key()


def _taught(scene: Scene) -> Hashable:
    """The lesson that is taken, where in it, and what was measured for it."""
    look = scene.state.view
    return look.lesson, look.lesson_step, look.guess, lesson_pictures.number_of(scene)


def _of(picture: Callable[[Scene], Any]) -> Draw:
    return lambda presenter, scene: picture(scene)


PANELS: tuple[Panel, ...] = (
    Panel("lesson", _of(lesson_pictures.player), _taught, study=(LESSON,)),
    Panel("lesson_chart", _of(lesson_pictures.chart), _taught, study=(LESSON,)),
    Panel("lesson_bar", _of(lesson_pictures.bar), _taught, study=(LESSON,)),
    Panel("formula", Presenter.formula, _recipe),
    Panel("effect", Presenter.effect, _recipe),
    Panel("live", Presenter.live, _recipe),
    Panel("verdict", Presenter.verdict, _scored),
    Panel("scores", Presenter.scores, _scored),
    Panel("heatmap", _of(pictures.heatmap), _beside),
    Panel("cell", _of(pictures.cell), _opened, moves=True),
    Panel("curves", _of(pictures.curves), _opened, moves=True),
    Panel("twelve", _of(pictures.twelve), _opened),
    Panel("magnitudes", _of(pictures.magnitudes), _recipe, moves=True),
    Panel("relative", _of(pictures.relative), _experts),
    Panel("who_agrees", _of(pictures.who_agrees), _recipe, settled=True),
    Panel("kind", _of(pictures.kind), _directions),
    Panel("ranks", _of(pictures.ranks), _directions),
    Panel("overlap", _of(pictures.overlap), _directions),
    Panel("who_won", _of(pictures.who_won), _beside, moves=True),
    Panel("dialects", _of(pictures.dialects), _recipe, settled=True),
    Panel("still", _of(pictures.still), _recipe, settled=True),
    Panel("whatif", _of(bar.whatif), bar.bar_key, settled=True, study=bar.KINDS),
    Panel("sweep", _of(bar.sweep), bar.chart_key, moves=True, study=bar.KINDS),
    Panel("parts", _of(parts.bar), parts.bar_key, settled=True, study=(parts.PARTS,)),
    Panel("parts_chart", _of(parts.chart), parts.chart_key, moves=True, study=(parts.PARTS,)),
    Panel("map", _of(map_scene.map_bar), _mapped, settled=True, study=(MAP,)),
    Panel("landscape", _of(map_scene.landscape), _mapped, settled=True, study=(MAP,)),
    Panel("path", _of(region_scene.path_bar), _mapped, settled=True, study=(PATH,)),
    Panel("straight", _of(region_scene.straight), _mapped, settled=True, study=(PATH,)),
    Panel("hull", _of(region_scene.hull_bar), _mapped, settled=True, study=(HULL,)),
    Panel("region", _of(region_scene.region), _mapped, settled=True, study=(HULL,)),
    Panel("clusters", _of(region_scene.clusters), lambda scene: scene.recipe.set),
    Panel("runs", Presenter.runs, _listed),
    Panel("link", Presenter.link, _linked),
)


def values(
    presenter: Presenter, scene: Scene, shown: Sequence[Scene] = (), settled: bool = False
) -> dict[str, Any]:
    """Return the values of the components that have to be drawn again.

    Args:
        presenter: Makes them.
        scene: What is to be shown.
        shown: What the page may show now; nothing where that is not known.
        settled: Also those that wait until the sliders rest.
    """
    found = {}
    for panel in PANELS:
        key = panel.key(scene)
        again = not shown or panel.settled or (settled and panel.moves)
        changed = again or any(panel.key(one) != key for one in shown)
        if changed and (settled or not panel.settled):
            value = panel.draw(presenter, scene)
            stays = panel.moves and _stays(presenter, panel, value, scene, shown)
            found[panel.name] = _without(value, WHOLE) if stays and not settled else value
    return found


def _stays(
    presenter: Presenter, panel: Panel, value: Any, scene: Scene, shown: Sequence[Scene]
) -> bool:
    """Whether lines and axes are those of before; also notes what they are now."""
    now = (value or {}).get("revision")
    known = [presenter.revisions.get((panel.name, panel.key(one))) for one in shown]
    presenter.revisions.put((panel.name, panel.key(scene)), now)
    return now is not None and bool(known) and all(one == now for one in known)


def _without(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry for name, entry in value.items() if name not in names}
