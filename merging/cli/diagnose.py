"""``diagnose RECIPE``: what a recipe does to the weights, without merging."""

from typing import Any

from merging.cli.json import plain
from merging.cli.models import Models, open_models, read_file
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.cli.table import figures_text
from merging.errors import RecipeError
from merging.recipe import Recipe
from merging.sketch import build_sketch, preview


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Sketch the models of a recipe's file and tell all figures of the preview.

    Raises:
        MergeError: The recipe or the models refuse, or there is no base to compare with.
    """
    recipe = read_file(options.recipe)
    models = open_models(recipe, options.recipe.parent)
    figures: dict[str, Any] = {
        "method": recipe.method,
        "dialect": recipe.dialect,
        **plain(preview_of(recipe, models, progress)),
    }
    return Answer(figures_text(figures), figures)


def preview_of(recipe: Recipe, models: Models, progress: ProgressPrinter) -> object:
    """Return the preview of a recipe: frozen dataclasses of figures.

    Raises:
        RecipeError: There is no base.
        MergeError: As ``build_sketch`` and ``preview``.
    """
    if models.base is None:
        raise RecipeError(
            "diagnose looks at changes from a base, and this recipe names none. Add base."
        )
    chosen = {expert.id: models.experts[expert.id] for expert in recipe.experts}
    return preview(build_sketch(models.base, chosen, progress=progress), recipe)
