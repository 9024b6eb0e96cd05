"""The twelve weights: each on its way through trim, elect and merge, as a table with arrows."""

from ui.components.drawn import Drawn
from ui.components.plot_host import TABLE_TOOLS

_TEMPLATE = f"""<div class="me-weights">
<p class="me-caption"></p>
<div class="me-scroll" role="region" tabindex="0"></div>
{TABLE_TOOLS}</div>"""


class TwelveWeights(Drawn):
    """Shows what ``ui.charts.cell.twelve_table`` returns.

    On narrow pages the table scrolls inside its own region, which takes the focus.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("figure.js", "weights.js")
