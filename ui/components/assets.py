"""Scripts and styles of our components, and plotly.js from the pinned plotly package."""

from functools import cache
from pathlib import Path

import gradio as gr
import plotly

HERE = Path(__file__).parent


@cache
def read_asset(name: str) -> str:
    """Return the text of one of our script or style files."""
    return (HERE / name).read_text("utf-8")


def plotly_path() -> Path:
    """Return where plotly.js lies."""
    return Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


def head_html() -> str:
    """Return what the page's head needs: plotly.js, served by us and by nobody else."""
    gr.set_static_paths([plotly_path()])
    return f'<script defer src="gradio_api/file={plotly_path().as_posix()}"></script>'
