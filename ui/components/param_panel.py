"""The controls of the chosen method, drawn from its declaration; their values come back as one."""

from ui.components.drawn import Drawn


class ParamPanel(Drawn):
    """Draws ``ui.views.panel.panel_value`` and keeps it up to date as its controls move.

    ``input`` fires when a value changed; ``select`` with ``{"dialect"}`` asks for a preset.
    """

    TEMPLATE = '<div class="me-panel"></div>'
    SCRIPTS = ("panel_controls.js", "param_panel.js")
