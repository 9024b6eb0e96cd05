"""``dialects RECIPE``: where implementations of a method part on the recipe's models."""

import math
from collections.abc import Iterator

from merging.cli.json import plain
from merging.cli.models import open_models, read_file
from merging.cli.options import Answer, Options
from merging.cli.progress import ProgressPrinter
from merging.dialects import Comparison, compare_models
from merging.recipe import Recipe


def answer(options: Options, progress: ProgressPrinter) -> Answer:
    """Compare a recipe with the other dialects of its method on its models.

    Raises:
        MergeError: The recipe or the models refuse.
    """
    recipe = read_file(options.recipe)
    models = open_models(recipe, options.recipe.parent)
    found = compare_models(recipe, models.base, models.experts, progress, options.device)
    data = {"method": recipe.method, "dialect": recipe.dialect, "others": plain(found)}
    return Answer(comparison_table(recipe, found), data)


def comparison_table(recipe: Recipe, found: tuple[Comparison, ...]) -> str:
    """Return comparisons as text: options of each dialect, then a line per tensor."""
    if not found:
        return f"{recipe.spec.label} has one dialect only: {recipe.dialect}."
    return "\n\n".join("\n".join(_lines(recipe, c)) for c in found)


def _lines(recipe: Recipe, found: Comparison) -> Iterator[str]:
    yield f"{recipe.spec.label}: {recipe.dialect} against {found.dialect}"
    for option in found.options:
        yield f"  {option.name}: {option.ours} here, {option.theirs} there"
    if not found.options:
        yield "  no option differs that the recipe leaves open"
    if found.whole is None:
        yield f"  refused: {found.refused}"
        return
    rows = {"whole model": found.whole, **found.tensors}
    width = max(map(len, rows))
    yield f"  {'':{width}}  {'difference':>11}  {'largest':>9}  {'signs':>7}"
    for name, gap in rows.items():
        apart = f"{gap.relative:.2%}" if math.isfinite(gap.relative) else "no change"
        yield f"  {name:{width}}  {apart:>11}  {gap.largest:9.2e}  {gap.signs:7.2%}"
