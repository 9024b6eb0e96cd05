"""``diagnose RECIPE``: what a recipe does to the weights, without merging."""

from merging.cli.diagnosis import diagnosis, diagnosis_text
from merging.cli.models import open_models, read_file
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.errors import RecipeError
from merging.sketch import build_sketch, inert, preview


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Sketch the models of a recipe's file and tell all figures of the preview.

    Raises:
        RecipeError: There is no base to compare with, or the recipe compared with has others.
        MergeError: The recipe or the models refuse.
    """
    recipe = read_file(options.recipe)
    models = open_models(recipe, options.recipe.parent)
    if models.base is None:
        raise RecipeError(
            "diagnose looks at changes from a base, and this recipe names none. Add base."
        )
    against = read_file(options.against) if options.against else None
    for other in against.experts if against else ():
        if other.id not in {e.id for e in recipe.experts}:
            raise RecipeError(
                f"{str(options.against)!r} has an expert {other.id!r:.60} that "
                f"{str(options.recipe)!r} lacks. Compare recipes of the same experts."
            )
    chosen = {expert.id: models.experts[expert.id] for expert in recipe.experts}
    sketch = build_sketch(models.base, chosen, quick=options.quick, progress=progress)
    told = diagnosis(recipe, preview(sketch, recipe, against), inert(sketch, recipe))
    return Answer(diagnosis_text(told), told)
