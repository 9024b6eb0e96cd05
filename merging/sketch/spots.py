"""Settings of every part of a sketch, where a recipe's values depend on layer or tensor."""

import numpy as np

from merging.engine.local import settings_by_tensor
from merging.methods.context import Settings
from merging.recipe import Recipe
from merging.sketch.columns import Columns
from merging.sketch.consensus import positive, votes
from merging.sketch.model import Sketch
from merging.sketch.tables import Floats

MOST = 4


def part_settings(sketch: Sketch, recipe: Recipe) -> tuple[Settings, ...]:
    """Return the settings of each part, those of the whole recipe where it has no local values.

    Args:
        sketch: Of the models.
        recipe: Ordered.

    Raises:
        RecipeError: The method looks at the whole model where it needs one value.
    """
    if not recipe.local:
        return (recipe.settings(),) * len(sketch.parts)

    def make() -> tuple[Settings, ...]:
        found = settings_by_tensor(recipe, sketch.names, sketch.names)
        return tuple(found[part.tensor] for part in sketch.parts)

    made: tuple[Settings, ...] = sketch.memo.get(("spots", recipe.key()), make, MOST)
    return made


def signs(columns: Columns, recipe: Recipe) -> int | Floats:
    """Return the sign of λ: one, or of each column where it may differ, shape (columns,)."""
    if not recipe.local:
        return positive(recipe.settings())[1]
    each = [positive(settings)[1] for settings in part_settings(columns.sketch, recipe)]
    return np.repeat(np.array(each, np.float32), columns.sampled)


def sides(columns: Columns, recipe: Recipe, parts: list[int]) -> Floats:
    """Return the sign with which each expert's changes in some parts meet the others'.

    Returns:
        Shape (experts, columns of the parts).
    """
    settings = part_settings(columns.sketch, recipe)
    each = np.array([votes(settings[part]) for part in parts], np.float32).T
    return np.repeat(each, columns.sampled[parts], 1)
