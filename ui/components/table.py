"""A plain table with its verdict: numbers that need no picture."""

from ui.components.drawn import Drawn
from ui.components.plot_host import TABLE_TOOLS

_TEMPLATE = f"""<div class="me-plain">
<p class="me-caption"></p>
<div class="me-scroll" role="region" tabindex="0"></div>
{TABLE_TOOLS}</div>"""


class PlainTable(Drawn):
    """Shows what ``ui.charts.tables.plain_table`` returns; without rows only its sentence."""

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("figure.js", "table.js")
