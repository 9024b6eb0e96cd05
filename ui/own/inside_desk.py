"""The handlers of the section on weights."""

from dataclasses import replace
from typing import Any

import gradio as gr

from merging.errors import MergeError
from ui.desk import Updates, sent
from ui.own.desk import CANCEL_SECONDS, OwnDesk
from ui.own.inside_parts import CHOOSE, inside_mark
from ui.own.reading import LONGEST_NAME
from ui.own.settings import to_recipe
from ui.own.state import OwnState
from ui.scene import token_of


class InsideDesk:
    """Handlers as methods, beside those of an ``OwnDesk``."""

    def __init__(self, desk: OwnDesk) -> None:
        """Work beside a desk, on its page and services."""
        self._desk, self._page, self._services = desk, desk.page, desk.services

    def look(self, state: OwnState, owner: Any, *forms: Any) -> Updates:
        """Read base and experts."""
        settings, token = self._desk.read(state, forms), token_of(owner)
        if not settings.controls.on:
            raise MergeError(CHOOSE)
        services = self._services
        services.inside.start(token, services.shelf, services.listing, to_recipe(settings))
        return self._changed(replace(state, settings=settings), token)

    def open_cell(self, event: gr.EventData, state: OwnState, owner: Any) -> Updates:
        """A cell was opened or closed, or another part of the heatmap chosen."""
        if sent(event, "action") != "cell":
            return {}
        layer, module = (str(sent(event, name)) for name in ("layer", "module"))
        cell = f"{layer} {module}"[:LONGEST_NAME] if layer else ""
        return self._changed(replace(state, cell=cell), token_of(owner))

    def stop(self, state: OwnState, owner: Any) -> Updates:
        """Ask the visitor's reading to stop."""
        self._services.inside.cancel(token_of(owner), CANCEL_SECONDS)
        return self._desk.weighed(state, token_of(owner))

    def poll(self, state: OwnState, owner: Any, seen: Any) -> Updates:
        """Look after the reading; nothing is sent when nothing changed."""
        token = token_of(owner)
        same = inside_mark(self._services.inside.job(token)) == seen
        return {} if same else self._desk.weighed(state, token)

    def _changed(self, state: OwnState, owner: str) -> Updates:
        changed = {self._page.state: state, self._page.owner: owner}
        return changed | self._desk.weighed(state, owner)
