"""The same merge said twice: as mergekit's configuration, or peft's call, and as our recipe."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from merging.recipe import Expert, Recipe

Values = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """One merge.

    Attributes:
        id: Name of the case.
        theirs: mergekit's ``merge_method`` or the name of peft's function.
        options: Their parameters for the whole merge.
        each: Their parameters for each model; its keys are the models, in order.
        ours: Our recipe.
        base: Whether mergekit is given the base model, and whether it is listed as a model too.
        within: Largest difference allowed, relative to the largest number of the tensor.
        masked: Their random mask is read off their result and given to ours.
    """

    id: str
    theirs: str
    options: Values
    each: Mapping[str, Values]
    ours: Recipe
    base: bool = True
    within: float = 1e-6
    masked: bool = False

    def config(self, folder: str) -> dict[str, Any]:
        """Return mergekit's configuration for the models of a folder."""
        models = [
            {"model": f"{folder}/{name}", "parameters": dict(values)}
            for name, values in self.each.items()
        ]
        found = {
            "merge_method": self.theirs,
            "models": models,
            "parameters": dict(self.options),
            "dtype": "float32",
        }
        return found | ({"base_model": f"{folder}/base"} if self.base else {})


@dataclass(frozen=True)
class _Said:
    """Experts with a weight and values of their own, in both tongues."""

    weights: tuple[float, ...] = (0.7, 0.5, -0.2)
    names: tuple[str, ...] = ("a", "b", "c")
    own: Mapping[str, tuple[float, ...]] = field(default_factory=dict)

    def each(self, weigh: bool = True) -> dict[str, Values]:
        found = {}
        for index, name in enumerate(self.names):
            weight = {"weight": self.weights[index]} if weigh else {}
            found[name] = weight | {key: values[index] for key, values in self.own.items()}
        return found

    def experts(self, weigh: bool = True) -> tuple[Expert, ...]:
        def own(index: int) -> tuple[tuple[str, float], ...]:
            return tuple((key, values[index]) for key, values in self.own.items())

        return tuple(
            Expert(name, self.weights[index] if weigh else 1.0, own(index))
            for index, name in enumerate(self.names)
        )


def _case(
    id: str,
    theirs: str,
    method: str,
    options: Values | None = None,
    params: Values | None = None,
    said: _Said | None = None,
    weigh: bool = True,
    **more: Any,
) -> Case:
    said = said or _Said()
    recipe = Recipe(
        method, said.experts(weigh), params=tuple((params or {}).items()), dialect="mergekit"
    )
    return Case(id, theirs, options or {}, said.each(weigh), recipe, **more)


PLAIN = _Said(weights=(0.7, 0.5, 0.2))
TWO = _Said(weights=(0.3, 0.9), names=("a", "b"))
ONE = _Said(weights=(1.0,), names=("a",))
DENSE = _Said(own={"density": (0.3, 0.5, 0.8)})
POSITIVE = _Said(weights=(0.7, 0.5, 0.2), own={"density": (0.3, 0.5, 0.8)})
OUTLIERS = _Said(own={"density": (0.3, 0.5, 0.8), "gamma": (0.1, 0.05, 0.01)})
FULL = {"density": 1.0}


def _full(names: _Said) -> dict[str, Values]:
    return {name: {**values, "density": 1.0} for name, values in names.each().items()}


def _undropped(id: str, theirs: str, method: str, params: Values) -> Case:
    """A random method at density 1: nothing is drawn."""
    case = _case(id, theirs, method, {"lambda": 0.8}, {"scale": 0.8, **params}, said=PLAIN)
    return Case(id, theirs, case.options, _full(PLAIN), case.ours)


def _slerp() -> Case:
    """mergekit goes from the base model to the other."""
    recipe = Recipe("slerp", (Expert("base"), Expert("a")), params=(("t", 0.3),))
    return Case("slerp", "slerp", {"t": 0.3}, {"base": {}, "a": {}}, recipe)


def _of_two(id: str, theirs: str, options: Values, params: Values) -> Case:
    """Methods that take the base model and one other, listed both."""
    recipe = Recipe(theirs, (Expert("a"),), params=tuple(params.items()), dialect="mergekit")
    return Case(id, theirs, options, {"base": {}, "a": {}}, recipe)


def _drawn(id: str, theirs: str, method: str, options: Values, params: Values) -> Case:
    """One expert, dropped at random by them: where their result moved shows their mask."""
    recipe = Recipe(method, (Expert("a"),), params=tuple(params.items()), dialect="mergekit")
    each = {"a": {"weight": 1.0, **options}}
    return Case(id, theirs, {}, each, recipe, masked=True)


MERGEKIT = (
    _case("linear", "linear", "linear", said=PLAIN, base=False),
    _case("linear, factors", "linear", "linear", {"normalize": False}, {"normalize": False},
          base=False),
    _case("task_arithmetic", "task_arithmetic", "task_arithmetic", {"lambda": 0.6}, {"scale": 0.6}),
    _case("task_arithmetic, mean", "task_arithmetic", "task_arithmetic", {"normalize": True},
          {"normalize": True}),
    _case("ties", "ties", "ties", {"lambda": 0.9}, {"scale": 0.9}, said=POSITIVE),
    _case("ties, negative weight", "ties", "ties", said=DENSE),
    _case("ties, sum", "ties", "ties", {"normalize": False}, {"combine": "sum"}, said=DENSE),
    _case("ties, rescaled", "ties", "ties", {"rescale": True}, {"rescale": "l1"}, said=POSITIVE),
    _undropped("dare_linear, nothing dropped", "dare_linear", "dare", {"drop_rate": 0.0}),
    _undropped("dare_ties, nothing dropped", "dare_ties", "dare_ties", {"drop_rate": 0.0}),
    _undropped("della, nothing dropped", "della", "della", FULL),
    _undropped("della_linear, nothing dropped", "della_linear", "della_linear", FULL),
    _drawn("dare_linear, their mask", "dare_linear", "dare", {"density": 0.4}, {"drop_rate": 0.6}),
    _drawn("dare_ties, their mask", "dare_ties", "dare_ties", {"density": 0.4}, {"drop_rate": 0.6}),
    _drawn("della_linear, their mask", "della_linear", "della_linear",
           {"density": 0.5, "epsilon": 0.2}, {"density": 0.5, "epsilon": 0.2}),
    _case("breadcrumbs", "breadcrumbs", "breadcrumbs", {"lambda": 0.9}, {"scale": 0.9},
          said=OUTLIERS),
    _case("breadcrumbs_ties", "breadcrumbs_ties", "breadcrumbs_ties", said=OUTLIERS),
    _case("sce", "sce", "sce", {"select_topk": 0.4}, {"select": 0.4}, weigh=False),
    _case("sce, all selected", "sce", "sce", {"select_topk": 1.0}, {"select": 1.0}, weigh=False),
    _case("model_stock", "model_stock", "model_stock", weigh=False),
    _case("model_stock, rows", "model_stock", "model_stock", {"filter_wise": True},
          {"by_row": True}, weigh=False),
    _slerp(),
    _case("nuslerp", "nuslerp", "nuslerp", said=TWO),
    _case("nuslerp, around zero", "nuslerp", "nuslerp", {}, {"around": "origin"}, said=TWO,
          base=False),
    _case("nuslerp, rows", "nuslerp", "nuslerp", {"nuslerp_flatten": False}, {"flatten": "row"},
          said=TWO),
    _case("nuslerp, columns", "nuslerp", "nuslerp",
          {"nuslerp_flatten": False, "nuslerp_row_wise": True}, {"flatten": "column"}, said=TWO),
    _case("multislerp", "multislerp", "multislerp", said=PLAIN),
    _case("multislerp, around zero", "multislerp", "multislerp", {}, {"around": "origin"},
          said=PLAIN, base=False),
    _case("karcher", "karcher", "karcher", weigh=False, base=False),
    _case("ram", "ram", "ram", {"epsilon": 0.02}, {"changed": 0.02}, weigh=False),
    _case("ramplus_tl", "ramplus_tl", "ram_plus", {"epsilon": 0.02, "r": 0.3, "alpha": 0.5},
          {"changed": 0.02, "boost": 0.3, "ceiling": 0.5}, weigh=False),
    _of_two("nearswap", "nearswap", {"t": 0.02}, {"t": 0.02}),
    _of_two("arcee_fusion", "arcee_fusion", {}, {}),
)  # fmt: skip


def _peft(id: str, theirs: str, method: str, options: Values, params: Values) -> Case:
    recipe = Recipe(method, PLAIN.experts(), params=tuple(params.items()), dialect="peft")
    return Case(id, theirs, {"weights": list(PLAIN.weights), **options}, PLAIN.each(), recipe)


HALF = {"density": 0.5}
PEFT = (
    _peft("task_arithmetic", "task_arithmetic", "task_arithmetic", {}, {}),
    _peft("ties", "ties", "ties", HALF, HALF),
    _peft("ties, frequency", "ties", "ties", {**HALF, "majority_sign_method": "frequency"},
          {**HALF, "election": "count"}),
    _peft("magnitude_prune", "magnitude_prune", "magnitude_prune", HALF, HALF),
    _peft("dare_linear, nothing dropped", "dare_linear", "dare", FULL, {"drop_rate": 0.0}),
    _peft("dare_ties, nothing dropped", "dare_ties", "dare_ties", FULL, {"drop_rate": 0.0}),
)  # fmt: skip
