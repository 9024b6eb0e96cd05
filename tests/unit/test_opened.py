"""A cell looked at closely: its parts, its curves and single weights, against merge and preview."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from builders import experts, merge, state
from sampled_sketch import BASE, IDS, MODELS, SAMPLED, WHOLE, figure, sketch_of
from test_preview_by_hand import small

from merging.checkpoints import Bucket
from merging.errors import UnknownNameError
from merging.recipe import Recipe, make_recipe
from merging.sketch import Sketch, open_cell, preview
from merging.sketch.answers import OpenedCell
from merging.sketch.memo import Memo
from merging.sketch.work import carry_out

SMALL_BASE = state(0)
SMALL_MODELS = experts(SMALL_BASE, 3, seed=5)
SMALL_IDS = tuple(SMALL_MODELS)
SMALL = sketch_of(SMALL_BASE, SMALL_MODELS)
RECIPES = [
    make_recipe("ties", SMALL_IDS, params={"density": 0.4}),
    make_recipe("ties", {"e0": 1.0, "e1": -0.5, "e2": 2.0}, params={"scale": -0.7}),
    make_recipe("ties", SMALL_IDS, dialect="mergekit", params={"density": 0.6}),
    make_recipe("ties", SMALL_IDS, params={"election": "count", "density": 1.0, "rescale": "l1"}),
    make_recipe("dare_ties", SMALL_IDS, seed=2),
    make_recipe("dare_ties", SMALL_IDS, dialect="mergekit", params={"drop_rate": 0.5}),
    make_recipe("dare_ties", SMALL_IDS, params={"drop_rate": 0.3, "density": 0.7}),
    make_recipe("dare", SMALL_IDS, params={"drop_rate": 0.5}),
    make_recipe("task_arithmetic", {"e0": 1.0, "e1": -0.5, "e2": 0.3}),
    make_recipe("linear", SMALL_IDS),
    make_recipe("linear", SMALL_IDS, params={"normalize": False}),
    make_recipe("della", SMALL_IDS, seed=1),
    make_recipe("breadcrumbs_ties", SMALL_IDS),
    make_recipe("pcb", SMALL_IDS),
    make_recipe("tsv_m", SMALL_IDS),
    make_recipe("lines", SMALL_IDS),
]


def named(recipe: Recipe) -> str:
    return f"{recipe.method}-{recipe.dialect}"


def opened(sketch: Sketch, recipe: Recipe) -> list[OpenedCell]:
    return [open_cell(sketch, recipe, bucket) for bucket in sketch.buckets]


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_traced_weights_are_those_of_a_merge(recipe: Recipe) -> None:
    merged = merge(recipe, SMALL_BASE, SMALL_MODELS)
    for cell in opened(SMALL, recipe):
        for weight in cell.traced:
            base = SMALL_BASE[weight.tensor][weight.place]
            assert weight.base == float(base)
            changes = [float(SMALL_MODELS[e][weight.tensor][weight.place] - base)
                       for e in cell.experts]  # fmt: skip
            assert list(weight.deltas) == changes
            moved = float(merged[weight.tensor][weight.place] - base)
            assert weight.merged == pytest.approx(moved, abs=2e-6)
        assert len(cell.traced) == min(12, sum(SMALL_BASE[n].numel() for n in cell.tensors))


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
@pytest.mark.parametrize("sketch", [SMALL, SAMPLED], ids=["whole", "sampled"])
def test_the_parts_of_a_cell_are_those_of_the_preview(sketch: Sketch, recipe: Recipe) -> None:
    if sketch is SAMPLED:
        names = dict(zip(SMALL_IDS, IDS, strict=True))
        recipe = replace(recipe, experts=tuple(replace(e, id=names[e.id]) for e in recipe.experts))
    found = preview(sketch, recipe)
    for cell in opened(sketch, recipe):
        if cell.five is None:
            assert found.norm is None and cell.traced == ()
            continue
        wanted = found.cells[cell.bucket]
        shares = [f.value for f in cell.five]
        assert sum(shares) == pytest.approx(1)
        assert shares[2] + shares[3] == pytest.approx(wanted.contested.value)
        assert sum(shares[:2]) == pytest.approx(wanted.agree.value + wanted.disjoint.value)
        assert cell.five[4].value == pytest.approx(wanted.untouched.value)
        assert cell.five[4].low == pytest.approx(wanted.untouched.low, abs=1e-12)
        for curve, expert in zip(cell.curves, found.at(cell.bucket).experts, strict=True):
            assert (curve.expert, curve.kept, curve.energy) == (
                expert.expert, expert.kept, expert.energy
            )  # fmt: skip


def test_a_cell_by_hand() -> None:
    """Kept at density 1/2: 4 and 3 (a), 5 and -2 (b), tied at -1 with none: see each weight."""
    sketch = small(a=[4, 3, 0.5, 0, -1, 0], b=[5, -2, 0, 0, 1, 0])
    recipe = make_recipe("ties", ["a", "b"], params={"density": 0.5, "scale": 0.5})
    cell = open_cell(sketch, recipe, Bucket("Other", "other"))
    # int(6 / 2) + 1 are kept: 4, 3, 0.5 and -1 of a, and 5, -2 and 1 of b with any 0.
    assert cell.five is not None
    assert [f.value * 6 for f in cell.five] == pytest.approx([2, 0, 2, 0, 2])
    assert cell.tensors == ("w",) and cell.experts == ("a", "b")
    first, second, third, fourth, fifth, _ = cell.traced
    assert (first.deltas, first.kept, first.made) == ((4, 5), (True, True), (4, 5))
    assert (first.elected, first.agreeing, first.merged) == (1, (True, True), 2.25)
    assert (second.elected, second.agreeing, second.merged) == (1, (True, False), 1.5)
    assert (third.kept, third.made, third.merged) == ((True, False), (0.5, 0), 0.25)
    assert (fourth.kept, fourth.elected, fourth.agreeing) == ((False,) * 2, 0, (False,) * 2)
    # Votes -1 and 1 cancel; plus prevails elsewhere.
    assert (fifth.elected, fifth.agreeing, fifth.merged) == (1, (False, True), 0.5)
    assert [w.place for w in cell.traced] == [(i,) for i in range(6)]


def test_minus_wins_and_cancelled_changes_count_with_plus() -> None:
    sketch = small(a=[1, 2, -1, -2], b=[-2, -2, -3, 0])
    recipe = make_recipe("task_arithmetic", {"a": 1.0, "b": 1.0}, params={"scale": -1.0})
    cell = open_cell(sketch, recipe, Bucket("Other", "other"))
    assert cell.five is not None
    # -1 is a win of minus at any λ, 0 counts with plus, -4 and a lone -2 agree on minus.
    assert [f.value * 4 for f in cell.five] == [0, 2, 1, 1, 0]
    assert [w.merged for w in cell.traced] == [1, 0, 4, 2]
    assert all(w.elected is None and w.agreeing is None for w in cell.traced)


def test_curves_of_what_is_held_whole_by_hand() -> None:
    sketch = small(a=[3, -1, 0, 2, -2], b=[0, 0, 0, 0, 0])
    recipe = make_recipe("ties", ["a", "b"], params={"density": 0.4})
    a, b = open_cell(sketch, recipe, Bucket("Other", "other")).curves
    assert (a.sizes, a.shares) == ((1, 2, 3), (1, 0.75, 0.25))
    # int(5 x 0.4) + 1 = 3 sizes are kept: 3, 2 and 2.
    assert (a.cut, a.kept.value, a.energy.value) == (2, 0.75, pytest.approx(17 / 18))
    assert (b.sizes, b.shares, b.kept.value) == ((), (), 0)


@pytest.mark.parametrize("params", [{}, {"trim_scope": "tensor"}], ids=["global", "tensor"])
def test_curves_say_what_is_kept_at_the_cut(params: dict[str, Any]) -> None:
    """Also where a bucket is sampled and the curve comes from a table."""
    recipe = make_recipe("ties", IDS, params={"density": 0.3, **params})
    for sketch in (SAMPLED, WHOLE):
        for cell in opened(sketch, recipe):
            for line in cell.curves:
                assert len(line.sizes) == len(line.shares) <= 257
                assert (np.diff(line.sizes) > 0).all() and (np.diff(line.shares) <= 0).all()
                assert line.shares[0] == 1 and line.cut is not None
                at = float(np.interp(line.cut, line.sizes, line.shares))
                if len(cell.tensors) == 1:
                    assert at == pytest.approx(line.kept.value, abs=0.03)


def test_a_curve_from_a_table_is_near_that_of_all_weights() -> None:
    recipe = make_recipe("task_arithmetic", IDS)
    bucket = Bucket("L0", "q")
    for name, line in zip(IDS, open_cell(SAMPLED, recipe, bucket).curves, strict=True):
        delta = (MODELS[name]["layers.0.q_proj.weight"] - BASE["layers.0.q_proj.weight"]).abs()
        changed = delta[delta > 0]
        for size, share in zip(line.sizes[:-1], line.shares[:-1], strict=True):
            wanted = float((changed >= size).double().mean())
            assert share == pytest.approx(wanted, abs=0.005)
        assert line.cut is None and line.kept.value == 1


def test_the_choice_of_weights_depends_on_no_recipe() -> None:
    places = {
        tuple((w.tensor, w.place) for w in open_cell(SAMPLED, recipe, Bucket("L0", "up")).traced)
        for recipe in (
            make_recipe("ties", IDS),
            make_recipe("dare_ties", IDS[:2], seed=9),
            make_recipe("linear", IDS[1:]),
        )
    }
    assert len(places) == 1 and len(next(iter(places))) == 12
    fresh = replace(SAMPLED, memo=Memo())
    again = open_cell(fresh, make_recipe("ties", IDS), Bucket("L0", "up"))
    assert {tuple((w.tensor, w.place) for w in again.traced)} == places


def test_weights_that_somebody_changes_are_taken_first() -> None:
    delta = torch.zeros(200)
    delta[[7, 60, 180]] = 1.0
    sketch = sketch_of({"w": torch.zeros(200)}, {"a": {"w": delta}, "b": {"w": torch.zeros(200)}})
    cell = open_cell(sketch, make_recipe("ties", ["b"]), Bucket("Other", "other"), count=5)
    places = [w.place[0] for w in cell.traced]
    assert len(places) == 5 and {7, 60, 180} <= set(places) and places == sorted(places)


def test_experts_come_in_the_order_of_the_recipe() -> None:
    one = open_cell(SMALL, make_recipe("ties", SMALL_IDS), SMALL.buckets[0])
    other = open_cell(SMALL, make_recipe("ties", SMALL_IDS[::-1]), SMALL.buckets[0])
    assert other.experts == SMALL_IDS[::-1]
    assert [c.expert for c in other.curves] == list(SMALL_IDS[::-1])
    for a, b in zip(one.traced, other.traced, strict=True):
        for name in ("deltas", "kept", "made", "agreeing"):
            assert getattr(a, name) == getattr(b, name)[::-1]
        assert (a.elected, a.merged) == (b.elected, b.merged)


def test_elected_signs_are_those_of_the_merged_change() -> None:
    """Weights are positive: what is merged carries the elected sign, on samples too."""
    trimmed = make_recipe("dare_ties", IDS, params={"drop_rate": 0.3, "density": 0.7})
    for recipe in (make_recipe("ties", IDS), trimmed):
        for cell in opened(SAMPLED, recipe):
            assert len(cell.traced) == 12
            for weight in cell.traced:
                assert weight.elected == np.sign(weight.merged)
                assert weight.agreeing == tuple(
                    np.sign(m) == weight.elected and m != 0 for m in weight.made
                )
                assert weight.kept == tuple(m != 0 for m in weight.made)


def test_methods_that_only_a_merge_can_tell() -> None:
    cell = open_cell(SAMPLED, make_recipe("emr", IDS), Bucket("L0", "q"))
    assert cell.five is None and cell.traced == ()
    assert [c.kept.value for c in cell.curves] == [1, 1, 1]


def test_what_is_not_there() -> None:
    with pytest.raises(KeyError):
        open_cell(SAMPLED, make_recipe("ties", IDS), Bucket("L9", "q"))
    with pytest.raises(UnknownNameError, match=r"expert 'd'"):
        open_cell(SAMPLED, make_recipe("ties", ["d"]), Bucket("L0", "q"))


def test_a_figure_of_a_sampled_cell_has_an_interval() -> None:
    cell = open_cell(SAMPLED, make_recipe("ties", IDS), Bucket("L0", "q"))
    assert cell.five is not None
    for part in cell.five:
        found = figure(part)
        assert not found.exact and found.low < found.value < found.high and found.basis == 16384


@pytest.mark.parametrize("recipe", RECIPES, ids=named)
def test_a_part_alone_comes_out_as_among_all(recipe: Recipe) -> None:
    ordered = recipe.ordered()
    whole = carry_out(SMALL, ordered, change=True)
    for bucket in SMALL.buckets:
        parts = np.array(SMALL.parts_of(bucket))
        alone = carry_out(SMALL, ordered, change=True, only=parts)
        for every, here in zip(whole.sums, alone.sums, strict=True):
            np.testing.assert_array_equal(here[parts], every[parts])
        for part in (SMALL.parts[i] for i in parts):
            here = slice(part.start, part.stop)
            np.testing.assert_array_equal(alone.change[here], whole.change[here])


# Three experts whose votes are often tied: most parts lean to minus, one of them to plus.
TIED_BASE = {f"layers.{i}.w": torch.zeros(6, 8) for i in range(4)}
TIED_MODELS = {
    f"e{e}": {
        name: torch.from_numpy(np.random.default_rng([e, i]).choice(values, (6, 8)))
        for i, name in enumerate(TIED_BASE)
        for values in [np.array([-1, -1, 0, 1] if i else [-1, 0, 1, 1], np.float32)]
    }
    for e in range(3)
}


@pytest.mark.parametrize("scope", ["global", "tensor"])
def test_tied_votes_of_a_part_alone_are_settled_as_among_all(scope: str) -> None:
    params = {"election": "count", "density": 1.0, "trim_scope": scope}
    recipe = make_recipe("ties", list(TIED_MODELS), params=params)
    asked_first, asked_later = (sketch_of(TIED_BASE, TIED_MODELS) for _ in range(2))
    whole = carry_out(asked_later, recipe.ordered(), change=True)
    assert whole.sums.tied.all() and len(set(np.sign(whole.sums.balance).tolist())) == 2
    first = carry_out(asked_first, recipe.ordered(), only=np.array([0]))
    assert not first.settled  # nobody has looked at the other parts
    later = carry_out(asked_later, recipe.ordered(), only=np.array([0]))
    assert later.settled
    assert opened(sketch_of(TIED_BASE, TIED_MODELS), recipe) == opened(asked_later, recipe)
    merged = merge(recipe, TIED_BASE, TIED_MODELS)
    for cell in opened(asked_later, recipe):
        for weight in cell.traced:
            assert weight.merged == float(merged[weight.tensor][weight.place])


def test_what_settled_the_ties_of_one_recipe_is_no_answer_for_another() -> None:
    sketch = sketch_of(TIED_BASE, TIED_MODELS)
    params = {"election": "count", "density": 1.0}
    one = make_recipe("ties", list(TIED_MODELS), params=params).ordered()
    other = make_recipe("ties", ["e0", "e1", "e2"], params={**params, "scale": 0.5}).ordered()
    carry_out(sketch, one)
    assert not carry_out(sketch, other, only=np.array([0])).settled
