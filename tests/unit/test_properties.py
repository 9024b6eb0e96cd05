"""What every method keeps, whatever it is given: chunks, types, and what chance may do."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from builders import PLAIN, State, experts, merge, merge_rows, row, state, values
from hypothesis import assume, given
from hypothesis import strategies as st
from test_laws import BASE, MODELS, SHAPES_KEPT, merged, recipe_for
from torch import Tensor

from merging.errors import ParameterError
from merging.methods.context import Context
from merging.methods.magnitudes import MeasuredMagnitudes
from merging.methods.masks import HashMasks
from merging.methods.registry import method
from merging.methods.spec import MethodSpec
from merging.recipe import Recipe

ALL = [m.id for m in PLAIN]

# --- Chunks ---------------------------------------------------------------------------------------

# Settings under which a method that can look further works element by element.
NARROW = {"dare_ties": {"zero_sign": "plus", "density": 1.0}}


def element_wise(spec: MethodSpec) -> bool:
    recipe = recipe_for(spec.id, **NARROW.get(spec.id, {}))
    return spec.scope(recipe.settings()) == "element"


ELEMENTS = [m.id for m in PLAIN if element_wise(m)]


def test_which_methods_work_element_by_element() -> None:
    assert {"linear", "task_arithmetic", "dare", "dare_ties", "nearswap", "ram"} <= set(ELEMENTS)
    assert not {"ties", "slerp", "sce", "pcb", "iso_c", "della"} & set(ELEMENTS)


@st.composite
def narrow_recipes(draw: Any, name: str) -> Recipe:
    """A recipe with parameters drawn from their declarations, of scope element."""
    spec, fixed = method(name), NARROW.get(name, {})
    drawn = {p.name: draw(values(p)) for p in spec.params if not p.own and p.choices == ()}
    words = {p.name: draw(st.sampled_from(p.choices)) for p in spec.params if p.choices}
    try:
        recipe = recipe_for(name, **(drawn | words | fixed))
        recipe = replace(recipe, seed=draw(st.integers(0, 2**31)))
    except ParameterError:
        recipe = recipe_for(name, **fixed)
    assume(spec.scope(recipe.settings()) == "element")
    return recipe


def piece(recipe: Recipe, stack: Tensor, base: Tensor, start: int) -> Tensor:
    """What a method makes of a run of elements that begins at ``start``."""
    spec = recipe.spec
    told = Context(
        tensor="layers.1.fc.weight",
        experts=tuple(e.id for e in recipe.experts),
        settings=recipe.settings(),
        masks=HashMasks(recipe.seed),
        magnitudes=MeasuredMagnitudes(stack),
        start=start,
        base=base,
        names=("layers.0.fc.weight", "layers.1.fc.weight", "layers.2.fc.weight"),
    )
    if spec.sparsify:
        stack = spec.sparsify(stack, told)
    if spec.trim:
        stack = spec.trim(stack, told)
    return spec.merge(stack, told)


@pytest.mark.parametrize("name", [n for n in ELEMENTS if method(n).whole is None])
@given(data=st.data())
def test_chunked_and_whole_agree_bit_for_bit(name: str, data: Any) -> None:
    recipe = data.draw(narrow_recipes(name))
    source = torch.Generator().manual_seed(data.draw(st.integers(0, 99)))
    shape = data.draw(st.sampled_from([(7, 13), (91,), (1, 7, 13)]))
    stack = torch.randn(len(recipe.experts), *shape, generator=source)
    base = torch.randn(shape, generator=source)
    whole = piece(recipe, stack, base, 0).flatten()
    cuts = sorted(data.draw(st.sets(st.integers(1, 90), max_size=5)))
    flat, parts = stack.reshape(len(stack), -1), []
    for begin, end in zip([0, *cuts], [*cuts, 91], strict=True):
        parts.append(piece(recipe, flat[:, begin:end], base.flatten()[begin:end], begin))
    assert torch.equal(torch.cat(parts), whole)


@pytest.mark.parametrize("name", [n for n in ELEMENTS if method(n).whole is not None])
def test_whole_models_cut_into_other_tensors_agree_bit_for_bit(name: str) -> None:
    """A method on whole models that works element by element does not see where tensors end."""
    start, models = state(1), experts(state(1), 3, seed=2)

    def cut(model: State) -> State:
        return {f"{n}.{i}": p for n, t in model.items() for i, p in enumerate(t.flatten().split(2))}

    recipe = recipe_for(name)
    found = merge(recipe, start, models)
    parts = merge(recipe, cut(start), {n: cut(m) for n, m in models.items()})
    pieces = cut(found)
    assert all(torch.equal(parts[n], pieces[n]) for n in pieces)


# --- Types ----------------------------------------------------------------------------------------

DTYPES = [torch.float16, torch.bfloat16, torch.float32, torch.float64]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_types_and_shapes_are_kept(name: str, dtype: torch.dtype) -> None:
    base, models = cast(BASE, dtype), {e: cast(m, dtype) for e, m in MODELS.items()}
    found = merged(recipe_for(name), base, models)
    assert found.keys() == base.keys()
    for key, tensor in found.items():
        assert tensor.dtype == dtype
        assert bool(tensor.isfinite().all())
        assert name not in SHAPES_KEPT or tensor.shape == base[key].shape


def cast(model: State, dtype: torch.dtype) -> State:
    return {n: t.to(dtype) for n, t in model.items()}


ROUNDED = [m.id for m in PLAIN if m.whole is None and not m.random]


@pytest.mark.parametrize("name", ROUNDED)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_small_types_are_the_float32_merge_rounded_once(name: str, dtype: torch.dtype) -> None:
    """The same numbers in float32 give the same merge; only the last step rounds."""
    base, models = cast(BASE, dtype), {e: cast(m, dtype) for e, m in MODELS.items()}
    small = merged(recipe_for(name), base, models)
    wide = merged(
        recipe_for(name),
        cast(base, torch.float32),
        {e: cast(m, torch.float32) for e, m in models.items()},
    )
    assert all(torch.equal(small[n], wide[n].to(dtype)) for n in small)


# --- Chance ---------------------------------------------------------------------------------------

DELTA = torch.randn(1, 300, generator=torch.Generator().manual_seed(11))
SEEDS = 400


@pytest.mark.parametrize("rate", [0.25, 0.5, 0.9])
@pytest.mark.parametrize("name", ["dare", "darex_q"])
def test_the_mean_over_seeds_is_the_delta(name: str, rate: float) -> None:
    """A kept change is worth 1/(1 - p), so m/(1 - p) has mean 1 and variance p/(1 - p).

    The mean over n seeds then lies within 5 √(p/(1 - p)/n) of 1 at every one of 300 weights but
    for one case in some five thousand; the seeds are fixed.
    """
    params = {"drop_rate": rate, "scale": 1.0} | ({"q": 1 - rate} if name == "darex_q" else {})
    total = torch.zeros(300)
    for seed in range(SEEDS):
        total += merge_rows(name, torch.zeros(300), DELTA, params=params, seed=seed)
    share = (total / SEEDS) / DELTA[0]
    bound = 5 * (rate / (1 - rate) / SEEDS) ** 0.5
    assert float((share - 1).abs().max()) < bound
    assert abs(float(share.mean()) - 1) < bound / 300**0.5


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9, 0.99])
def test_the_number_kept_is_binomial(rate: float) -> None:
    """Of 2000 weights n (1 - p) are kept, give or take 5 √(n p (1 - p)) at every one of 100 seeds.

    Their variance is the binomial's too: within 5 √(2/99) of it, relatively.
    """
    count, seeds = 2000, range(100)
    kept = torch.tensor(
        [int(HashMasks(s).keep("w", "a", 0, count, rate).sum()) for s in seeds],
        dtype=torch.float64,
    )
    mean, variance = count * (1 - rate), count * rate * (1 - rate)
    assert float((kept - mean).abs().max()) < 5 * variance**0.5
    assert abs(float(kept.mean()) - mean) < 5 * (variance / 100) ** 0.5
    assert abs(float(kept.var()) / variance - 1) < 5 * (2 / 99) ** 0.5


def test_the_larger_a_change_the_more_often_della_keeps_it() -> None:
    """Ranks 1 to 5 at density 0.5 and ε 0.4: chances 0.1, 0.3, 0.5, 0.7, 0.9, within 5 σ."""
    stack = row(1, 2, 3, 4, 5).unsqueeze(0)
    params = {"density": 0.5, "epsilon": 0.4, "rescale": "none", "scale": 1.0}
    kept = torch.zeros(5)
    for seed in range(SEEDS):
        found = merge_rows("della_linear", torch.zeros(5), stack, params=params, seed=seed)
        kept += found != 0
    chances = row(0.1, 0.3, 0.5, 0.7, 0.9)
    bound = 5 * (chances * (1 - chances) / SEEDS).sqrt()
    assert bool(((kept / SEEDS - chances).abs() < bound).all())
