"""What the dialects of a method fill in differently where a recipe leaves it open."""

from dataclasses import dataclass

from merging.methods.params import Value
from merging.recipe.model import Recipe


@dataclass(frozen=True, slots=True)
class Option:
    """A parameter that two dialects fill in differently: its name, our value and theirs."""

    name: str
    ours: Value
    theirs: Value


def differing_options(recipe: Recipe, dialect: str) -> tuple[Option, ...]:
    """Return what another dialect fills in differently where the recipe says nothing.

    A parameter that every expert of the recipe sets for itself is not left open.

    Raises:
        UnknownNameError: The method is not defined in that dialect.
    """
    spec, said = recipe.spec, dict(recipe.params)
    ours, theirs = spec.defaults(recipe.dialect), spec.defaults(dialect)
    own = {p.name for p in spec.params if all(p.name in dict(e.params) for e in recipe.experts)}
    return tuple(
        Option(p.name, ours[p.name], theirs[p.name])
        for p in spec.params
        if p.name not in own | said.keys() and ours[p.name] != theirs[p.name]
    )
