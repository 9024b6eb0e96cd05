"""The handlers of "What lies between them?": choose, draw, stop, take a place."""

from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.jobs import Snapshot
from merging.recipe import make_recipe
from ui.desk import Shown, Updates, sent
from ui.link import LONGEST_WORD
from ui.map_scene import asked_tasks, charted, chosen_plane
from ui.maps import HULL, MAP, PATH
from ui.region_scene import chosen_way
from ui.scene import token_of
from ui.state import HEIGHTS, AppState
from ui.study_desk import UNKNOWN, StudyDesk

FORGOTTEN = "The server has forgotten this map. Draw it again."
FARTHEST = 1e6  # of a place on a map, in lengths of weight changes


class MapsDesk(StudyDesk):
    """Handlers as methods."""

    def act(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """Something about the map was chosen, or it is to be drawn or stopped."""
        return self._answered(MAP, event, state, owner, link, values)

    def walk(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """An end of the straight path was chosen, or it is to be walked or stopped."""
        return self._answered(PATH, event, state, owner, link, values)

    def region(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """Models inside the hull are to be judged, or that is to stop."""
        return self._answered(HULL, event, state, owner, link, values)

    def take(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A place was clicked: its two weights go into the controls, as a sum with λ = 1."""
        shown = self._desk.caught_up(state, link, values)
        held = charted(self._desk.scene(shown[-1], token_of(owner)), MAP)
        if held is None:
            raise MergeError(FORGOTTEN)
        place = [_number(sent(event, axis)) for axis in ("x", "y")]
        weights = held.result.frame.shares(*place)
        loud = {e: round(w, 3) + 0.0 for e, w in zip(held.result.experts, weights, strict=True)}
        recipe = make_recipe("task_arithmetic", loud, set=held.set, params={"scale": 1.0})
        self._services.check(recipe)
        return self._runs.restored(shown, owner, recipe)

    def _answered(
        self,
        kind: str,
        event: gr.EventData,
        state: AppState,
        owner: Any,
        link: Any,
        values: tuple[Any, ...],
    ) -> Updates:
        def choose(shown: Shown) -> Updates:
            after = self._looking(shown[-1], owner, sent(event, "field"), sent(event, "value"))
            return self._desk.change(shown, owner, after, settled=True)

        def go(shown: Shown) -> Updates:
            token = token_of(owner)
            return self._begun(shown, token, self._job(kind, shown[-1], token), kind)

        return self._acted((event, state, owner, link, values), choose, go)

    def _job(self, kind: str, state: AppState, token: str) -> Snapshot:
        """Queue a study of a kind."""
        scene, maps = self._desk.scene(state, token), self._services.maps
        if kind == PATH:
            return maps.start_path(token, scene.recipe, chosen_way(scene))
        if kind == HULL:
            return maps.start_hull(token, scene.recipe)
        plane = chosen_plane(scene)
        return maps.start_map(token, scene.recipe, plane, asked_tasks(scene, scene.opened, plane))

    def _looking(self, state: AppState, owner: Any, name: object, value: object) -> AppState:
        word = str(value)[:LONGEST_WORD]
        if name == "height" and word in HEIGHTS:
            return state.look(height=word)
        if name == "over":
            return state.look(over=word)
        if name in ("first", "second"):
            plane = list(chosen_plane(self._desk.scene(state, owner)))
            plane[name == "second"] = word
            return replace(state, view=replace(state.view, plane=",".join(plane)))
        if name in ("from", "to"):
            way = list(chosen_way(self._desk.scene(state, owner)))
            way[name == "to"] = word
            return replace(state, view=replace(state.view, ends=",".join(way)))
        raise MergeError(UNKNOWN)


def _number(said: object) -> float:
    """Return a coordinate that the page sent.

    Raises:
        MergeError: It is none.
    """
    if isinstance(said, bool) or not isinstance(said, int | float) or not abs(said) < FARTHEST:
        raise MergeError(UNKNOWN)
    return float(said)
