"""Build the Gradio app from services. The process's own settings stay in ``app.py``."""

from typing import Any

import gradio as gr

from ui.api import preview_endpoint
from ui.components.assets import head_html
from ui.components.kept_files import front_end_route, plotly_route
from ui.desk import Desk
from ui.events import wire, wire_load
from ui.lessons_desk import LessonsDesk
from ui.maps_desk import MapsDesk
from ui.own.downloads import download_route
from ui.own.events import add_own
from ui.page import draw_page
from ui.presenter import Presenter
from ui.quick import QuickBlocks
from ui.reference import add_reference
from ui.runs_desk import RunsDesk
from ui.scene import starts
from ui.services import Services
from ui.sweeps_desk import SweepsDesk
from ui.teacher import add_teacher
from ui.theme import page_css, theme

TITLE = "Merge explorer"


def build_app(services: Services) -> gr.Blocks:
    """Build the page and its handlers around these services."""
    presenter = Presenter(services, starts(services))
    with QuickBlocks(title=TITLE, analytics_enabled=False, delete_cache=(3600, 7200)) as demo:
        page = draw_page(services, presenter)
        desk = Desk(page, services, presenter)
        runs = RunsDesk(desk)
        wire(page, desk, runs, SweepsDesk(runs), MapsDesk(runs), LessonsDesk(runs))
        wire_load(demo, page, runs)
        _publish(services)
    add_reference(demo)
    add_teacher(demo, services.sets)
    add_own(demo, services.own, services.text_file)
    demo.queue(max_size=64, default_concurrency_limit=16)
    return demo


def _publish(services: Services) -> None:
    def preview(recipe: str) -> dict[str, Any]:
        return preview_endpoint(services, recipe)

    gr.api(preview, api_name="preview", concurrency_limit=4)


def launch_options(services: Services | None = None) -> dict[str, Any]:
    """Return what ``launch`` needs for our look, our limits and the downloads of services."""
    downloads = [download_route(services.own.outputs)] if services is not None else []
    return {
        "theme": theme(),
        "css": page_css(),
        "head": head_html(),
        "footer_links": [],
        "run_history": False,
        "ssr_mode": False,
        "show_error": False,
        "max_file_size": "6mb",
        "app_kwargs": {"routes": [plotly_route(), front_end_route(), *downloads]},
    }
