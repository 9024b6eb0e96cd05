"""Settings of each tensor of a plan whose recipe has values that depend on layer or name."""

from collections.abc import Iterable

import torch

from merging.engine.beyond import Noted, ask
from merging.errors import ParameterError, RecipeError
from merging.methods.context import Context, Settings
from merging.methods.magnitudes import SortedMagnitudes
from merging.methods.masks import HashMasks
from merging.methods.totals import Tally
from merging.recipe import Recipe
from merging.recipe.local import spots_of


def settings_by_tensor(
    recipe: Recipe, names: Iterable[str], merged: Iterable[str]
) -> dict[str, Settings]:
    """Return the settings of every merged tensor; nothing where the recipe has no local values.

    Args:
        recipe: With experts in computing order.
        names: All tensors of the reference model: they tell how many layers there are.
        merged: Those that are merged.

    Raises:
        RecipeError: The method looks at the whole model where it needs one value, or a local
            value would change how it works.
    """
    if not recipe.local:
        return {}
    _check_whole(recipe)
    spots = spots_of(names)
    found = {name: recipe.settings_at(spots[name]) for name in merged}
    usual, seen = _kind(recipe, recipe.settings()), set()
    for name, settings in found.items():
        mark = repr((settings.common, settings.each))
        if mark in seen:
            continue
        seen.add(mark)
        _check(recipe, name, settings, usual)
    return found


def _check(recipe: Recipe, name: str, settings: Settings, usual: object) -> None:
    if _kind(recipe, settings) != usual:
        raise RecipeError(
            f"A local value at {name!r} changes how {recipe.spec.label} works as a whole. Give "
            "that parameter one value for all tensors."
        )
    if recipe.spec.check is not None:
        try:
            recipe.spec.check(settings)
        except ParameterError as error:
            raise ParameterError(f"At {name!r}: {error}") from error


def _kind(recipe: Recipe, settings: Settings) -> object:
    spec = recipe.spec
    return spec.space_of(settings), spec.scope(settings) == "model"


def _check_whole(recipe: Recipe) -> None:
    """Refuse a local value of a parameter that is used on the whole model at once."""
    spec, settings = recipe.spec, recipe.settings()
    local = {entry.param for entry in recipe.local}
    if spec.whole is not None:
        raise _refusal(recipe, min(local))
    if spec.scope(settings) != "model":
        return
    common, each = Noted(settings.common), Noted(settings.each)
    told = Context(
        tensor="",
        experts=tuple(e.id for e in recipe.experts),
        settings=Settings(common, each, settings.dialect),
        masks=HashMasks(recipe.seed),
        magnitudes=SortedMagnitudes(()),
        base=torch.zeros(0),
    )
    ask(spec.trim, told)
    ranked = local & (common.read | each.read)
    if ranked or not isinstance(spec.survey, Tally | None):
        raise _refusal(recipe, min(ranked or local))


def _refusal(recipe: Recipe, param: str) -> RecipeError:
    return RecipeError(
        f"{recipe.spec.label} looks at the whole model at once under these settings, so {param} "
        "cannot differ between layers or tensors. Give it one value, or compare within each tensor."
    )
