"""The handlers of "What if it were another value?": choose, try, stop, take."""

from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.search.plan import SweepPlan
from ui.desk import Shown, Updates, sent
from ui.link import LONGEST_WORD
from ui.runs_desk import RunsDesk
from ui.scene import token_of
from ui.state import AppState
from ui.sweeps import SWEEP

FORGOTTEN = "The server has forgotten this point. Try the values again."


class SweepsDesk:
    """Handlers as methods, beside those of a ``RunsDesk`` whose page and services they share."""

    def __init__(self, runs: RunsDesk) -> None:
        """Work beside a desk."""
        self._runs, self._desk = runs, runs.desk
        self._page, self._services = runs.desk.page, runs.desk.services

    def act(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A button was pressed, or something else is to be varied."""
        action = sent(event, "action")
        if action == "stop":
            return self._runs.cancel(owner)
        shown = self._desk.caught_up(state, link, values)
        if action == "vary":
            after = shown[-1].look(vary=str(sent(event, "vary"))[:LONGEST_WORD])
            return self._desk.change(shown, owner, after) | self._desk.studied(after, owner, SWEEP)
        if action == "go":
            return self._start(shown, token_of(owner))
        if action == "take":
            return self._taken(shown, owner, sent(event, "key"))
        raise MergeError("The page asked for something unknown. Reload the page.")

    def take(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A point of the chart was clicked: its settings go into the controls."""
        shown = self._desk.caught_up(state, link, values)
        return self._taken(shown, owner, sent(event, "key"))

    def _start(self, shown: Shown, token: str) -> Updates:
        scene = self._desk.scene(shown[-1], token)
        plan = SweepPlan(scene.recipe, (scene.axes[scene.vary],))
        job = self._runs.job(self._services.sweeps.start(token, plan))
        updates = self._desk.change(shown, token, shown[-1])
        return (
            updates | {self._page.owner: token} | job | self._desk.studied(shown[-1], token, SWEEP)
        )

    def _taken(self, shown: Shown, owner: Any, key: object) -> Updates:
        swept = self._services.sweeps.of(token_of(owner))
        point = swept.point(key) if swept is not None else None
        if point is None or point.recipe is None:
            raise MergeError(FORGOTTEN)
        updates = self._runs.restored(shown, owner, point.recipe)
        return updates | self._desk.studied(updates[self._page.state], owner, SWEEP)
