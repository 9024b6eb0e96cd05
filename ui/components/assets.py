"""Scripts and styles of our components."""

from functools import cache
from pathlib import Path

from ui.components.kept_files import PLOTLY_PATH

HERE = Path(__file__).parent
STYLES = (
    "page.css", "panel.css", "chooser.css", "plot_host.css", "heatmap.css", "runlist.css",
    "jobline.css", "linkbar.css", "weights.css", "sections.css", "whatif.css",
    "lesson.css", "own.css", "block_table.css",
)  # fmt: skip

# All charts have the same script: it comes once, in the head, and each calls it.
PLOT_SCRIPTS = (
    "drawn.js", "figure.js", "themed.js", "plot_shapes.js", "plot_marks.js", "plot_host.js",
)  # fmt: skip
DRAW_PLOT = "window.meDrawPlot(element, trigger, props, watch);"


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


def head_html() -> str:
    """Return the page's head: our tokens, scripts for typed numbers and focus, where plotly.js is.

    Plotly is fetched when the first charts have been drawn without it: running it before holds the
    first of them up for half a second.
    """
    return (
        f"<style>{read_asset('tokens.css')}</style>"
        f'<script type="module">{read_asset("typed.js")}</script>'
        f'<script type="module">{read_asset("kept_focus.js")}</script>'
        "<script>window.meDrawPlot = (element, trigger, props, watch) => {\n"
        f"{script(*PLOT_SCRIPTS)}\n}};</script>"
        f'<meta name="me-plotly" content="{PLOTLY_PATH}">'
    )
