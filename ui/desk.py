"""The handlers behind the controls: parse what came, change the state, return what to show."""

import functools
import json
import logging
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.methods.registry import method
from ui.link import LONGEST_WORD
from ui.page import Page
from ui.panels import PANELS
from ui.panels import values as panel_values
from ui.presenter import Presenter
from ui.scene import Scene, starts, token_of
from ui.services import Services
from ui.settings import ControlValues, fitted, preset
from ui.state import PARTS, SIDES, UNITS, AppState
from ui.ticks import APOLOGY
from ui.views.magnitudes import expert_names
from ui.views.panel import panel_value

log = logging.getLogger(__name__)

MOST_SEED = 10_000
LONGEST_LINK = 20_000

Updates = dict[Any, Any]
Handler = Callable[..., Updates]
Shown = tuple[AppState, ...]


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

    def switch(self, state: AppState, owner: Any, link: Any, *values: Any) -> Updates:
        """An expert was switched on or off: other curves, and other values of its own."""
        shown = self.caught_up(state, link, values)
        held = replace(shown[-1].values, on=self.read(values).on, before=frozenset())
        updates = self.change(shown, owner, shown[-1].patch(held))
        return updates | {self.page.controls.panel: self._panel(held)}

    def choose_set(self, state: AppState, owner: Any, link: Any, *values: Any) -> Updates:
        """Another set was chosen; the settings stay."""
        shown = self.caught_up(state, link, values)
        held = fitted(self.read(values))
        return self.change(shown, owner, shown[-1].patch(held)) | self.write(held)

    def choose_method(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """Another method was chosen: show its controls only."""
        spec = method(str(sent(event, "method")))
        shown = self.caught_up(state, link, values)
        held = fitted(replace(shown[-1].values, method=spec.id))
        said = {self.page.notice: self.show.fitted(held)} if held.before else {}
        return self.change(shown, owner, shown[-1].patch(held)) | self.write(held) | said

    def choose_dialect(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A preset was chosen: its values go into the method's controls."""
        shown = self.caught_up(state, link, values)
        held = shown[-1].values
        held = held.having(preset(method(held.method), str(sent(event, "dialect"))))
        updates = self.change(shown, owner, shown[-1].patch(held))
        return updates | {self.page.controls.panel: self._panel(held)}

    def new_draw(self, state: AppState, owner: Any, link: Any, *values: Any) -> Updates:
        """Take another seed."""
        shown = self.caught_up(state, link, values)
        held = replace(shown[-1].values, seed=secrets.randbelow(MOST_SEED))
        updates = self.change(shown, owner, shown[-1].patch(held))
        return updates | {self.page.controls.seed: held.seed}

    def act(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A button of the bar was pressed, or the sliders came to rest."""
        action = sent(event, "action")
        if action == "again":
            return self.whole(state, owner)
        rest = action == "settled"
        shown = self.caught_up(state, link, values, self._clock() if rest else None)
        now = shown[-1]
        if rest:
            return self.change(shown, owner, now, settled=True)
        if action == "undo" and not self._merges(state, link, values):
            return self._last_good(state, owner)
        if action == "pin":
            recipe = now.recipe()
            same = now.pinned is not None and now.pinned.key() == recipe.key()
            return self.change(shown, owner, now.pin(None if same else recipe), settled=True)
        if action == "reset":
            start = starts(self.services)[now.values.set].values
            after = now.patch(replace(start, seed=now.values.seed))
        elif action == "swap":
            name = now.pinned.set if now.pinned is not None else None
            after = now.swap(tuple(self.services.sets[name].experts) if name else ())
        elif action in ("undo", "redo"):
            after = now.undo() if action == "undo" else now.redo()
        else:
            raise MergeError("The page asked for something unknown. Reload the page.")
        updates = self.change(shown, owner, after, settled=True)
        return updates | self.write(after.values) | {self.page.notice: ""}

    def look(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """Something else is looked at: another part of the heatmap, a cell, other tensors."""
        shown = self.caught_up(state, link, values)
        allowed = {"part": PARTS, "side": SIDES}
        asked = {name: sent(event, name) for name in allowed}
        changes = {n: str(w) for n, w in asked.items() if w in allowed[n]}
        if sent(event, "action") == "cell":
            changes["cell"] = _cell(sent(event, "layer"), sent(event, "module"))
        if sent(event, "action") == "kind":
            changes["kind"] = str(sent(event, "kind"))[:LONGEST_WORD]
        return self.change(shown, owner, shown[-1].look(**changes))

    def choose_units(
        self, state: AppState, owner: Any, link: Any, units: Any, *values: Any
    ) -> Updates:
        """Scores are to be told in other units."""
        if units not in UNITS:
            raise MergeError("The page asked for something unknown. Reload the page.")
        shown = self.caught_up(state, link, values)
        return self.change(shown, owner, shown[-1].look(units=units))

    def caught_up(
        self, state: AppState, link: Any, values: Sequence[Any], at: float | None = None
    ) -> Shown:
        """Return what the page may show: the state, and what sliders made of it since.

        While a slider moves only ticks know where it is, so whatever else is touched asks here
        first. What the page says of an earlier step is left alone: another event told it since.

        Args:
            state: Of the visitor.
            link: Value of the page's bar when the event was sent, with its step.
            values: What the controls held then.
            at: As for ``AppState.patch``.
        """
        if self.behind(state, link) or not self._sure(state, link):
            return (state,)
        try:
            after = state.patch(self.read(values), at)
            self.services.check(after.recipe())
        except MergeError:
            return (state,)
        return (state,) if after is state else (state, after)

    def merges(self, state: AppState, link: Any, values: Sequence[Any]) -> None:
        """Make sure that the controls hold what can be merged, before something is started.

        Raises:
            MergeError: They do not; the page shows the last settings that could be.
        """
        if not self.behind(state, link):
            self.services.check(state.patch(self.read(values)).recipe())

    def _merges(self, state: AppState, link: Any, values: Sequence[Any]) -> bool:
        try:
            self.merges(state, link, values)
        except MergeError:
            return False
        return True

    def _last_good(self, state: AppState, owner: Any) -> Updates:
        """Write the last settings that could be merged into controls that hold others."""
        step = state.step + 1
        after = replace(state, step=step, written=step)
        return self.whole(after, owner) | {self.page.state: after, self.page.notice: ""}

    def behind(self, state: AppState, link: Any) -> bool:
        """Whether the page sent its controls before it heard what was written into them."""
        step = _told(link).get("step")
        return not isinstance(step, int) or step < state.written

    def _sure(self, state: AppState, link: Any) -> bool:
        """Whether what was written into the page's controls last stands in all of them.

        Gradio writes one control after the other; a tick or a later answer came after that.
        """
        told = _told(link)
        return bool(told.get("moving")) or not state.written or told["step"] > state.written

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

    def scenes(self, shown: Shown, owner: Any) -> list[Scene]:
        """Return states with their answers."""
        return [self.scene(state, owner) for state in shown]

    def change(self, shown: Shown, owner: Any, after: AppState, settled: bool = False) -> Updates:
        """Return the new state and all that has to be drawn again.

        Args:
            shown: As ``caught_up`` tells.
            owner: The visitor's token.
            after: The new state.
            settled: Whether also what waits for the sliders to rest is drawn.
        """
        return self.redrawn(self.scenes(shown, owner), owner, after, settled)

    def redrawn(
        self, shown: Sequence[Scene], owner: Any, after: AppState, settled: bool = False
    ) -> Updates:
        """Return the new state and what has to be drawn again of what the page may show."""
        step = shown[0].state.step + 1
        written = step if after.values != shown[-1].state.values else shown[0].state.written
        after = replace(after, step=step, written=written)
        scene = self.scene(after, owner)
        after = replace(after, scored=scene.record.key)
        rest = settled or any(after.values != one.state.values for one in shown)
        found = panel_values(self.show, scene, shown, rest)
        return {self.page.state: after, **self.placed(found)}

    def studied(self, state: AppState, owner: Any, kind: str = "") -> Updates:
        """Return what is shown of the visitor's study of a kind, by default of all."""
        scene = self.scene(state, owner)
        asked = [p for p in PANELS if p.study and kind in ("", *p.study)]
        return self.placed({panel.name: panel.draw(self.show, scene) for panel in asked})

    def whole(self, state: AppState, owner: Any) -> Updates:
        """Return everything that a page shows, where it is not known what it does."""
        found = panel_values(self.show, self.scene(state, owner), settled=True)
        return {**self.placed(found), **self.write(state.values)}

    def placed(self, values: dict[str, Any]) -> Updates:
        """Return values of panels as updates of their components."""
        return {getattr(self.page, name): value for name, value in values.items()}

    def _panel(self, values: ControlValues) -> dict[str, Any]:
        return panel_value(values, expert_names(self.services.sets[values.set].card))


def sent(event: gr.EventData, name: str) -> object:
    """Return one entry of what a component sent with its event, or None."""
    return event._data.get(name) if isinstance(event._data, dict) else None


def _told(link: Any) -> dict[str, Any]:
    """Return what the page's bar held; nothing where it cannot be read."""
    try:
        told = json.loads(link) if isinstance(link, str) and len(link) < LONGEST_LINK else {}
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _cell(layer: object, module: object) -> str:
    """Return a cell's name, or "" where none is open."""
    if not isinstance(layer, str) or not isinstance(module, str) or not (layer and module):
        return ""
    return f"{layer} {module}"[:LONGEST_WORD]
