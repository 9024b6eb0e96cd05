"""What the controls hold, as one frozen value, and its way to and from a recipe. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from merging.errors import RecipeError
from merging.methods.params import Value
from merging.methods.registry import method
from merging.recipe import Expert, Recipe

# The page has controls for these; the command line and the library merge by all of the registry.
SHOWN = tuple(method(name) for name in ("linear", "task_arithmetic", "ties", "dare", "dare_ties"))


@dataclass(frozen=True, slots=True)
class ControlValues:
    """Everything that can be set on the page.

    Attributes:
        set: Name of the set.
        on: Expert ids that are switched on.
        weights: Weight of every expert of the set, switched on or not.
        method: Id of the method.
        params: Values of the controls of every method, by (method, parameter).
        dialects: Chosen dialect of every method.
        seed: Random draw.
    """

    set: str
    on: frozenset[str]
    weights: Mapping[str, float]
    method: str
    params: Mapping[tuple[str, str], Value]
    dialects: Mapping[str, str]
    seed: int = 0


def control_keys() -> tuple[tuple[str, str], ...]:
    """Return (method, parameter) of every control, in the order of the page."""
    return tuple((spec.id, p.name) for spec in SHOWN for p in spec.params)


def default_values(set_name: str, experts: Sequence[str]) -> ControlValues:
    """Return the controls of a set when nothing has been touched: every preset of every method."""
    return ControlValues(
        set=set_name,
        on=frozenset(experts),
        weights=dict.fromkeys(experts, 1.0),
        method="task_arithmetic",
        params={
            (spec.id, name): value
            for spec in SHOWN
            for name, value in spec.defaults("paper").items()
        },
        dialects={spec.id: "paper" for spec in SHOWN},
    )


def to_recipe(values: ControlValues) -> Recipe:
    """Build the recipe that the controls describe.

    Raises:
        RecipeError: Something is out of range, or no expert is on.
    """
    spec = method(values.method)
    experts = tuple(
        Expert(name, weight) for name, weight in values.weights.items() if name in values.on
    )
    defaults = spec.defaults(values.dialects.get(spec.id, "paper"))
    chosen = {p.name: values.params[spec.id, p.name] for p in spec.params}
    return Recipe(
        method=spec.id,
        experts=experts,
        set=values.set,
        params=tuple((n, v) for n, v in chosen.items() if v != defaults[n]),
        dialect=values.dialects.get(spec.id, "paper"),
        seed=values.seed,
    )


def from_recipe(recipe: Recipe, values: ControlValues) -> ControlValues:
    """Set the controls to a recipe, leaving the other methods' controls as they are.

    Raises:
        RecipeError: The recipe holds something the page has no control for.
    """
    if recipe.spec not in SHOWN:
        raise RecipeError(
            f"The page has no controls for {recipe.spec.label}. "
            "Merge this recipe with python -m merging merge."
        )
    own = [e.id for e in recipe.experts if e.params]
    if own:
        raise RecipeError(
            f"The recipe gives {own[0]} values of its own. The page has one value for all experts: "
            "move them to params, or use python -m merging merge."
        )
    if recipe.dtype is not None:
        raise RecipeError(
            f"The recipe asks for dtype {recipe.dtype}. The page writes the set's own type: "
            "remove that line, or use python -m merging merge."
        )
    spec = recipe.spec
    filled = spec.defaults(recipe.dialect) | dict(recipe.params)
    weights = dict.fromkeys(values.weights, 1.0)
    return replace(
        values,
        set=recipe.set or values.set,
        on=frozenset(e.id for e in recipe.experts),
        weights=weights | {e.id: e.weight for e in recipe.experts},
        method=spec.id,
        params={**values.params, **{(spec.id, n): v for n, v in filled.items()}},
        dialects={**values.dialects, spec.id: recipe.dialect},
        seed=recipe.seed,
    )
