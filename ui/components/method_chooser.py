"""The choice of a method: five at hand, all of them by family behind a button, with a search."""

from ui.components.drawn import Drawn

_TEMPLATE = """<div class="me-chooser">
<fieldset class="me-quick"><legend class="me-hidden">Method</legend></fieldset>
<button type="button" class="me-all-button" aria-expanded="false"></button>
<div class="me-all" hidden>
<input type="search" class="me-search" placeholder="Search by name, idea or author"
 aria-label="Search methods" autocomplete="off" spellcheck="false">
<p class="me-found" role="status"></p><div class="me-families"></div></div></div>"""


class MethodChooser(Drawn):
    """Draws ``ui.views.chooser.chooser_value``; ``select`` carries ``{"method": id}``."""

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("method_chooser.js",)
