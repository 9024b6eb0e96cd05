"""The experiments of a lesson from its file: a recipe, what is varied, and its values."""

from collections.abc import Callable
from typing import TypeVar

from merging.errors import RecipeError
from merging.lessons.fields import Fields
from merging.lessons.model import CONFLICT, KINDS, SCORES, Line, Series
from merging.methods.params import WEIGHT
from merging.recipe import Recipe, make_recipe
from merging.search.axis import Axis, parameter_axis

MOST_SERIES, MOST_POINTS = 12, 16
PATH = (0.0, 1.0)
Made = TypeVar("Made")


def read_series(fields: Fields) -> Series:
    """Read one experiment.

    ``vary`` holds one of: ``parameter`` with ``values`` (and ``expert``, where it is his);
    ``experts``, numbers of them, the first of the recipe; ``seeds``; ``path``, places between its
    two experts, 0 the first and 1 the second.

    Raises:
        RecipeError: The recipe, the values or a key is wrong.
    """
    name, label = fields.text("name"), fields.text("label")
    kind = fields.word("kind", KINDS, "score")
    recipe = _recipe(fields.part("recipe"))
    vary = fields.part("vary")
    points = _points(vary, recipe)
    vary.close()
    fields.close()
    return Series(name, label, "conflict" if kind == "conflict" else "score", points)


def read_line(fields: Fields, series: dict[str, Series]) -> Line:
    """Read which figure of which experiment; ``fields`` may hold more.

    Raises:
        RecipeError: There is no such experiment, or it has no such figure.
    """
    name = fields.word("series", tuple(series))
    parts = SCORES if series[name].kind == "score" else CONFLICT
    return Line(name, fields.word("line", parts), fields.text("label", ""))


def _recipe(fields: Fields) -> Recipe:
    method, name = fields.text("method"), fields.text("set")
    experts, params = fields.take("experts"), fields.take("params", {})
    seed = fields.number("seed", 0)
    fields.close()
    if not isinstance(experts, list | dict) or not isinstance(params, dict):
        raise fields.error("experts must be a list or weights by name, params values by name.")
    return _told(fields, lambda: make_recipe(method, experts, set=name, params=params, seed=seed))


def _points(vary: Fields, recipe: Recipe) -> tuple[tuple[float, Recipe], ...]:
    def along(axis: Axis) -> tuple[tuple[float, Recipe], ...]:
        return tuple((float(v), axis.at(recipe, v)) for v in axis.values)

    if vary.has("parameter"):
        name, values = vary.text("parameter"), vary.items("values", 1, MOST_POINTS)
        expert = vary.text("expert", "") if name == WEIGHT.name else ""
        return _told(
            vary, lambda: along(parameter_axis(recipe, name, values=values, expert=expert))
        )
    if vary.has("experts"):
        counts = _wholes(vary, "experts", 1, len(recipe.experts))
        return _told(vary, lambda: along(Axis("count", counts, "Number of experts")))
    if vary.has("seeds"):
        return along(Axis("seed", _wholes(vary, "seeds", 0, 10_000), "Seed"))
    if vary.has("path"):
        return _told(vary, lambda: _path(vary, recipe))
    raise vary.error("say what is varied: parameter, experts, seeds or path.")


def _path(vary: Fields, recipe: Recipe) -> tuple[tuple[float, Recipe], ...]:
    """Straight from the first expert to the second: weights 1 - t and t of an average."""
    if len(recipe.experts) != 2 or recipe.method != "linear":
        raise vary.error("a path takes two experts and the method linear.")
    first, second = (e.id for e in recipe.experts)
    values = vary.items("path", 2, MOST_POINTS)
    if not all(isinstance(t, int | float) and PATH[0] <= t <= PATH[1] for t in values):
        raise vary.error("places of a path are numbers from 0 to 1.")
    return tuple((float(t), recipe.patched(weights={first: 1 - t, second: t})) for t in values)


def _wholes(vary: Fields, name: str, least: int, most: int) -> tuple[int, ...]:
    values = vary.items(name, 1, MOST_POINTS)
    if not all(type(v) is int and least <= v <= most for v in values):
        raise vary.error(f"{name} must be whole numbers from {least} to {most}.")
    if len(set(values)) < len(values):
        raise vary.error(f"{name} lists a number twice.")
    return tuple(values)


def _told(fields: Fields, make: Callable[[], Made]) -> Made:
    """Return what is made, or raise its error with the place in the file."""
    try:
        return make()
    except RecipeError as error:
        text = str(error)
        raise (error if text.startswith(fields.where) else fields.error(text)) from error
