"""Previews of the TIES, DARE and task arithmetic family equal what the kernels say."""

from typing import Any

import numpy as np
from hypothesis import given, reject
from hypothesis import strategies as st
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, WHOLE, sketch_of

from merging.errors import ParameterError
from merging.recipe import Recipe, make_recipe
from merging.sketch import Sketch
from merging.sketch.by_kernels import through_kernels
from merging.sketch.columns import columns_of
from merging.sketch.tables import Sums
from merging.sketch.work import carry_out

# As from bfloat16: nearly every size belongs to many changes.
TIED_BASE = {n: t.bfloat16().float() for n, t in BASE.items()}
TIED = {e: {n: t.bfloat16().float() for n, t in m.items()} for e, m in MODELS.items()}
TIED_WHOLE = sketch_of(TIED_BASE, TIED, whole=10**6)


@st.composite
def families(draw: Any, rules: tuple[str, ...], weights: Any, rescales: Any) -> Recipe:
    """Recipes of the TIES, DARE and task arithmetic family."""
    method = draw(st.sampled_from(("ties", "dare", "dare_ties", "task_arithmetic")))
    chosen: dict[str, Any] = {"scale": draw(st.sampled_from((1.0, 0.3, -0.5, 0.0)))}
    if method in ("ties", "dare_ties"):
        scope = draw(st.sampled_from(("global", "tensor")))
        allowed = [r for r in rules if scope == "tensor" or r in ("authors", "dropped", "strict")]
        chosen |= {
            "trim_scope": scope,
            "trim_rule": draw(st.sampled_from(allowed)),
            "election": draw(st.sampled_from(("sum", "count"))),
            "voters": draw(st.sampled_from(("weighted", "unweighted"))),
            "zero_sign": draw(st.sampled_from(("majority", "plus"))),
            "combine": draw(st.sampled_from(("mean", "weighted_mean", "sum", "max"))),
        }
    if method == "ties":
        chosen["density"] = draw(st.sampled_from((0.0, 0.05, 0.2, 0.5, 0.77, 1.0)))
    if method in ("dare", "dare_ties"):
        chosen["drop_rate"] = draw(st.sampled_from((0.0, 0.3, 0.9)))
    if method != "task_arithmetic":
        chosen["rescale"] = draw(rescales)
    else:
        chosen["normalize"] = draw(st.booleans())
    told = dict(zip(IDS, draw(weights), strict=True))
    try:
        return make_recipe(method, told, params=chosen, seed=draw(st.integers(0, 9)))
    except ParameterError:
        reject()


RULES = ("authors", "dropped", "strict", "exact", "at_least_one")
WEIGHTS = st.sampled_from([(1, 1, 1), (1, 0.5, 2), (0, 1, 0.25)])


VOTED = ("balance", "tied")


def differences(sketch: Sketch, recipe: Recipe) -> list[str]:
    """What compiled loops say otherwise than the method's own kernels."""
    recipe = recipe.ordered()
    columns = columns_of(sketch, sketch.rows(e.id for e in recipe.experts))
    width = columns.deltas.shape[1]
    pinned = np.sign(columns.deltas[0]).astype(np.int8)
    worked, change = carry_out(sketch, recipe, pinned, change=True), np.empty(width, np.float32)
    wanted = through_kernels(columns, recipe, pinned, change)
    if worked.sign == 0:
        wanted.moved2[:] = wanted.moved4[:] = 0
    apart = []
    if not np.allclose(worked.change, change, rtol=1e-5, atol=1e-6 * np.abs(change).max()):
        apart.append("change")
    for name in (n for n in Sums._fields if n not in VOTED):
        found, right = getattr(worked.sums, name), getattr(wanted, name)
        if right.dtype == np.int64 and (found != right).any():
            apart.append(name)
        close = 1e-6 * np.abs(right).max(initial=0)
        if not np.allclose(found, right, rtol=2e-4, atol=close):
            apart.append(name)
    return apart


@given(families(RULES, WEIGHTS, st.sampled_from(("none", "inverse", "l1"))))
def test_compact_path_equals_the_kernels(recipe: Recipe) -> None:
    assert not differences(WHOLE, recipe)


@given(families(RULES, WEIGHTS, st.sampled_from(("none", "inverse", "l1"))))
def test_compact_path_equals_the_kernels_on_ties(recipe: Recipe) -> None:
    assert not differences(TIED_WHOLE, recipe)


GLOBAL = families(("authors", "dropped", "strict"), WEIGHTS, st.sampled_from(("none", "inverse")))


def _alike(recipe: Recipe) -> bool:
    """Cuts over the model, and no tied votes, whose sign each path reads from its own columns."""
    params = dict(recipe.params)
    cut = recipe.method != "ties" or params["trim_scope"] == "global"
    return cut and (params.get("election") != "count" or params["zero_sign"] == "plus")


@given(GLOBAL.filter(_alike))
def test_compact_path_equals_the_kernels_on_samples(recipe: Recipe) -> None:
    assert not differences(SAMPLED, recipe)


@given(families(RULES, st.just((1, -0.5, 2)), st.just("none")))
def test_negative_weights_equal_the_kernels(recipe: Recipe) -> None:
    assert not differences(WHOLE, recipe)


def test_scaling_by_depth_equals_the_kernels() -> None:
    params = {"depth_scaling": True, "shallow": 0.5, "deeper": 0.25}
    for method in ("ties", "dare", "dare_ties", "task_arithmetic"):
        assert not differences(SAMPLED, make_recipe(method, IDS, params=params))
