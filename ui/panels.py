"""Which pictures a page has, what each is made from, and when it has to be drawn again."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from ui.presenter import Presenter
from ui.scene import Scene

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
        whole: Of what its lines and axes depend on: while that stays, only marks and labels are
            sent. None for components that are always sent whole.
    """

    name: str
    draw: Draw
    key: Key
    settled: bool = False
    whole: Key | None = None


def _experts(scene: Scene) -> Hashable:
    return scene.recipe.set, tuple(e.id for e in scene.recipe.experts)


def _recipe(scene: Scene) -> Hashable:
    return scene.recipe.key()


def _beside(scene: Scene) -> Hashable:
    """The recipe, and the pinned one where it can be compared."""
    return scene.recipe.key(), scene.pinned and scene.pinned.key()


def _scored(scene: Scene) -> Hashable:
    """The scores on the page: whose, beside whose, how told."""
    pinned = scene.pinned_record
    return scene.record.key, scene.stale, pinned and pinned.key, scene.state.view.units


def _listed(scene: Scene) -> Hashable:
    state = scene.state
    pinned = state.pinned and state.pinned.key()
    shown = scene.record.key if not scene.stale else ""
    return scene.listed, shown, pinned, state.compared


def _linked(scene: Scene) -> Hashable:
    state = scene.state
    pinned = state.pinned and state.pinned.key()
    return state.recipe(), pinned, state.view, state.hide, bool(state.past), bool(state.future)


PANELS: tuple[Panel, ...] = (
    Panel("formula", Presenter.formula, _recipe),
    Panel("effect", Presenter.effect, _recipe),
    Panel("live", Presenter.live, _recipe),
    Panel("verdict", Presenter.verdict, _scored),
    Panel("scores", Presenter.scores, _scored),
    Panel("heatmap", Presenter.heatmap, _beside),
    Panel("magnitudes", Presenter.magnitudes, _recipe, whole=_experts),
    Panel("runs", Presenter.runs, _listed),
    Panel("link", Presenter.link, _linked),
)


def values(
    presenter: Presenter, scene: Scene, before: Scene | None = None, settled: bool = False
) -> dict[str, Any]:
    """Return the values of the components that have to be drawn again.

    Args:
        presenter: Makes them.
        scene: What is to be shown.
        before: What is shown; None where nothing is known of it.
        settled: Also those that wait until the sliders rest.
    """
    found = {}
    for panel in PANELS:
        moved = before is None or panel.settled or panel.key(scene) != panel.key(before)
        if moved and (settled or not panel.settled):
            value = panel.draw(presenter, scene)
            part = panel.whole and before and panel.whole(scene) == panel.whole(before)
            found[panel.name] = _without(value, WHOLE) if part else value
    return found


def _without(value: dict[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    return {name: entry for name, entry in value.items() if name not in names}
