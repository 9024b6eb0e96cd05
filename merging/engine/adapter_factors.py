"""Adapters merged as peft merges them: A and B apart, each with the root of its weight.

A = M(√|w·s| · sign(w·s), A), B = M(√|w·s|, B), where s is the adapter's scale and M one of
task_arithmetic (peft's ``linear``), ties, dare (``dare_linear``), dare_ties and magnitude_prune.
The product B·A has cross terms BᵢAⱼ that are in no adapter.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from torch import Tensor

from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.adapter_file import AdapterFile, Pair
from merging.engine.factored import Factored, cut_product
from merging.engine.plan import make_plan
from merging.engine.reading import Progress
from merging.engine.run import run
from merging.errors import CompatibilityError, ParameterError, RecipeError
from merging.recipe import Recipe

METHODS = ("task_arithmetic", "ties", "dare", "dare_ties", "magnitude_prune")


def merge_factors(
    recipe: Recipe,
    adapters: Sequence[AdapterFile],
    modules: Mapping[str, Pair],
    rank: int | None,
    progress: Progress,
) -> dict[str, Factored]:
    """Merge the factors of every module.

    Args:
        recipe: In dialect peft; experts in the order of ``adapters``.
        adapters: All of one rank. One that lacks a module does not take part in it.
        modules: What any of them changes.
        rank: None, or that rank.
        progress: Called with the share done and a word.

    Returns:
        Factors by module, whose scale is 1.

    Raises:
        RecipeError: The method is none of ``METHODS``, or the rank is another.
        CompatibilityError: Ranks differ.

    Source:
        peft 0.21.2, ``LoraModel.add_weighted_adapter``, checked against it in tests/cross.
    """
    _check(recipe, adapters, rank)
    found = {}
    for index, module in enumerate(modules):
        progress(index / len(modules), f"merge {module}")
        sides = [_side(recipe, adapters, module, side) for side in "ab"]
        a, b = (side.double() for side in sides)
        whole = cut_product(b, a, a.shape[0])
        found[module] = Factored(b, a, 1.0, whole.energy)
    return found


def _side(recipe: Recipe, adapters: Sequence[AdapterFile], module: str, side: str) -> Tensor:
    """Merge A or B of one module, float32 as peft does."""
    experts, models = [], {}
    for expert, adapter in zip(recipe.experts, adapters, strict=True):
        if module not in adapter.pairs:
            continue
        b, a = adapter.factors(module, scaled=False)
        weight = expert.weight * adapter.config.scale_of(module)
        root = math.sqrt(abs(weight)) * (-1 if weight < 0 and side == "a" else 1)
        experts.append(replace(expert, weight=root))
        tensor = (a if side == "a" else b).float()
        models[expert.id] = MemoryCheckpoint(adapter.name, {f"{module}.lora_{side}": tensor})
    part = replace(recipe, experts=tuple(experts), base=None, dtype=None)
    (name, first), *_ = next(iter(models.values())).state.items()
    base = MemoryCheckpoint("the base of zeros", {name: first * 0})
    return run(make_plan(part, base, models), device="cpu").tensors[name]


def _check(recipe: Recipe, adapters: Sequence[AdapterFile], rank: int | None) -> None:
    if recipe.method not in METHODS:
        raise RecipeError(
            f"peft merges the factors of adapters by {', '.join(METHODS)}, not by "
            f"{recipe.method}. Take one of them, or another dialect, which merges true deltas."
        )
    scale = recipe.settings().common.get("scale", 1.0)
    if scale != 1:
        raise ParameterError(
            f"scale is {scale:g}, and peft has no scale: put it into the weights of the experts."
        )
    ranks = {a.name: {p.rank for p in a.pairs.values()} for a in adapters}
    if len(set().union(*ranks.values())) > 1:
        said = ", ".join(f"{n} {'/'.join(map(str, sorted(r)))}" for n, r in ranks.items())
        raise CompatibilityError(
            f"In dialect peft A and B are merged apart, which needs adapters of one rank; these "
            f"have {said}. Another dialect merges the true deltas."
        )
    (own,) = set().union(*ranks.values())
    if rank is not None and rank != own:
        raise RecipeError(
            f"In dialect peft the merged adapter has the rank of its inputs, {own}; {rank} is "
            "asked for. Another dialect merges the true deltas and cuts to any rank."
        )
