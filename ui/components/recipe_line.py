"""The recipe in one line, on narrow pages: it stays in sight and folds the recipe column.

Such a page opens with the column folded: what the merge did comes first there.
"""

from ui.components.drawn import Drawn

_TEMPLATE = """<div class="me-line">
<button type="button" class="me-fold" aria-expanded="false"><b>Recipe</b>
<span class="me-line-recipe"></span></button>
<p class="me-live"></p></div>"""


class RecipeLine(Drawn):
    """Shows ``{"recipe", "figures"}``: the settings in words, and what they do to the weights."""

    TEMPLATE = _TEMPLATE
    SCRIPTS = ("recipe_line.js",)
