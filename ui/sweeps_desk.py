"""The handlers of what looks for settings: choose, start, stop, take."""

from typing import Any

import gradio as gr

from merging.errors import MergeError
from ui.desk import Shown, Updates, sent
from ui.link import LONGEST_WORD
from ui.reports import Reports
from ui.scene import token_of
from ui.state import BOUNDS, BY, FREE, PATIENCE, SECONDS, WAYS, AppState
from ui.studies import study_kind
from ui.study_desk import UNKNOWN, StudyDesk
from ui.sweeps import SWEEP
from ui.ways.bar import chosen_way
from ui.ways.parts import PARTS_WAY
from ui.ways.way import Way

CHOICES = {
    "way": WAYS, "free": FREE, "seconds": SECONDS, "parts": BY, "patience": PATIENCE,
    "bound": BOUNDS,
}  # fmt: skip
WORDS = ("vary", "vary2", "across", "up", "cost")  # of the recipe or its set
FORGOTTEN = "The server has forgotten this point. Try the values again."


class SweepsDesk(StudyDesk):
    """Handlers as methods."""

    def act(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A button was pressed in the section of values, or something else was chosen there.

        Only reports leave a file.
        """
        action = sent(event, "action")
        if action in ("report", "csv"):
            return self._told(token_of(owner), str(action), state.view.bound)
        return {self._page.file: None, **self._act(None, event, state, owner, link, values)}

    def act_parts(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """The same in the section of parts."""
        return self._act(PARTS_WAY, event, state, owner, link, values)

    def _act(
        self,
        way: Way | None,
        event: gr.EventData,
        state: AppState,
        owner: Any,
        link: Any,
        values: tuple[Any, ...],
    ) -> Updates:
        def choose(shown: Shown) -> Updates:
            after = _chosen(shown[-1], sent(event, "field"), sent(event, "value"))
            return self._desk.change(shown, owner, after) | self._desk.studied(after, owner)

        return self._acted(
            (event, state, owner, link, values),
            choose,
            lambda shown: self._start(shown, token_of(owner), way),
            lambda shown: self._taken(shown, owner, sent(event, "key")),
        )

    def take(
        self, event: gr.EventData, state: AppState, owner: Any, link: Any, *values: Any
    ) -> Updates:
        """A point of the chart was clicked: its settings go into the controls."""
        shown = self._desk.caught_up(state, link, values)
        return self._taken(shown, owner, sent(event, "key"))

    def _start(self, shown: Shown, token: str, asked: Way | None) -> Updates:
        scene = self._desk.scene(shown[-1], token)
        way = asked or chosen_way(scene)
        return self._begun(shown, token, way.start(scene, token), way.kind)

    def _told(self, token: str, action: str, bound: str) -> Updates:
        """Hand out a report of the visitor's last sweep, or its points as CSV."""
        swept = self._services.sweeps.of(token)
        if swept is None:
            raise MergeError(FORGOTTEN)
        reports, result = Reports(self._services), swept.result
        if action == "csv":
            path = self._services.report_file(reports.sweep_csv(result, bound), "csv")
        else:
            job = self._services.jobs.latest(token)
            live = job is not None and study_kind(job) == SWEEP and not job.final
            path = self._services.report_file(
                reports.sweep(result, live and not result.ended, bound), "html"
            )
        return {self._page.file: gr.DownloadButton(value=str(path))}

    def _taken(self, shown: Shown, owner: Any, key: object) -> Updates:
        recipe = self._desk.scene(shown[-1], owner).point(key)
        if recipe is None:
            raise MergeError(FORGOTTEN)
        updates = self._runs.restored(shown, owner, recipe)
        return updates | self._desk.studied(updates[self._page.state], owner)


def _chosen(state: AppState, field: object, value: object) -> AppState:
    """Return the state with something else chosen; words fall back where they are read."""
    known = isinstance(field, str) and (field in WORDS or value in CHOICES.get(field, ()))
    if not known:
        raise MergeError(UNKNOWN)
    return state.look(**{str(field): str(value)[:LONGEST_WORD]})
