"""What the controls hold, as one frozen value, and its way to and from a recipe. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from merging.errors import RecipeError
from merging.methods.params import Value
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.recipe import Expert, Recipe

Own = Mapping[str, Mapping[str, Value]]


@dataclass(frozen=True, slots=True)
class MethodValues:
    """Settings of one method.

    Attributes:
        dialect: Whose reading fills in what is not set.
        params: One value for all experts, by parameter.
        own: Values of single experts, by parameter and expert.
    """

    dialect: str
    params: Mapping[str, Value]
    own: Own = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ControlValues:
    """Everything that can be set on the page.

    Attributes:
        set: Name of the set.
        on: Expert ids that are switched on.
        weights: Weight of every expert of the set, switched on or not.
        method: Id of the method.
        methods: Settings of the methods that were touched, by id.
        seed: Random draw.
        order: Experts in the order of merging, for methods that mind it; those not named follow
            in the order of the set.
        before: Experts that were on before a method took fewer or more, to come back with the
            next one; empty when none did.
    """

    set: str
    on: frozenset[str]
    weights: Mapping[str, float]
    method: str
    methods: Mapping[str, MethodValues] = field(default_factory=dict)
    seed: int = 0
    order: tuple[str, ...] = ()
    before: frozenset[str] = frozenset()

    @property
    def chosen(self) -> MethodValues:
        """Settings of the chosen method; its presets when it was never touched."""
        return self.methods.get(self.method) or preset(method(self.method))

    @property
    def sequence(self) -> tuple[str, ...]:
        """Experts that are on, in the order of merging."""
        named = list(dict.fromkeys(e for e in self.order if e in self.weights))
        everyone = [*named, *(e for e in self.weights if e not in named)]
        ordered = self.weights if method(self.method).symmetric else everyone
        return tuple(e for e in ordered if e in self.on)

    def having(self, values: MethodValues) -> "ControlValues":
        """Return a copy with other settings of the chosen method."""
        return replace(self, methods={**self.methods, self.method: values})


def preset(spec: MethodSpec, dialect: str = "paper") -> MethodValues:
    """Return a method's settings as a dialect has them.

    Raises:
        UnknownNameError: The method is not defined in that dialect.
    """
    return MethodValues(dialect, spec.defaults(dialect))


def default_values(set_name: str, experts: Sequence[str]) -> ControlValues:
    """Return the controls of a set when nothing has been touched."""
    return ControlValues(
        set=set_name,
        on=frozenset(experts),
        weights=dict.fromkeys(experts, 1.0),
        method="task_arithmetic",
    )


def fitted(values: ControlValues) -> ControlValues:
    """Return a copy with as many experts on as the chosen method takes, in the set's order.

    Those that were on before another method took fewer or more come back.
    """
    needs, wanted = method(values.method).needs, values.before or values.on
    on = [e for e in values.weights if e in wanted]
    spare = [e for e in values.weights if e not in wanted]
    on += spare[: max(0, needs.experts - len(on))]
    kept = frozenset([e for e in values.weights if e in on][: needs.most])
    return replace(values, on=kept, before=frozenset() if kept == wanted else wanted)


def to_recipe(values: ControlValues) -> Recipe:
    """Build the recipe that the controls describe.

    Raises:
        RecipeError: Something is unknown or out of range, or no expert is on.
    """
    spec, chosen = method(values.method), values.chosen
    defaults = spec.defaults(chosen.dialect)
    common = {n: v for n, v in chosen.params.items() if n not in defaults or v != defaults[n]}
    experts = tuple(
        Expert(name, values.weights[name] if spec.weighted else 1.0, _own(chosen, name))
        for name in values.sequence
    )
    return Recipe(
        method=spec.id,
        experts=experts,
        set=values.set,
        params=tuple(common.items()),
        dialect=chosen.dialect,
        seed=values.seed,
    )


def _own(chosen: MethodValues, expert: str) -> tuple[tuple[str, Value], ...]:
    return tuple((name, by[expert]) for name, by in chosen.own.items() if expert in by)


def from_recipe(recipe: Recipe, values: ControlValues) -> ControlValues:
    """Set the controls to a recipe, leaving the other methods' controls as they are.

    Raises:
        RecipeError: The recipe has something for which there is no control.
    """
    recipe.plain("The page")
    if recipe.tokenizer is not None:
        raise RecipeError(
            "The recipe asks for a tokenizer; models of a set share one. Remove that line."
        )
    if recipe.dtype is not None:
        raise RecipeError(
            f"The recipe asks for dtype {recipe.dtype}. The page writes the set's own type: "
            "remove that line, or use python -m merging merge."
        )
    spec = recipe.spec
    own: dict[str, dict[str, Value]] = {}
    for expert in recipe.experts:
        for name, value in expert.params:
            own.setdefault(name, {})[expert.id] = value
    weights = dict.fromkeys(values.weights, 1.0)
    chosen = MethodValues(recipe.dialect, preset(spec, recipe.dialect).params, own)
    chosen = replace(chosen, params={**chosen.params, **dict(recipe.params)})
    return replace(
        values,
        set=recipe.set or values.set,
        on=frozenset(e.id for e in recipe.experts),
        weights=weights | {e.id: e.weight for e in recipe.experts},
        method=spec.id,
        seed=recipe.seed,
        order=tuple(e.id for e in recipe.experts),
    ).having(chosen)
