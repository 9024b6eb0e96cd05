"""Values of one parameter over a model's layers and blocks: read from a recipe, set in a recipe.

A ``Target`` says whose value it is; presets by name fill the whole model, an edit one block. All
are local values of the recipe (``merging.recipe.local``), so what is not touched stays as it was.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from merging.checkpoints.blocks import AFTER, ATTENTION, BEFORE, MLP, Blocks
from merging.errors import RecipeError, unknown
from merging.methods.params import WEIGHT, Param
from merging.recipe import Recipe
from merging.recipe.local import Curve, Local, Rule, Spot


@dataclass(frozen=True, slots=True)
class Target:
    """Whose value: a parameter, common to all experts where ``expert`` is ""."""

    param: str
    expert: str = ""


@dataclass(frozen=True, slots=True)
class Preset:
    """Values for a whole model by name, as shares of the way from low to high.

    Attributes:
        id: One word.
        label: Its name for people.
        says: What it does; ``{low}`` and ``{high}`` stand for the values.
        curve: Shares over depth, from the first layer to the last; or none.
        columns: Columns of blocks that take the high value, all else the low one; or none.
        layers: All layers take the high value, what stands outside them the low one.
    """

    id: str
    label: str
    says: str
    curve: tuple[float, ...] = ()
    columns: tuple[str, ...] = ()
    layers: bool = False


_OUTSIDE = "embeddings, final norm and head take {first}, as at the first layer."
PRESETS = (
    Preset("flat", "Flat", "{high} everywhere."),
    Preset(
        "up", "Ramp up",
        f"From {{low}} at the first layer to {{high}} at the last; {_OUTSIDE}", (0.0, 1.0),
    ),
    Preset(
        "down", "Ramp down",
        f"From {{high}} at the first layer to {{low}} at the last; {_OUTSIDE}", (1.0, 0.0),
    ),
    Preset(
        "middle", "Middle only",
        f"{{high}} in the middle, falling to {{low}} at the first and the last layer; {_OUTSIDE}",
        (0.0, 1.0, 0.0),
    ),
    Preset(
        "ends", "Ends only",
        f"{{high}} at the first and the last layer, falling to {{low}} in the middle; {_OUTSIDE}",
        (1.0, 0.0, 1.0),
    ),
    Preset(
        "attention", "Attention only",
        "{high} in attention (query, key, value and output), {low} everywhere else.",
        columns=(ATTENTION,),
    ),
    Preset("mlp", "MLP only", "{high} in the MLPs, {low} everywhere else.", columns=(MLP,)),
    Preset(
        "layers", "Layers only",
        "{high} in all layers, {low} outside them: embeddings, final norm and head.", layers=True,
    ),
)  # fmt: skip


def targets_of(recipe: Recipe) -> tuple[Target, ...]:
    """Return whose values may differ by layer: weights, then numbers of the method.

    Those that differ already are among them, each expert's own too.
    """
    spec, experts = recipe.spec, recipe.experts
    weights = [Target(WEIGHT.name, e.id) for e in experts] if spec.weighted else []
    common = [Target(p.name) for p in spec.active(recipe.settings()) if _floats(p)]
    there = [Target(one.param, one.expert) for one in recipe.local if _floats_of(recipe, one.param)]
    return tuple(dict.fromkeys((*weights, *common, *there)))


def plain_of(recipe: Recipe, target: Target) -> float:
    """Return the value that holds where no local one does.

    Raises:
        RecipeError: The recipe has no such number, or no such expert.
    """
    if not _floats_of(recipe, target.param):
        raise RecipeError(f"{target.param} is no number, so it has no curve over layers.")
    settings = recipe.settings()
    if not target.expert:
        return float(settings.common[target.param])
    ids = [e.id for e in recipe.experts]
    if target.expert not in ids:
        raise unknown("expert", target.expert, ids)
    return float(settings.each[target.param][ids.index(target.expert)])


def values_of(recipe: Recipe, blocks: Blocks, target: Target) -> Mapping[str, float]:
    """Return the value of a target at every tensor, by name.

    Raises:
        RecipeError: As ``plain_of``.
    """
    plain, rules = plain_of(recipe, target), _rules(recipe, target)
    if target.expert and not _said(recipe, target):
        rules += _rules(recipe, Target(target.param))
    return {name: _value(rules, spot, plain) for name, spot in blocks.spots.items()}


def with_block(
    recipe: Recipe, blocks: Blocks, target: Target, row: str, column: str, value: float
) -> Recipe:
    """Return the recipe with another value in one block.

    Raises:
        RecipeError: There is no such block, names do not allow to pick it, or the value is refused.
    """
    if (row, column) not in blocks.tensors:
        raise RecipeError(f"The model has no tensor in the block {row!r:.40}, {column!r:.40}.")
    fresh = blocks.rules(row, column, value)
    if not fresh:
        raise RecipeError(
            f"The names in the block {row}, {column} are parts of other names, so no rule can pick "
            "them alone. Write filters into the recipe's file."
        )
    where = {(rule.filter, rule.layers) for rule in fresh}
    kept = tuple(r for r in _rules(recipe, target) if (r.filter, r.layers) not in where)
    return _set(recipe, blocks, target, (*fresh, *kept))


def with_preset(recipe: Recipe, blocks: Blocks, target: Target, preset: str) -> Recipe:
    """Return the recipe with a target's values filled in by a preset.

    Raises:
        UnknownNameError: There is no such preset.
        RecipeError: The model has no tensor that the preset speaks of.
    """
    low, high = span_of(recipe, blocks, target)
    chosen = preset_of(preset)
    return _set(recipe, blocks, target, _filled(chosen, blocks, low, high))


def preset_of(name: str) -> Preset:
    """Return a preset by id.

    Raises:
        UnknownNameError: There is none.
    """
    for preset in PRESETS:
        if preset.id == name:
            return preset
    raise unknown("preset", name, [preset.id for preset in PRESETS])


def span_of(recipe: Recipe, blocks: Blocks, target: Target) -> tuple[float, float]:
    """Return what presets go between: 0 or the least that is accepted, and the plain value.

    Where the plain value is the least, as after a curve that begins there was read, the largest
    value that holds anywhere is the upper end.
    """
    low = max(0.0, recipe.spec.param(target.param).minimum)
    plain = plain_of(recipe, target)
    if plain > low:
        return low, plain
    return low, max(values_of(recipe, blocks, target).values(), default=plain)


def said_of(preset: Preset, low: float, high: float) -> str:
    """Return what a preset does, with its exact values."""
    first = low if preset.curve and not preset.curve[0] else high
    return preset.says.format(low=f"{low:g}", high=f"{high:g}", first=f"{first:g}")


def presets_for(blocks: Blocks) -> tuple[Preset, ...]:
    """Return the presets that a model has layers and modules for."""
    return tuple(preset for preset in PRESETS if _fits(preset, blocks))


def preset_at(recipe: Recipe, blocks: Blocks, target: Target) -> str:
    """Return which preset the values are, by id; "" for none."""
    found, (low, high) = values_of(recipe, blocks, target), span_of(recipe, blocks, target)
    if set(found.values()) == {high}:
        return PRESETS[0].id
    for preset in presets_for(blocks):
        rules = _filled(preset, blocks, low, high)
        if all(_value(rules, blocks.spots[name], high) == value for name, value in found.items()):
            return preset.id
    return ""


def _fits(preset: Preset, blocks: Blocks) -> bool:
    try:
        _filled(preset, blocks, 0.0, 1.0)
    except RecipeError:
        return False
    return True


def _filled(preset: Preset, blocks: Blocks, low: float, high: float) -> tuple[Rule, ...]:
    if preset.curve:
        if not blocks.height:
            raise RecipeError("No tensor's name has the number of a layer: there is no depth.")
        return (Rule(Curve(tuple(low + share * (high - low) for share in preset.curve))),)
    if preset.columns:
        return (*_picked(preset, blocks, high), Rule(low))
    outside = [cell for cell in blocks.tensors if cell[0] in (BEFORE, AFTER)]
    quiet = [rule for cell in outside for rule in blocks.rules(*cell, low)] if preset.layers else []
    if preset.layers and not (quiet and blocks.height):
        raise RecipeError("The model has no layers with something outside them.")
    return (*quiet, Rule(high))


def _picked(preset: Preset, blocks: Blocks, value: float) -> tuple[Rule, ...]:
    """Rules for all blocks of a preset's columns; one for all rows where the parts are the same."""
    cells = [cell for cell in blocks.tensors if cell[1] in preset.columns]
    if not cells or not all(blocks.parts[cell] for cell in cells):
        raise RecipeError(
            f"No tensors of this model can be told to be {' or '.join(preset.columns)} by name."
        )
    whole = {blocks.parts[cell] for cell in cells}
    if len(whole) == 1:
        return tuple(Rule(value, part) for part in whole.pop())
    return tuple(rule for cell in cells for rule in blocks.rules(*cell, value))


def _set(recipe: Recipe, blocks: Blocks, target: Target, rules: tuple[Rule, ...]) -> Recipe:
    """The recipe with these rules, those left out that say no more than is said without them."""
    whole = _put(recipe, target, rules)
    wanted = values_of(whole, blocks, target)
    deciding = {_first(rules, spot) for spot in blocks.spots.values()}
    useful = tuple(rule for i, rule in enumerate(rules) if i in deciding)
    tried = (_put(recipe, target, fewer) for fewer in ((), useful[:-1], useful))
    return next((one for one in tried if values_of(one, blocks, target) == wanted), whole)


def _first(rules: Sequence[Rule], spot: Spot) -> int:
    return next((i for i, rule in enumerate(rules) if rule.holds(spot)), -1)


def _put(recipe: Recipe, target: Target, rules: tuple[Rule, ...]) -> Recipe:
    others = [
        one for one in recipe.local if (one.param, one.expert) != (target.param, target.expert)
    ]
    mine = [Local(target.param, rules, target.expert)] if rules else []
    return replace(recipe, local=(*others, *mine))


def _rules(recipe: Recipe, target: Target) -> tuple[Rule, ...]:
    for one in recipe.local:
        if Target(one.param, one.expert) == target:
            return one.rules
    return ()


def _value(rules: Sequence[Rule], spot: Spot, plain: float) -> float:
    """What the first rule that holds says, else the plain value."""
    for rule in rules:
        if rule.holds(spot):
            return float(rule.at(spot))
    return plain


def _said(recipe: Recipe, target: Target) -> bool:
    """Whether an expert has a plain value of its own, which goes before a common curve."""
    own = next((e for e in recipe.experts if e.id == target.expert), None)
    return own is not None and target.param in ("weight", *(name for name, _ in own.params))


def _floats(param: Param) -> bool:
    return isinstance(param.default, float)


def _floats_of(recipe: Recipe, name: str) -> bool:
    try:
        return _floats(recipe.spec.param(name))
    except RecipeError:
        return False
