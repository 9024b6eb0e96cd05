"""The page and its handlers without a browser."""

import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import count

import gradio as gr
import pytest

from tests.held_measure import HeldMeasure
from ui.desk import Desk
from ui.events import wire, wire_load
from ui.lessons_desk import LessonsDesk
from ui.link import decode
from ui.maps_desk import MapsDesk
from ui.page import Page, draw_page
from ui.presenter import Presenter
from ui.runs_desk import RunsDesk
from ui.scene import starts
from ui.services import Services
from ui.state import AppState
from ui.studies import Studies
from ui.sweeps import Sweeps
from ui.sweeps_desk import SweepsDesk


def opening(services: Services) -> AppState:
    """Return the state of a page's first paint."""
    opened, _ = decode("", starts(services))
    return replace(opened, scored=services.first().key)


def bar(state: AppState, moving: bool = True) -> str:
    """Return what the page's bar holds, with sliders that moved since an event was answered."""
    return json.dumps({"step": state.step, "moving": moving})


@pytest.fixture(scope="module")
def built(services: Services) -> tuple[gr.Blocks, Page, Desk, RunsDesk]:
    presenter = Presenter(services, starts(services))
    with gr.Blocks(analytics_enabled=False) as demo:
        page = draw_page(services, presenter)
        desk = Desk(page, services, presenter, clock=count(step=10.0).__next__)
        runs = RunsDesk(desk, today=lambda: "today")
        sweeps = SweepsDesk(runs)
        wire(page, desk, runs, sweeps, MapsDesk(runs), LessonsDesk(runs))
        wire_load(demo, page, runs)
    return demo, page, desk, runs


@pytest.fixture
def page(built: tuple[gr.Blocks, Page, Desk, RunsDesk]) -> Page:
    return built[1]


@pytest.fixture
def desk(built: tuple[gr.Blocks, Page, Desk, RunsDesk]) -> Desk:
    return built[2]


@pytest.fixture
def runs(built: tuple[gr.Blocks, Page, Desk, RunsDesk]) -> RunsDesk:
    return built[3]


@pytest.fixture
def state(services: Services) -> AppState:
    return opening(services)


@pytest.fixture
def measure(services: Services, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldMeasure]:
    """Sweeps that answer at once, forgotten after the test."""
    held = HeldMeasure([t["id"] for t in services.sets["gentle"].card["tasks"]])
    studies = Studies(services.jobs, type(services.answers)(100), lambda name: held)
    sweeps = Sweeps(studies)
    monkeypatch.setattr(services, "studies", studies)
    monkeypatch.setattr(services, "sweeps", sweeps)
    yield held
    held.gate.set()


@pytest.fixture
def sweeps(runs: RunsDesk) -> SweepsDesk:
    return SweepsDesk(runs)


@pytest.fixture
def owner(request: pytest.FixtureRequest, services: Services) -> Iterator[str]:
    """A visitor of this test alone, who leaves no job behind."""
    token = "".join(c if c.isalnum() else "_" for c in request.node.name)[:30] + "s" * 30
    yield token
    services.jobs.cancel(token)
    services.jobs.wait(token, 30)


@pytest.fixture
def visit(sweeps, runs, page, state, owner, measure):
    """A visitor whose studies answer at once."""
    from tests.app.visit import Visit

    return Visit(sweeps, runs, page, state, owner)
