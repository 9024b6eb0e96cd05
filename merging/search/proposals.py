"""What to try next, by Optuna; nothing else in this project imports it.

The sampler is TPE with one objective for each task. Optuna's CMA-ES takes one objective only and
a package more, so it is not used.
"""

from collections.abc import Sequence
from typing import Any

from merging.methods.params import Value
from merging.recipe import Recipe
from merging.search.axis import Axis
from merging.search.plan import point_at
from merging.search.points import Point

STARTS = 8  # proposals at random before TPE begins


class Study:
    """Optuna behind three words: what next, how good it was, and what is known already."""

    def __init__(
        self, seed: int, recipe: Recipe, axes: Sequence[Axis], tasks: Sequence[str]
    ) -> None:
        """Begin a study.

        Args:
            seed: Of the proposals.
            recipe: What is changed.
            axes: What may change.
            tasks: The objectives: accuracy on each.
        """
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self._recipe, self._axes, self._tasks, self._optuna = recipe, axes, tasks, optuna
        self._ranges = {str(i): _range(recipe, axis, optuna) for i, axis in enumerate(axes)}
        sampler = optuna.samplers.TPESampler(seed=seed, n_startup_trials=STARTS)
        self._study = optuna.create_study(sampler=sampler, directions=["maximize"] * len(tasks))
        self._asked: list[Any] = []

    def next(self) -> Point:
        """Return a proposal without answers."""
        trial = self._study.ask(self._ranges)
        self._asked.append(trial)
        values = [trial.params[name] for name in self._ranges]
        rounded = [round(v, 9) if isinstance(v, float) else v for v in values]
        return point_at(self._recipe, self._axes, rounded)

    def tell(self, points: Sequence[Point]) -> None:
        """Tell what became of all proposals since the last time, in their order."""
        for trial, point in zip(self._asked, points, strict=True):
            if point.error:
                self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
            else:
                self._study.tell(trial, self._scores(point))
        self._asked = []

    def know(self, point: Point) -> None:
        """Tell of the recipe as it stands, where its settings lie within the ranges."""
        params = {str(i): _value_of(self._recipe, axis) for i, axis in enumerate(self._axes)}
        if point.error:
            return
        try:
            made = self._optuna.trial.create_trial(
                params=params, distributions=self._ranges, values=self._scores(point)
            )
        except ValueError:
            return  # it lies outside of the ranges
        self._study.add_trial(made)

    def _scores(self, point: Point) -> list[float]:
        return [point.accuracy[task].value for task in self._tasks]


def _range(recipe: Recipe, axis: Axis, optuna: Any) -> Any:
    kinds = optuna.distributions
    low, high = axis.values[0], axis.values[-1]
    if axis.kind not in ("parameter", "count") or isinstance(low, bool | str):
        return kinds.CategoricalDistribution(axis.values)
    numbers = [float(v) for v in axis.values]
    low, high = min(numbers), max(numbers)
    if axis.kind == "count" or isinstance(axis.values[0], int):
        return kinds.IntDistribution(int(low), int(high))
    step = recipe.spec.param(axis.name).step
    steps = int((high - low) / step + 1e-6)
    if not steps:
        return kinds.CategoricalDistribution(axis.values)
    return kinds.FloatDistribution(low, round(low + steps * step, 9), step=step)


def _value_of(recipe: Recipe, axis: Axis) -> Value:
    """What a recipe has on an axis."""
    if axis.kind == "count":
        return len(recipe.experts)
    if axis.kind != "parameter":
        return recipe.method if axis.kind == "method" else recipe.seed
    if axis.expert:
        place = [e.id for e in recipe.experts].index(axis.expert)
        return recipe.settings().each[axis.name][place]
    return recipe.settings().common[axis.name]
