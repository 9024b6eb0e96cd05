"""The choice of a base and of experts by name, each expert with a switch and a weight."""

from ui.components.drawn import Drawn


class OwnModels(Drawn):
    """Draws ``ui.own.views.models_value`` and keeps it up to date as its controls move.

    ``select`` tells that the form, or the method's panel on the same page, was edited and has come
    to rest.
    """

    TEMPLATE = '<div class="me-own-form me-panel"></div>'
    SCRIPTS = ("panel_controls.js", "own_models.js")
