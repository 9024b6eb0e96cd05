"""Which controls change nothing on these models: decided by moving each one and looking."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from merging.errors import MergeError
from merging.methods.params import WEIGHT, Param, Value
from merging.recipe import Recipe
from merging.sketch.model import Sketch
from merging.sketch.tables import Counts, Floats
from merging.sketch.work import Worked, carry_out, in_loops

CLOSE = 1e-5
SEED = "seed"
RUN = 1 << 16
FEW, ENOUGH = 4, 1 << 12  # parts that are looked at first, and columns of each


@dataclass(frozen=True, slots=True)
class Inert:
    """A control that changes nothing.

    Attributes:
        name: Of the parameter, "weight", or "seed".
        expert: Whose it is, or "" for one of all experts.
    """

    name: str
    expert: str = ""


def inert(sketch: Sketch, recipe: Recipe) -> tuple[Inert, ...]:
    """Tell which controls of a recipe leave the merged weights as they are.

    Each control is moved, alone, to half and double its value (from 0 to its default and the ends
    of its slider), or to every other choice; it is inert when no sampled weight follows beyond
    rounding (a relative 1e-5). Switching an expert off, with a weight of 0, is not asked.

    Args:
        sketch: Of the models.
        recipe: Its experts must belong to the sketch.

    Returns:
        In the order of the controls; nothing where only a merge can tell.

    Raises:
        UnknownNameError: An expert is not in the sketch.
    """
    recipe = recipe.ordered()
    worked = carry_out(sketch, recipe, change=True)
    start, few = worked.merged, _few(sketch, worked)
    if start is None:
        return ()
    found, key = [], recipe.key()
    for control, others in _controls(recipe):
        moved = list(_valid(others))
        if moved and all(_still(sketch, key, start, few, m) for m in moved):
            found.append(control)
    return tuple(found)


def _few(sketch: Sketch, worked: Worked) -> Counts:
    """Parts that soon tell of most controls that they matter: no votes tied, none too small."""
    sizes = np.array([part.sampled for part in sketch.parts], np.float64)
    last = np.where(sizes >= ENOUGH, sizes, np.inf)
    return np.sort(np.lexsort((last, worked.sums.tied > 0))[:FEW])


def _still(sketch: Sketch, key: str, start: Floats, few: Counts, moved: Recipe) -> bool:
    """Whether a recipe merges to the same; all parts are worked out only where a few do not tell.

    Args:
        key: Of the recipe now.
        start: What it merges to.
        few: Indices of the parts that are looked at first.
        moved: The recipe.
    """
    if moved.key() == key:
        return True
    if len(few) < len(sketch.parts) and in_loops(sketch, moved):
        glance = carry_out(sketch, moved, change=True, only=few)
        told = few if glance.settled else few[glance.sums.tied[few] == 0]
        for part in (sketch.parts[i] for i in told):
            here = slice(part.start, part.stop)
            if glance.merged is None or not _equal(start[here], glance.merged[here]):
                return False
    return _equal(start, carry_out(sketch, moved, change=True).merged)


def _equal(one: Floats, other: Floats | None) -> bool:
    """Compare run by run, for most differ at once."""
    if other is None:
        return False
    for at in range(0, len(one), RUN):
        left, right = one[at : at + RUN], other[at : at + RUN]
        limit = CLOSE * np.maximum(np.abs(left), np.abs(right))
        if (np.abs(left - right) > limit).any():
            return False
    return True


def _valid(others: Iterator[tuple[Recipe, dict[str, object]]]) -> Iterator[Recipe]:
    """The changed recipes that are not refused."""
    for recipe, fields in others:
        try:
            yield replace(recipe, **fields)  # type: ignore[arg-type]
        except MergeError:
            continue


def _controls(
    recipe: Recipe,
) -> Iterator[tuple[Inert, Iterator[tuple[Recipe, dict[str, object]]]]]:
    """Every control with the recipes that moving it gives, as fields to be replaced."""
    spec, settings = recipe.spec, recipe.settings()
    if spec.weighted:
        for index, expert in enumerate(recipe.experts):
            values = _others(WEIGHT, expert.weight)
            yield (
                Inert("weight", expert.id),
                ((recipe, {"experts": _at(recipe, index, replace(expert, weight=float(v)))})
                 for v in values),
            )  # fmt: skip
    for param in spec.active(settings):
        values = _others(param, settings.common[param.name])
        yield Inert(param.name), ((recipe, _set(recipe, param, v)) for v in values)
    yield Inert(SEED), ((recipe, {"seed": recipe.seed ^ flip}) for flip in (1, 2))


def _at(recipe: Recipe, index: int, expert: object) -> tuple[object, ...]:
    return (*recipe.experts[:index], expert, *recipe.experts[index + 1 :])


def _set(recipe: Recipe, param: Param, value: Value) -> dict[str, object]:
    """A common value; experts that have their own take it too."""
    params = {**dict(recipe.params), param.name: value}
    experts = tuple(
        replace(e, params=tuple((n, v) for n, v in e.params if n != param.name))
        for e in recipe.experts
    )
    return {"params": tuple(params.items()), "experts": experts}


def _others(param: Param, value: Value) -> list[Value]:
    """Other values that a control could have."""
    if param.choices:
        return [choice for choice in param.choices if choice != value]
    if isinstance(param.default, bool):
        return [not value]
    if isinstance(value, str) or isinstance(param.default, str):
        return []
    tried = {value / 2, value * 2} if value else {float(param.default), *param.slider}
    if isinstance(param.default, int):
        return [int(v) for v in sorted(tried) if v == int(v) and v != value]
    return [v for v in sorted(tried) if v != value]
