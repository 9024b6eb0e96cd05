"""A visitor of the handlers: what is sent, and what the page shows after it."""

from typing import Any

from tests.app.conftest import bar
from tests.app.sent import Sent, plain
from ui.page import Page
from ui.runs_desk import RunsDesk
from ui.services import Services
from ui.state import AppState
from ui.sweeps_desk import SweepsDesk

SECONDS = 30


def chosen(value: dict[str, Any], field: str) -> str:
    """Return what a bar says is chosen."""
    return next(f["chosen"] for f in value["fields"] if f["name"] == field)


def options(value: dict[str, Any], field: str) -> dict[str, str]:
    """Return what a bar offers, words by value."""
    return dict(next(f["options"] for f in value["fields"] if f["name"] == field))


class Visit:
    """One visitor's page: what it was sent last."""

    def __init__(self, sweeps: SweepsDesk, runs: RunsDesk, page: Page, state: AppState, owner: str):
        self.sweeps, self.runs, self.page, self.state, self.owner = sweeps, runs, page, state, owner
        self.shown: dict[Any, Any] = {}

    def act(self, **event: object) -> dict[Any, Any]:
        return self._take(self.sweeps.act(Sent(**event), *self._sent()))

    def click(self, **event: object) -> dict[Any, Any]:
        return self._take(self.sweeps.take(Sent(**event), *self._sent()))

    def poll(self) -> dict[Any, Any]:
        state, owner, link, *values = self._sent()
        return self._take(self.runs.poll(state, owner, -1, link, *values))

    def ended(self, services: Services) -> dict[Any, Any]:
        assert services.jobs.wait(self.owner, SECONDS).final
        return self.poll()

    def _sent(self) -> list[Any]:
        values = plain(self.state.values, self.page)
        return [self.state, self.owner, bar(self.state, False), *values]

    def _take(self, updates: dict[Any, Any]) -> dict[Any, Any]:
        self.state = updates.get(self.page.state, self.state)
        self.shown |= updates
        return updates
