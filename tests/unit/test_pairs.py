"""Experts against experts: cosines and agreement of signs, by hand and against plain numpy."""

from typing import Any

import numpy as np
import pytest
import torch
from builders import PLAIN
from hypothesis import given
from hypothesis import strategies as st
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, WHOLE
from test_preview_by_hand import small

from merging.errors import UnknownNameError
from merging.recipe import Recipe, make_recipe
from merging.sketch import Sketch, agreement
from merging.sketch.by_kernels import trimmed_pieces
from merging.sketch.columns import columns_of
from merging.sketch.pair_loops import TILE, count_pairs

METHODS = ("ties", "dare", "dare_ties", "della", "breadcrumbs", "task_arithmetic", "slerp")


def plain(signs: Any) -> Any:
    """Share of one sign among what both keep, by loops over pairs of experts."""
    count = len(signs)
    found = np.full((count, count), np.nan)
    for i in range(count):
        for j in range(count):
            both = (signs[i] != 0) & (signs[j] != 0)
            if both.any():
                found[i, j] = (signs[i] == signs[j])[both].mean()
    return found


def kept_signs(sketch: Sketch, recipe: Recipe) -> Any:
    """Signs of what the method's own kernels keep, shape (experts, columns)."""
    columns = columns_of(sketch, sketch.rows(e.id for e in recipe.experts))
    pieces = trimmed_pieces(columns, recipe)
    made = torch.cat([p.trimmed.reshape(len(p.trimmed), -1) for p in pieces], 1)
    return np.where(made.numpy() != 0, np.sign(columns.deltas), 0)


def test_four_weights_by_hand() -> None:
    """Both change three weights, two of them in one direction; c changes none of a's."""
    sketch = small(a=[1, 2, -3, 0], b=[2, 1, 3, 4], c=[0, 0, 0, -1])
    found = agreement(sketch, make_recipe("task_arithmetic", ["a", "b", "c"]))
    assert found.signs.value[:2, :2].tolist() == [[1, 2 / 3], [2 / 3, 1]]
    assert np.isnan(found.signs.value[0, 2]) and found.signs.value[1, 2] == 0
    assert found.signs.basis.tolist() == [[3, 3, 0], [3, 4, 1], [0, 1, 1]]
    assert found.signs.exact and found.signs.too_few.all()
    assert found.cosine[0, 1] == pytest.approx((2 + 2 - 9) / (14 * 30) ** 0.5)
    assert found.cosine[0, 2] == 0 and np.diag(found.cosine) == pytest.approx(1)


def test_only_what_is_kept_counts() -> None:
    """At density 1/2 a keeps 3, -2 and 1 (one more than half), b keeps 5, 4 and -3."""
    sketch = small(a=[3, -2, 1, 0.5], b=[5, 4, 1, -3])
    recipe = make_recipe("ties", ["a", "b"], params={"density": 0.5})
    found = agreement(sketch, recipe).signs
    assert (found.value[0, 1], found.basis[0, 1]) == (0.5, 2)


def test_the_order_of_the_recipe_and_negative_weights() -> None:
    one = agreement(SAMPLED, make_recipe("ties", IDS))
    other = agreement(SAMPLED, make_recipe("ties", {"c": -1.0, "a": 2.0, "b": 1.0}))
    assert other.experts == ("c", "a", "b")
    order = np.ix_([2, 0, 1], [2, 0, 1])
    assert (other.signs.value == one.signs.value[order]).all()
    assert (other.signs.basis == one.signs.basis[order]).all()
    assert other.cosine == pytest.approx(one.cosine[order])


@pytest.mark.parametrize("name", METHODS)
def test_a_whole_sketch_counts_what_the_kernels_keep(name: str) -> None:
    experts = IDS[:2] if name == "slerp" else IDS
    recipe = make_recipe(name, experts, seed=3)
    found = agreement(WHOLE, recipe)
    assert found.signs.exact
    wanted = plain(kept_signs(WHOLE, recipe))
    assert found.signs.value == pytest.approx(wanted, abs=1e-12, nan_ok=True)
    assert (found.signs.low == found.signs.value).all()


@pytest.mark.parametrize("spec", [s for s in PLAIN if s.whole is not None], ids=lambda s: s.id)
def test_methods_that_only_a_merge_can_tell_show_all_changes(spec: Any) -> None:
    count = min(max(2, spec.needs.experts), spec.needs.most or 3)
    found = agreement(WHOLE, make_recipe(spec.id, IDS[:count])).signs
    deltas = [torch.cat([(MODELS[e][n] - BASE[n]).flatten() for n in BASE]) for e in IDS[:count]]
    assert found.value == pytest.approx(plain(torch.stack(deltas).sign().numpy()), abs=1e-12)


@pytest.mark.parametrize("name", ["ties", "dare_ties", "task_arithmetic"])
def test_a_sample_comes_near_with_honest_intervals(name: str) -> None:
    recipe = make_recipe(name, IDS, params={"trim_scope": "tensor"} if name == "ties" else {})
    found, wanted = agreement(SAMPLED, recipe).signs, agreement(WHOLE, recipe).signs.value
    assert not found.exact
    half = (found.high - found.low) / 2
    assert (np.abs(found.value - wanted) <= 2 * half + 1e-12).all()
    assert (half[~np.eye(3, dtype=bool)] > 0).all()


VALUES = np.array([0.0, -0.0, 1.0, -1.0, 0.5, -2.0, 1e-42, -1e-42, 1e38], np.float32)


@given(
    st.integers(1, 5),
    st.lists(st.sampled_from([1, 7, TILE - 1, TILE, TILE + 1]), min_size=1, max_size=3),
    st.integers(0, 99),
)
def test_the_loop_counts_as_numpy_does(experts: int, widths: list[int], seed: int) -> None:
    made = np.random.default_rng(seed).choice(VALUES, (experts, sum(widths)))
    both, same = np.zeros((2, len(widths) * experts * experts), np.int64)
    parts = np.arange(len(widths))
    count_pairs(parts, np.array(widths), made.reshape(-1), experts, both, same)
    starts = np.cumsum([0, *widths])
    for part, table in enumerate(both.reshape(-1, experts, experts)):
        signs = np.sign(made[:, starts[part] : starts[part + 1]])
        meet = (signs[:, None] * signs[None] != 0).sum(-1)
        agree = (signs[:, None] * signs[None] > 0).sum(-1)
        assert (table == meet).all()
        assert (same.reshape(-1, experts, experts)[part] == agree).all()


def test_an_expert_that_is_not_in_the_sketch() -> None:
    with pytest.raises(UnknownNameError, match=r"expert 'd'"):
        agreement(SAMPLED, make_recipe("ties", ["d"]))
