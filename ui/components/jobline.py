"""The job line: waiting, progress, or how the last merge ended."""

from ui.components.drawn import Drawn

_TEMPLATE = """<div class="me-job">
<div class="me-job-track" role="progressbar" aria-label="Merge and evaluation" aria-valuemin="0"
 aria-valuemax="100" hidden><div class="me-job-bar"></div></div>
<span class="me-job-text"></span><span class="me-job-said" aria-live="polite"></span></div>"""


class JobLine(Drawn):
    """Shows a ``JobView`` as a dict; a screen reader hears changes of state, not every step."""

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("jobline.js",)
