"""Values by block: whose, presets by name, and a small table of numbers to edit."""

from ui.components.drawn import Drawn

_TEMPLATE = """<div class="me-blocks">
<div class="me-blocks-whose" hidden><label><span>Values of</span><select></select></label></div>
<p class="me-caption" aria-live="polite"></p>
<div class="me-presets" role="group" aria-label="Presets"></div>
<div class="me-scroll" role="region" tabindex="0" aria-label="Values by block" hidden></div>
<p class="me-blocks-wrong" role="status"></p>
<details class="me-read"><summary>What the presets do</summary><dl></dl></details></div>"""


class BlockTable(Drawn):
    """Shows what ``ui.charts.local.block_table`` returns; ``{"sentence"}`` alone is only said.

    ``select`` events carry ``{"action": "target", "target"}``, ``{"action": "preset", "preset"}``
    or ``{"action": "block", "row", "column", "value"}``.
    """

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("block_table.js",)
