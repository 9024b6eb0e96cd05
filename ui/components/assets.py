"""Scripts and styles of our components, and plotly.js from the pinned plotly package."""

from functools import cache
from pathlib import Path

import gradio as gr
import plotly

HERE = Path(__file__).parent
STYLES = (
    "page.css", "panel.css", "chooser.css", "plot_host.css", "heatmap.css", "runlist.css",
    "jobline.css", "linkbar.css", "weights.css", "sections.css",
)  # fmt: skip


@cache
def read_asset(name: str) -> str:
    """Return the text of one of our script or style files."""
    return (HERE / name).read_text("utf-8")


def script(*names: str) -> str:
    """Return our script files as one component's script, in this order."""
    return "\n".join(read_asset(name) for name in names)


def style_sheet() -> str:
    """Return the rules of page and components, for ``launch(css=...)``.

    Gradio splits selectors there at each comma and puts its container before every part: keep
    ``:is(a, b)`` out, and rules for the container, ``:root`` or keyframes in ``tokens.css``.
    """
    return "\n".join(read_asset(name) for name in STYLES)


def plotly_path() -> Path:
    """Return where plotly.js lies."""
    return Path(plotly.__file__).resolve().parent / "package_data" / "plotly.min.js"


def head_html() -> str:
    """Return the page's head: our tokens, the script for typed numbers, and plotly.js from us.

    The fetch starts with the page; the script runs when it has arrived and holds nothing up.
    """
    gr.set_static_paths([plotly_path()])
    source = f"gradio_api/file={plotly_path().as_posix()}"
    return (
        f"<style>{read_asset('tokens.css')}</style>"
        f'<script type="module">{read_asset("typed.js")}</script>'
        f'<link rel="preload" as="script" fetchpriority="low" href="{source}">'
        f'<script async id="me-plotly" src="{source}" onerror="this.dataset.failed = 1"></script>'
    )
