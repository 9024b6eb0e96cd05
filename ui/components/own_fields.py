"""A few choices and numbers under each other, drawn from a list of fields."""

from ui.components.drawn import Drawn


class OwnFields(Drawn):
    """Draws ``ui.own.views.fields_value``; ``select`` tells that a field was edited."""

    TEMPLATE = '<div class="me-own-form me-panel"></div>'
    SCRIPTS = ("panel_controls.js", "own_fields.js")
