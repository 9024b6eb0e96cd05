"""A plotly figure in our own frame: it follows the theme, a slider, and a screen reader."""

from ui.components.drawn import Drawn

FIGURE_TOOLS = """<div class="me-tools">
<details class="me-numbers"><summary>Numbers</summary><div class="me-table"></div></details>
<button type="button" class="me-quiet me-copy">Copy data</button>{more}</div>"""
SAVE = '<button type="button" class="me-quiet me-save">Save image</button>'

_TEMPLATE = f"""<figure class="me-figure">
<figcaption class="me-caption"></figcaption>
<div class="me-plot" role="img"></div>
{FIGURE_TOOLS.format(more=SAVE)}</figure>"""


class PlotHost(Drawn):
    """Shows a figure as ``{"data", "layout", "label", "sentence", "table"}``.

    ``data`` and ``layout`` are plotly's, with colours as ``var(--me-...)`` and texts as they are:
    the script looks colours up and escapes texts. ``label`` names the picture for screen readers,
    ``sentence`` is its caption, ``table`` (``columns``, ``rows``) its numbers. Optional keys:
    ``narrow``, a layout for less than 480 px; ``patch`` (shapes, annotations) with ``revision``:
    while the revision stays, only the patch is laid out again; ``stamp``, echoed as
    ``data-stamp`` after drawing; ``name``, of the saved image.

    A click on a mark is a ``select`` event with ``{"trace", "index", "x", "y", "key"}``.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = (
        "figure.js",
        "plot_host.js",
    )
