"""The page of own models for tests of its handlers: services, desk, and what its forms send."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import gradio as gr

from merging.jobs import JobRunner
from ui.own.desk import OwnDesk
from ui.own.events import wire_own
from ui.own.page import draw_own
from ui.own.services import OwnServices
from ui.own.settings import OwnSettings, Row
from ui.own.views import fields_value, models_value, names_of
from ui.views.panel import panel_value

OWNER, OTHER = "a" * 32, "b" * 32


@contextmanager
def services_of(root: Path, files: Path) -> Iterator[OwnServices]:
    """Services on a folder of models, closed at the end."""
    jobs = JobRunner()
    made = OwnServices(jobs, str(root), files)
    yield made
    made.close()
    jobs.close()


def desk_of(own: OwnServices, files: Path) -> OwnDesk:
    """A wired page with its desk; texts for download are written into a folder."""

    def text_file(name: str, text: str) -> Path:
        (files / name).write_text(text)
        return files / name

    with gr.Blocks(analytics_enabled=False):
        desk = OwnDesk(draw_own(own.shelf), own, text_file)
        wire_own(desk.page, desk)
    return desk


def forms(settings: OwnSettings) -> list[str]:
    """What the page would send of its forms."""
    panel = panel_value(settings.controls, names_of(settings))
    return [json.dumps(v) for v in (models_value(settings), panel, fields_value(settings))]


def chosen(own: OwnServices, *names: str, base: str = "base", **fields: Any) -> OwnSettings:
    """Settings with a base and experts."""
    rows = tuple(Row(name) for name in names)
    return OwnSettings(base=base, rows=rows, kinds=own.shelf.kinds, **fields)


def method(settings: OwnSettings, name: str, **params: Any) -> OwnSettings:
    """The settings with another method and some of its parameters."""
    values = replace(settings.values, method=name)
    held = replace(values.chosen, params={**values.chosen.params, **params})
    return replace(settings, values=values.having(held))
