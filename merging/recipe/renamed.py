"""A recipe with other ids for some of its models."""

from collections.abc import Mapping
from dataclasses import replace

from merging.recipe.layers import Layers
from merging.recipe.model import Recipe


def renamed(recipe: Recipe, names: Mapping[str, str]) -> Recipe:
    """Return a recipe whose models have other ids; what it means for them stays.

    Args:
        recipe: Any; masks at random depend on ids and are others afterwards.
        names: New id by old one; of ``MODEL+ADAPTER`` the model is looked up.

    Raises:
        RecipeError: Two experts would have one id.
    """

    def new(name: str) -> str:
        model, plus, adapter = name.partition("+")
        return names.get(name) or f"{names.get(model, model)}{plus}{adapter}"

    def moved(runs: tuple[Layers, ...]) -> tuple[Layers, ...]:
        return tuple(replace(run, model=new(run.model)) for run in runs)

    known = {e.id for e in recipe.experts}
    return replace(
        recipe,
        base=None if recipe.base is None else new(recipe.base),
        base_layers=moved(recipe.base_layers),
        experts=tuple(replace(e, id=new(e.id), layers=moved(e.layers)) for e in recipe.experts),
        local=tuple(replace(one, expert=new(one.expert)) for one in recipe.local),
        tokenizer=new(recipe.tokenizer) if recipe.tokenizer in known else recipe.tokenizer,
        tokens=tuple(
            replace(one, model=new(one.model)) if one.model in known else one
            for one in recipe.tokens
        ),
    )
