"""The list of runs: what was tried, how it scored, with a button to show and one to pin."""

from ui.components.drawn import Drawn

_TEMPLATE = '<div class="me-runs"></div>'


class RunList(Drawn):
    """Shows ``{"rows": [RunRow as dict, ...]}``; ``select`` carries ``{"key", "action"}``."""

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("runlist.js",)
