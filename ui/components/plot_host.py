"""A plotly figure in our own frame: it follows the theme, a slider, and a screen reader."""

from ui.components.assets import DRAW_PLOT
from ui.components.drawn import Drawn

COPIES = """<button type="button" class="me-quiet me-copy">Copy data</button>
<button type="button" class="me-quiet me-csv">Save CSV</button>"""
TABLE_TOOLS = f'<div class="me-tools">{COPIES}</div>'
FIGURE_TOOLS = f"""<div class="me-tools">
<details class="me-numbers"><summary>Numbers</summary>
<div class="me-table" role="region" aria-label="Numbers" tabindex="0"></div></details>
{COPIES}{{more}}</div>"""
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
    ``narrow``, a layout for less than 480 px; ``stamp``, echoed as ``data-stamp`` after drawing;
    ``name``, of the saved files. Without a layout there is only the sentence.

    What moves while a slider is dragged stands in ``patch`` (shapes, annotations) and ``restyle``
    (a list of ``{"trace", "update"}``: what changes of the trace at that place), with a
    ``revision``: while it stays, only these are drawn again, and a value may leave ``data`` out to
    be applied to the last one that had it.

    A click on a mark is a ``select`` event with ``{"trace", "index", "x", "y", "key"}``.
    """

    TEMPLATE = _TEMPLATE

    def on_load(self) -> str:
        """Return a call of the script that stands in the page's head, once for all charts."""
        return DRAW_PLOT
