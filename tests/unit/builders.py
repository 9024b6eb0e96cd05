"""Small models and recipes with explicit seeds, shared by the unit tests."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from hypothesis import strategies as st
from torch import Tensor, tensor

from merging.checkpoints import MemoryCheckpoint
from merging.engine import make_plan, run
from merging.errors import ParameterError
from merging.methods.context import Context
from merging.methods.magnitudes import MeasuredMagnitudes
from merging.methods.masks import HashMasks
from merging.methods.params import Param
from merging.methods.registry import METHODS, method
from merging.methods.spec import MethodSpec
from merging.recipe import Expert, Recipe, make_recipe
from merging.recipe.local import spots_of

State = dict[str, Tensor]

SHAPES = {
    "embeddings.weight": (3, 4),
    "layers.0.attention.q_proj.weight": (4, 4),
    "layers.0.mlp.fc1.bias": (5,),
    "layers.1.mlp.fc2.weight": (4, 3),
    "logit_scale": (),
    "norm.weight": (4,),
}


def quiet() -> None:
    """Keep transformers from printing while models are made and loaded."""
    from transformers.utils import logging

    said: Any = logging
    said.set_verbosity_error()
    said.disable_progress_bar()


def row(*values: float) -> Tensor:
    """One tensor written out by hand."""
    return tensor(values, dtype=torch.float32)


def state(seed: int, scale: float = 1.0, shapes: Mapping[str, tuple[int, ...]] = SHAPES) -> State:
    """Random weights of a small model."""
    source = torch.Generator().manual_seed(seed)
    return {n: torch.randn(s, generator=source) * scale for n, s in shapes.items()}


def experts(base: State, count: int, seed: int, scale: float = 0.1) -> dict[str, State]:
    """Experts e0, e1, ...: the base plus small random changes."""
    return {
        f"e{i}": {n: base[n] + d for n, d in state(1000 * seed + i, scale).items()}
        for i in range(count)
    }


def checkpoints(models: Mapping[str, State]) -> dict[str, MemoryCheckpoint]:
    return {name: MemoryCheckpoint(name, weights) for name, weights in models.items()}


def merge(recipe: Recipe, base: State | None, models: Mapping[str, State], **how: Any) -> State:
    """Plan and run; the merged tensors."""
    start = MemoryCheckpoint("base", base) if base is not None else None
    return dict(run(make_plan(recipe, start, checkpoints(models)), device="cpu", **how).tensors)


def merge_rows(method_id: str, base: Tensor, deltas: Tensor, **fields: Any) -> Tensor:
    """Merge one tensor ``w`` whose experts are the base plus each row of ``deltas``."""
    weights = fields.pop("weights", [1.0] * len(deltas))
    recipe = make_recipe(method_id, {f"e{i}": w for i, w in enumerate(weights)}, **fields)
    models = {f"e{i}": {"w": base + delta} for i, delta in enumerate(deltas)}
    return merge(recipe, {"w": base}, models)["w"]


def context(recipe: Recipe, stack: Tensor, name: str = "w") -> Context:
    """What a kernel is told about one stack."""
    ids = tuple(e.id for e in recipe.experts)
    magnitudes = MeasuredMagnitudes(stack)
    return Context(name, ids, recipe.settings(), HashMasks(recipe.seed), magnitudes)


def same_bits(a: Mapping[str, Tensor], b: Mapping[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def values(param: Param, eighths: bool = False) -> st.SearchStrategy[Any]:
    """Values that a parameter accepts, from its declaration; ``eighths`` are exact in float32."""
    if param.choices:
        return st.sampled_from(param.choices)
    if isinstance(param.default, bool):
        return st.booleans()
    if isinstance(param.default, int):
        return st.integers(int(param.slider[0]), int(param.slider[1]))
    top = param.maximum if not eighths else min(param.maximum, 2.0)
    low = param.minimum if not eighths else max(param.minimum, -2.0)
    if eighths:
        grid = [i / 8 for i in range(int(low * 8), int(top * 8) + 1)]
        return st.sampled_from([v for v in grid if v < top or not param.exclusive])
    return st.floats(low, top, exclude_max=param.exclusive).map(lambda v: v + 0.0)


# Methods that run on any small model; a mixture of experts has tests of its own.
PLAIN = tuple(spec for spec in METHODS if not spec.needs.model)
# Methods whose preview and merge are also written out in plain Python (naive.py).
FIRST = ("linear", "task_arithmetic", "ties", "dare", "dare_ties")
IDS = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=12)


@st.composite
def recipes(draw: Any, ids: st.SearchStrategy[str] = IDS, eighths: bool = False) -> Recipe:
    """Valid recipes of every method with parameters drawn from their declarations."""
    spec = method(draw(st.sampled_from(FIRST)))
    names = draw(st.lists(ids, min_size=spec.needs.experts, max_size=4, unique=True))
    weight = spec.param("weight")
    members = tuple(
        Expert(n, draw(values(weight, eighths)), _own(draw, spec, eighths)) for n in names
    )
    params = [(p.name, draw(values(p, eighths))) for p in spec.params if draw(st.booleans())]
    try:
        return Recipe(
            spec.id,
            members,
            params=tuple(params),
            dialect=draw(st.sampled_from(sorted(spec.dialects))),
            seed=draw(st.integers(0, 2**63 - 1)),
        )
    except ParameterError:
        # Two values that contradict each other: take the recipe without them.
        return Recipe(spec.id, tuple(Expert(n) for n in names))


def _own(draw: Any, spec: MethodSpec, eighths: bool) -> tuple[tuple[str, Any], ...]:
    own = [p for p in spec.params if p.per_expert and draw(st.booleans())]
    return tuple((p.name, draw(values(p, eighths))) for p in own)


def flat(recipe: Recipe, tensor: str, names: Iterable[str]) -> Recipe:
    """The recipe with the values by layer of one of a model's tensors as plain ones."""
    settings = recipe.settings_at(spots_of(names)[tensor])
    own = [p.name for p in recipe.spec.params if p.per_expert]
    experts = tuple(
        Expert(e.id, settings.each["weight"][i], tuple((p, settings.each[p][i]) for p in own))
        for i, e in enumerate(recipe.experts)
    )
    common = {n: v for n, v in settings.common.items() if n not in own}
    return replace(recipe, experts=experts, params=tuple(common.items()), local=())
