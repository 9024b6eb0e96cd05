"""What the handlers of all studies share: the page they answer, and how one begins."""

from collections.abc import Callable
from typing import Any

import gradio as gr

from merging.errors import MergeError
from merging.jobs import Snapshot
from ui.desk import Shown, Updates, sent
from ui.runs_desk import RunsDesk

UNKNOWN = "The page asked for something unknown. Reload the page."

Answer = Callable[[Shown], Updates]


class StudyDesk:
    """Handlers as methods, beside those of a ``RunsDesk`` whose page and services they share."""

    def __init__(self, runs: RunsDesk) -> None:
        """Work beside a desk."""
        self._runs, self._desk = runs, runs.desk
        self._page, self._services = runs.desk.page, runs.desk.services

    def _acted(
        self,
        asked: tuple[gr.EventData, Any, Any, Any, tuple[Any, ...]],
        choose: Answer,
        go: Answer,
        take: Answer | None = None,
    ) -> Updates:
        """A button of a study was pressed, or something was chosen beside it.

        Args:
            asked: Event, state, owner, link and values, as the page sent them.
            choose, go, take: What answers these actions, told what the page shows.
        """
        event, state, owner, link, values = asked
        action = sent(event, "action")
        if action == "stop":
            return self._runs.cancel(owner)
        shown = self._desk.caught_up(state, link, values)
        if action == "choose":
            return choose(shown)
        if action == "go":
            self._desk.merges(state, link, values)
            return go(shown)
        if action == "take" and take is not None:
            return take(shown)
        raise MergeError(UNKNOWN)

    def _begun(self, shown: Shown, token: str, job: Snapshot, kind: str) -> Updates:
        """Return what a page shows whose visitor began a study of a kind."""
        updates = self._desk.change(shown, token, shown[-1])
        studied = self._desk.studied(shown[-1], token, kind)
        return updates | {self._page.owner: token} | self._runs.job(job) | studied
