"""What a page sends to handlers: events, its address, and what its controls hold."""

import json
from dataclasses import replace
from typing import Any

from ui.page import Page
from ui.settings import ControlValues
from ui.views.panel import panel_value


class Sent:
    """An event of one of our components, with what it carries."""

    def __init__(self, **data: object) -> None:
        self._data = data


class Request:
    """What Gradio tells of the page's address."""

    def __init__(self, query: str = "") -> None:
        self.query_params = query


def moved(values: ControlValues, **params: object) -> ControlValues:
    """Return the controls with some settings of the chosen method dragged."""
    return values.having(replace(values.chosen, params={**values.chosen.params, **params}))


def plain(values: ControlValues, page: Page) -> list[Any]:
    """Return what the page's controls would send."""
    count = len(page.controls.rows)
    ids = [*values.weights, *[None] * count][:count]
    on = [i in values.on for i in ids]
    weights = [values.weights.get(i, 1.0) for i in ids]
    return [values.set, values.seed, *on, *weights, json.dumps(panel_value(values, {}))]
