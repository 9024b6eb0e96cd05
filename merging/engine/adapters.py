"""Merge adapters into one adapter, without their base's weights.

By default the true deltas B·A are merged by any method, over a base of zeros, and the result is
cut to a rank. In dialect peft A and B are merged apart, as its ``add_weighted_adapter`` does
(``merging.engine.adapter_factors``): another result, since the product of sums is not the sum of
products.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from merging.checkpoints.adapter_alone import deltas, modules_of, zeros
from merging.checkpoints.adapter_file import AdapterFile, Pair
from merging.engine.adapter_factors import merge_factors
from merging.engine.factored import Factored, cut, cut_product, joined
from merging.engine.plan import make_plan
from merging.engine.reading import Progress
from merging.engine.run import run
from merging.errors import CompatibilityError, RecipeError
from merging.methods.depth import DEPTH_SCALING, LINES
from merging.recipe import Recipe

PEFT = "peft"


@dataclass(frozen=True, slots=True)
class MergedAdapter:
    """The result of merging adapters.

    Attributes:
        recipe: As it was merged.
        adapters: What was merged, in the order of the recipe.
        modules: By name, the factors of the first adapter that has each: shape and kind.
        factors: Merged factors by module, float64; their scale is 1.
        how: factors (dialect peft), joined (exact) or cut (to a rank).
        seconds: Wall time.
    """

    recipe: Recipe
    adapters: tuple[AdapterFile, ...]
    modules: Mapping[str, Pair]
    factors: Mapping[str, Factored]
    how: str
    seconds: float

    @property
    def kept(self) -> float:
        """Energy kept of all modules together, in [0, 1]."""
        whole = sum(f.energy for f in self.factors.values())
        kept = sum(f.energy * f.kept for f in self.factors.values())
        return kept / whole if whole else 1.0


def merge_adapters(
    recipe: Recipe,
    adapters: Mapping[str, AdapterFile],
    rank: int | None = None,
    progress: Progress = lambda fraction, message: None,
    device: str | None = None,
) -> MergedAdapter:
    """Merge adapters of one base into one adapter.

    Args:
        recipe: Any method that needs no data; its base is not read.
        adapters: One for every expert id of the recipe; ranks may differ.
        rank: Of the result, at most; the largest of the inputs by default.
        progress: Called with the share done and a word; it may raise ``Cancelled``.
        device: As in ``merging.engine.run``.

    Returns:
        Sums (linear, task arithmetic) are exact where the rank is at least the sum of the ranks.

    Raises:
        RecipeError: The method does not work on deltas alone, or dialect peft refuses.
        CompatibilityError: Shapes differ, or an adapter is more than B·A.
        SourceError: A file cannot be read or holds a number that is not finite.
    """
    begin = time.perf_counter()
    check_alone(recipe)
    ordered = tuple(adapters[e.id] for e in recipe.experts)
    modules = modules_of(ordered)
    if not modules:
        raise CompatibilityError("The adapters change no module by B·A: nothing can be merged.")
    if recipe.dialect == PEFT:
        found = merge_factors(recipe, ordered, modules, rank, progress)
        return _made(recipe, ordered, modules, found, "factors", begin)
    wanted = rank or max(p.rank for adapter in ordered for p in adapter.pairs.values())
    shares, how = _shares(recipe), "cut"
    if shares is not None:
        found = dict(_sums(ordered, shares, modules, wanted, progress))
        exact = max(_ranks(ordered, module) for module in modules) <= wanted
        how = "joined" if exact else "cut"
    else:
        found = dict(_cuts(recipe, ordered, modules, wanted, progress, device))
    return _made(recipe, ordered, modules, found, how, begin)


def _made(
    recipe: Recipe,
    adapters: tuple[AdapterFile, ...],
    modules: Mapping[str, Pair],
    found: Mapping[str, Factored],
    how: str,
    begin: float,
) -> MergedAdapter:
    seconds = time.perf_counter() - begin
    return MergedAdapter(recipe, adapters, modules, found, how, seconds)


def _shares(recipe: Recipe) -> tuple[float, ...] | None:
    """Factors of the deltas where the merge is their sum, else None."""
    settings = recipe.settings()
    weights = settings.each["weight"]
    if recipe.method not in ("linear", "task_arithmetic"):
        return None
    if settings.common.get(DEPTH_SCALING.name):
        return None
    scale = settings.number("scale") if recipe.method == "task_arithmetic" else 1.0
    total = sum(weights) if settings.flag("normalize") else 1.0
    return tuple(w * scale / total for w in weights) if total else None


def _ranks(adapters: Sequence[AdapterFile], module: str) -> int:
    return sum(a.pairs[module].rank for a in adapters if module in a.pairs)


def _sums(
    adapters: Sequence[AdapterFile],
    shares: Sequence[float],
    modules: Mapping[str, Pair],
    rank: int,
    progress: Progress,
) -> Iterator[tuple[str, Factored]]:
    for index, module in enumerate(modules):
        progress(index / len(modules), f"merge {module}")
        chosen = [(a, s) for a, s in zip(adapters, shares, strict=True) if module in a.pairs]
        b, a = joined([each.factors(module) for each, _ in chosen], [s for _, s in chosen])
        if b.shape[1] <= rank:
            squares = float(((b.T @ b) * (a @ a.T)).sum())
            yield module, Factored(b, a, 1.0, max(0.0, squares))
        else:
            yield module, cut_product(b, a, rank)


def _cuts(
    recipe: Recipe,
    adapters: Sequence[AdapterFile],
    modules: Mapping[str, Pair],
    rank: int,
    progress: Progress,
    device: str | None,
) -> Iterator[tuple[str, Factored]]:
    """Merge true deltas, module by module where no method looks further, and cut each."""
    recipe = replace(recipe, base=None, dtype=None)
    groups = [[m] for m in modules] if _apart(recipe) else [list(modules)]
    done = 0
    for group in groups:
        base = zeros({m: modules[m] for m in group})
        ids = (e.id for e in recipe.experts)
        models = {i: deltas(a, base) for i, a in zip(ids, adapters, strict=True)}
        merged = dict(run(make_plan(recipe, base, models), device=device).tensors)
        for module in group:
            progress(done / len(modules), f"cut {module}")
            tensor = merged.pop(f"{module}.weight")
            matrix = tensor.T if modules[module].embedding else tensor.flatten(1)
            yield module, cut(matrix.double(), rank)
            done += 1


def _apart(recipe: Recipe) -> bool:
    """Whether every module's result depends on that module alone."""
    spec, settings = recipe.spec, recipe.settings()
    if spec.whole is not None or spec.id == LINES.id or settings.common.get(DEPTH_SCALING.name):
        return False
    return spec.scope(settings) != "model"


def check_alone(recipe: Recipe) -> None:
    """Make sure that a recipe can be merged without a base's weights.

    Raises:
        RecipeError: It needs measured data or a model of a certain kind, or has values by layer:
            how many layers there are is the base's to say.
    """
    needs = recipe.spec.needs
    if recipe.local:
        raise RecipeError(
            f"{recipe.local[0].param} has values by layer or tensor, which adapters alone cannot "
            "follow: only their base tells how many layers there are. Name the base and merge into "
            "a model instead, or give it one value."
        )
    if needs.data or needs.model:
        what = needs.data or f"a {needs.model} of experts"
        raise RecipeError(
            f"{recipe.spec.label} needs {what}, which adapters alone do not have. Name the base "
            "and merge into a model instead."
        )
