"""The page and its handlers without a browser."""

from collections.abc import Iterator

import gradio as gr
import pytest

from merging.jobs import JobRunner
from ui.desk import Desk
from ui.events import wire, wire_load
from ui.page import Page, draw_page
from ui.presenter import Presenter
from ui.services import Services


@pytest.fixture(scope="module")
def services() -> Iterator[Services]:
    made = Services(JobRunner())
    made.warm()
    yield made
    made.close()


@pytest.fixture(scope="module")
def built(services: Services) -> tuple[gr.Blocks, Page, Desk]:
    presenter = Presenter(services)
    with gr.Blocks(analytics_enabled=False) as demo:
        page = draw_page(services, presenter)
        desk = Desk(page, services, presenter)
        wire(page, desk)
        wire_load(demo, page, desk)
    return demo, page, desk


@pytest.fixture
def page(built: tuple[gr.Blocks, Page, Desk]) -> Page:
    return built[1]


@pytest.fixture
def desk(built: tuple[gr.Blocks, Page, Desk]) -> Desk:
    return built[2]
