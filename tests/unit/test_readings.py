"""One recipe in all dialects: against previews, and against full merges compared."""

import math
from dataclasses import replace

import numpy as np
import pytest
from builders import checkpoints
from hypothesis import given
from hypothesis import strategies as st
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, WHOLE
from test_preview_by_hand import small

from merging.checkpoints import MemoryCheckpoint
from merging.dialects import compare_models, differing_options
from merging.recipe import Recipe, make_recipe
from merging.sketch import preview, readings
from merging.sketch.apart_loops import sum_apart

RECIPES = [
    make_recipe("ties", IDS, params={"density": 0.3}),
    make_recipe("ties", {"a": 1.0, "b": 0.5, "c": 2.0}, dialect="mergekit"),
    make_recipe("dare_ties", IDS, seed=4),
    make_recipe("dare", IDS, params={"drop_rate": 0.5}),
    make_recipe("task_arithmetic", IDS),
    make_recipe("linear", IDS),
    make_recipe("magnitude_prune", IDS),
    make_recipe("sce", IDS),
]


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.method}-{r.dialect}")
def test_every_dialect_is_read_as_its_preview_says(recipe: Recipe) -> None:
    found = readings(SAMPLED, recipe)
    others = [d for d in recipe.spec.dialects if d != recipe.dialect]
    assert [r.dialect for r in found] == [recipe.dialect, *others]
    assert (found[0].options, found[0].relative, found[0].signs) == ((), 0, 0)
    for reading in found:
        assert reading.refused == "" and not reading.exact
        assert reading.options == differing_options(recipe, reading.dialect)
        wanted = preview(SAMPLED, replace(recipe, dialect=reading.dialect))
        assert (reading.clash, reading.length) == (wanted.whole.share, wanted.length)
        kept = [e.kept for e in wanted.experts]
        assert reading.kept is not None
        assert reading.kept.value == pytest.approx(sum(k.value for k in kept) / 3)
        assert reading.kept.low <= reading.kept.value <= reading.kept.high
        assert reading.kept.basis == sum(k.basis for k in kept)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: f"{r.method}-{r.dialect}")
def test_readings_part_as_full_merges_do(recipe: Recipe) -> None:
    """Where everything is held; from a sample the same within a few percent."""
    told = {c.dialect: c for c in compare_models(
        recipe, MemoryCheckpoint("base", BASE), checkpoints(MODELS), device="cpu"
    )}  # fmt: skip
    for sketch, near, off in ((WHOLE, 1e-3, 1e-4), (SAMPLED, 0.05, 0.03)):
        for reading in readings(sketch, recipe)[1:]:
            wanted = told[reading.dialect].whole
            assert wanted is not None
            assert reading.exact == (sketch is WHOLE)
            assert reading.relative == pytest.approx(wanted.relative, rel=near, abs=off)
            # In a merge, changes below the rounding of the weights come to nothing.
            assert reading.signs == pytest.approx(wanted.signs, abs=max(near / 2, 2e-3))


def test_four_weights_by_hand() -> None:
    """mergekit and peft add at strength 1, the paper at 0.3: as long as that is apart."""
    sketch = small(a=[1, 2, 0, 0], b=[1, 2, -1, 0])
    recipe = make_recipe("task_arithmetic", ["a", "b"], params={"scale": 0.5})
    assert [r.relative for r in readings(sketch, recipe)] == [0, 0, 0, 0]
    left = readings(sketch, make_recipe("task_arithmetic", ["a", "b"]))
    assert [r.dialect for r in left] == ["paper", "mergekit", "peft", "fusion_bench"]
    assert [r.relative for r in left] == pytest.approx([0, 0.7 / 0.3, 0.7 / 0.3, 0])
    assert [r.signs for r in left] == [0, 0, 0, 0]
    assert [[o.name for o in r.options] for r in left] == [[], ["scale"], ["scale"], []]


def test_signs_that_part_by_hand() -> None:
    """At 3/4 the paper keeps one more change than peft: of four, one is then no change."""
    sketch = small(a=[4, 3, 2, 1])
    found = {r.dialect: r for r in readings(
        sketch, make_recipe("ties", ["a"], params={"density": 0.5})
    )}  # fmt: skip
    assert found["peft"].signs == 0.25 and found["peft"].exact
    assert found["peft"].relative == pytest.approx(2 / math.sqrt(16 + 9 + 4))
    assert found["peft"].kept is not None and found["peft"].kept.value == 0.5


def test_nothing_against_something_is_endlessly_far() -> None:
    recipe = make_recipe("task_arithmetic", {"a": 0.0}, params={"scale": 1.0})
    assert [r.relative for r in readings(small(a=[1, 2]), recipe)] == [0, 0, 0, 0]
    nothing = make_recipe("ties", ["a"], params={"scale": 1.0}, dialect="peft")
    found = readings(small(a=[1, 2]), replace(nothing, params=(("density", 0.4),)))
    assert found[0].dialect == "peft" and found[1].relative == math.inf


def test_a_dialect_that_refuses_says_why() -> None:
    recipe = make_recipe("ties", {"a": 1.0, "b": -1.0, "c": 1.0}, dialect="mergekit")
    assert all(r.refused == "" for r in readings(SAMPLED, recipe))
    divided = recipe.patched(params={"voters": "weighted", "combine": "weighted_mean"})
    refused = [r for r in readings(SAMPLED, divided) if r.refused]
    assert [r.dialect for r in refused] == ["paper", "peft", "fusion_bench"]
    for reading in refused:
        assert "weighted_mean divides by the sum of weights" in reading.refused
        assert (reading.kept, reading.clash, reading.length) == (None, None, None)
        assert (reading.relative, reading.signs, reading.exact) == (None, None, False)


def test_methods_that_only_a_merge_can_tell() -> None:
    (first, *_) = readings(SAMPLED, make_recipe("emr", IDS))
    assert (first.length, first.relative, first.signs) == (None, None, None)
    assert first.kept is not None and first.kept.value == 1 and first.clash is not None


SOME = st.lists(st.sampled_from([0.0, -0.0, 1.0, -1.0, 0.5, 1e-30, -1e-42]), min_size=8, max_size=8)


@given(SOME, SOME, st.integers(1, 7))
def test_the_loop_sums_as_numpy_does(one: list[float], two: list[float], cut: int) -> None:
    x, y = np.array(one, np.float32), np.array(two, np.float32)
    found = np.full((3, 3), -1.0)
    starts, stops = np.array([0, 0, cut]), np.array([0, cut, 8])
    sum_apart(x, y, np.array([1, 2]), starts, stops, found)
    for part in (1, 2):
        a, b = (v[starts[part] : stops[part]].astype(np.float64) for v in (x, y))
        wanted = [(a**2).sum(), ((b - a) ** 2).sum(), (np.sign(a) != np.sign(b)).sum()]
        assert found[part] == pytest.approx(wanted, rel=1e-12, abs=1e-300)
    assert (found[0] == -1).all()
