"""The handlers behind the controls: parse what came, change the state, return what to show."""

import functools
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.methods.registry import method
from ui.page import Page
from ui.panels import values as panel_values
from ui.presenter import Presenter
from ui.scene import Scene, starts, token_of
from ui.services import Services
from ui.settings import ControlValues, fitted, preset
from ui.state import PARTS, SIDES, UNITS, AppState
from ui.views.magnitudes import expert_names
from ui.views.panel import panel_value

log = logging.getLogger(__name__)

APOLOGY = "Something broke on our side. Nothing was lost; the log has the details."
MOST_SEED = 10_000
LONGEST_WORD = 40

Updates = dict[Any, Any]
Handler = Callable[..., Updates]


def told(
    notice: Any, handler: Handler, on_error: Updates | None = None, clear: bool = True
) -> Handler:
    """Turn whatever a handler raises into the notice line; a success clears the line."""
    quiet = {notice: "" if clear else gr.skip()}

    @functools.wraps(handler)
    def safe(*values: Any) -> Updates:
        try:
            return {**quiet, **handler(*values)}
        except MergeError as error:
            return {notice: str(error), **(on_error or {})}
        except Exception:
            log.exception("handler %s failed", handler.__name__)
            return {notice: APOLOGY, **(on_error or {})}

    return safe


class Desk:
    """Handlers as methods. Each takes the state, the owner and its inputs, and returns updates."""

    def __init__(
        self,
        page: Page,
        services: Services,
        presenter: Presenter,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Work on a page with these services; ``clock`` tells seconds."""
        self.page, self.services, self.show = page, services, presenter
        self._clock = clock

    def switch(self, state: AppState, owner: Any, *values: Any) -> Updates:
        """An expert was switched on or off: other curves, and other values of its own."""
        read = replace(self.read(values), before=frozenset())
        updates = self.change(state, owner, state.patch(read))
        return updates | {self.page.controls.panel: self._panel(read)}

    def choose_set(self, state: AppState, owner: Any, *values: Any) -> Updates:
        """Another set was chosen; the settings stay."""
        read = fitted(self.read(values))
        return self.change(state, owner, state.patch(read)) | self.write(read)

    def choose_method(
        self, event: gr.EventData, state: AppState, owner: Any, *values: Any
    ) -> Updates:
        """Another method was chosen: show its controls only."""
        spec = method(str(sent(event, "method")))
        read = fitted(replace(self.read(values), method=spec.id))
        said = {self.page.notice: self.show.fitted(read)} if read.before else {}
        return self.change(state, owner, state.patch(read)) | self.write(read) | said

    def choose_dialect(
        self, event: gr.EventData, state: AppState, owner: Any, *values: Any
    ) -> Updates:
        """A preset was chosen: its values go into the method's controls."""
        read = self.read(values)
        read = read.having(preset(method(read.method), str(sent(event, "dialect"))))
        updates = self.change(state, owner, state.patch(read))
        return updates | {self.page.controls.panel: self._panel(read)}

    def new_draw(self, state: AppState, owner: Any, *values: Any) -> Updates:
        """Take another seed."""
        read = replace(self.read(values), seed=secrets.randbelow(MOST_SEED))
        updates = self.change(state, owner, state.patch(read))
        return updates | {self.page.controls.seed: read.seed}

    def act(self, event: gr.EventData, state: AppState, owner: Any, *values: Any) -> Updates:
        """A button of the bar was pressed, or the sliders came to rest."""
        action, before = sent(event, "action"), state
        rest = action == "settled"
        if rest or sent(event, "moving"):
            state = state.patch(self.read(values), self._clock() if rest else None)
        if rest:
            return self.change(before, owner, state, settled=True)
        if action == "pin":
            recipe = state.recipe()
            same = state.pinned is not None and state.pinned.key() == recipe.key()
            return self.change(before, owner, state.pin(None if same else recipe), settled=True)
        if action == "reset":
            start = starts(self.services)[state.values.set].values
            after = state.patch(replace(start, seed=state.values.seed))
        elif action == "swap":
            name = state.pinned.set if state.pinned is not None else None
            after = state.swap(tuple(self.services.sets[name].experts) if name else ())
        elif action in ("undo", "redo"):
            after = state.undo() if action == "undo" else state.redo()
        else:
            raise MergeError("The page asked for something unknown. Reload the page.")
        return self.change(before, owner, after, settled=True) | self.write(after.values)

    def look(self, event: gr.EventData, state: AppState, owner: Any, *values: Any) -> Updates:
        """Something else is looked at: another part of the heatmap, a cell, other tensors."""
        after = self.caught_up(state, values)
        allowed = {"part": PARTS, "side": SIDES}
        asked = {name: sent(event, name) for name in allowed}
        changes = {n: str(w) for n, w in asked.items() if w in allowed[n]}
        if sent(event, "action") == "cell":
            changes["cell"] = _cell(sent(event, "layer"), sent(event, "module"))
        if sent(event, "action") == "kind":
            changes["kind"] = str(sent(event, "kind"))[:LONGEST_WORD]
        return self.change(state, owner, after.look(**changes))

    def choose_units(self, state: AppState, owner: Any, units: Any, *values: Any) -> Updates:
        """Scores are to be told in other units."""
        if units not in UNITS:
            raise MergeError("The page asked for something unknown. Reload the page.")
        after = self.caught_up(state, values)
        return self.change(state, owner, after.look(units=units))

    def caught_up(self, state: AppState, values: Sequence[Any]) -> AppState:
        """Return the state as the controls are; without what they hold while that is no recipe.

        While a slider moves only ticks know where it is: whatever else is touched asks here first.
        """
        if not values:
            return state
        try:
            after = state.patch(self.read(values))
            self.services.check(after.recipe())
        except MergeError:
            return state
        return after

    def read(self, values: Sequence[Any]) -> ControlValues:
        """Return what the controls hold."""
        return self.page.controls.read(values, self.services.sets)

    def write(self, values: ControlValues) -> Updates:
        """Return updates that make the controls show values."""
        opened = self.services.sets[values.set]
        missing = self.services.missing(values.set)
        line = gr.Radio(value=values.set, info=self.show.set_line(opened))
        updates = self.page.controls.write(values, opened, missing)
        return updates | {self.page.controls.set: line}

    def scene(self, state: AppState, owner: Any) -> Scene:
        """Return a state with its answers.

        Raises:
            MergeError: Its controls hold no recipe, or one that cannot be merged here.
        """
        recipe = state.recipe()
        self.services.check(recipe)
        token = token_of(owner)
        listed = self.services.runs.get(token, self.services.first())
        return Scene(self.services, state, recipe, listed, token)

    def change(
        self, before: AppState, owner: Any, after: AppState, settled: bool = False
    ) -> Updates:
        """Return the new state and all that has to be drawn again."""
        scene = self.scene(after, owner)
        known = self.scene(before, owner)
        after = replace(after, scored=scene.record.key)
        rest = settled or before.values != after.values
        found = panel_values(self.show, scene, known, rest)
        return {self.page.state: after, **self.placed(found)}

    def placed(self, values: dict[str, Any]) -> Updates:
        """Return values of panels as updates of their components."""
        return {getattr(self.page, name): value for name, value in values.items()}

    def _panel(self, values: ControlValues) -> dict[str, Any]:
        return panel_value(values, expert_names(self.services.sets[values.set].card))


def sent(event: gr.EventData, name: str) -> object:
    """Return one entry of what a component sent with its event, or None."""
    return event._data.get(name) if isinstance(event._data, dict) else None


def _cell(layer: object, module: object) -> str:
    """Return a cell's name, or "" where none is open."""
    if not isinstance(layer, str) or not isinstance(module, str) or not (layer and module):
        return ""
    return f"{layer} {module}"[:LONGEST_WORD]
