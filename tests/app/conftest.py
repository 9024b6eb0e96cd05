"""The page and its handlers without a browser."""

import json
from dataclasses import replace
from itertools import count

import gradio as gr
import pytest

from ui.desk import Desk
from ui.events import wire, wire_load
from ui.link import decode
from ui.page import Page, draw_page
from ui.presenter import Presenter
from ui.runs_desk import RunsDesk
from ui.scene import starts
from ui.services import Services
from ui.state import AppState
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
        wire(page, desk, runs, sweeps)
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
