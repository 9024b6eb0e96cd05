"""The preview says what the merge does: both against plain Python, for random recipes."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from builders import PLAIN, SHAPES, State, checkpoints, experts, merge, recipes, row, state
from hypothesis import example, given
from hypothesis import strategies as st
from naive import answer

from merging.analysis import ConflictCount, Figure, add_counts
from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.buckets import bucket_of
from merging.errors import UnknownNameError
from merging.recipe import Expert, Recipe, make_recipe
from merging.sketch import Preview, Sketch, build_sketch, preview

BASE = state(0)
IDS = ("e0", "e1", "e2", "e3")


def changed() -> dict[str, State]:
    """Four experts; a fifth of every change is exactly zero, as for weights nobody trained."""
    source = torch.Generator().manual_seed(7)
    found = {}
    for name, model in experts(BASE, 4, seed=2).items():
        untouched = {n: torch.rand(t.shape, generator=source) < 0.2 for n, t in BASE.items()}
        found[name] = {n: torch.where(untouched[n], BASE[n], t) for n, t in model.items()}
    return found


MODELS = changed()
SKETCH = build_sketch(MemoryCheckpoint("base", BASE), checkpoints(MODELS))
RECIPES = recipes(ids=st.sampled_from(IDS), eighths=True)


def length(parts: dict[str, Any]) -> float:
    return sum(float(torch.as_tensor(p).double().square().sum()) for p in parts.values()) ** 0.5


def counted(found: Preview) -> ConflictCount:
    """The counts of all buckets together."""
    return add_counts(c for cell in found.cells.values() for c in cell.counts)


def value(figure: Figure | None) -> float:
    assert figure is not None and figure.exact
    assert (figure.low, figure.high) == (figure.value, figure.value)
    return figure.value


def mean_length(recipe: Recipe) -> float:
    deltas = [{n: MODELS[e.id][n] - BASE[n] for n in BASE} for e in recipe.experts]
    return sum(map(length, deltas)) / len(deltas)


COUNTED = make_recipe("ties", IDS, params={"density": 1.0, "election": "count"})
PER_TENSOR = COUNTED.patched(params={"trim_scope": "tensor"})
WEIGHTED = COUNTED.patched(
    params={"voters": "weighted"}, weights={"e0": -1.0, "e1": -2.0, "e2": 0.5}
)
DROPPED = make_recipe("dare_ties", IDS, params={"drop_rate": 0.25, "election": "count"})
SILENT = make_recipe("dare", {"e0": 0.0, "e1": 1.0})


@given(RECIPES)
@example(COUNTED)
@example(WEIGHTED)
@example(DROPPED)
@example(PER_TENSOR)
@example(SILENT)
def test_preview_equals_plain_python(recipe: Recipe) -> None:
    want, found = answer(recipe, MODELS, BASE), preview(SKETCH, recipe)
    columns = [signs for part in want.survivors.values() for signs in part]
    present = [sum(s != 0 for s in signs) for signs in columns]
    contested = sum({-1, 1} <= set(signs) for signs in columns)
    whole = counted(found)
    assert whole.survivors == tuple(map(present.count, range(len(recipe.experts) + 1)))
    assert whole.contested == contested
    changes = [sum(int((MODELS[e.id][n] != BASE[n]).sum()) for n in BASE) for e in
               recipe.ordered().experts]  # fmt: skip
    shares = [kept / total for kept, total in zip(want.kept, changes, strict=True)]
    assert [e.kept.value for e in found.experts] == pytest.approx(shares)
    assert found.length is not None and found.norm is not None
    moved = length(want.merged)
    assert found.norm.value == pytest.approx(moved, rel=1e-4, abs=1e-5)
    assert found.length.value == pytest.approx(moved / mean_length(recipe), rel=1e-4, abs=1e-5)


@given(RECIPES)
@example(COUNTED)
@example(WEIGHTED)
@example(DROPPED)
@example(PER_TENSOR)
def test_merge_equals_plain_python(recipe: Recipe) -> None:
    want = answer(recipe, MODELS, BASE).merged
    found = merge(recipe, BASE, MODELS)
    for name, tensor in found.items():
        moved = (tensor - BASE[name]).flatten().tolist()
        assert moved == pytest.approx(want[name], rel=1e-3, abs=2e-5)


@given(RECIPES)
def test_cells_hold_the_whole(recipe: Recipe) -> None:
    want, found = answer(recipe, MODELS, BASE), preview(SKETCH, recipe)
    assert set(found.cells) == {bucket_of(n) for n in SHAPES}
    assert tuple(c.counts[0] for c in found.cells.values()) == found.whole.counts
    for name, columns in want.survivors.items():
        (cell,) = found.cells[bucket_of(name)].counts
        assert cell.contested == sum({-1, 1} <= set(signs) for signs in columns)
        assert cell.total == len(columns)


@given(RECIPES)
def test_energy_is_the_length_of_what_survives(recipe: Recipe) -> None:
    want, found = answer(recipe, MODELS, BASE), preview(SKETCH, recipe)
    for expert, energy in zip(found.experts, want.energy, strict=True):
        model = MODELS[expert.expert]
        whole = length({n: model[n] - BASE[n] for n in BASE}) ** 2
        assert value(expert.energy) == pytest.approx(energy / whole, rel=1e-4, abs=1e-6)


@given(RECIPES)
def test_asking_twice_gives_the_same(recipe: Recipe) -> None:
    assert preview(SKETCH, recipe) == preview(SKETCH, recipe)


# --- By hand --------------------------------------------------------------------------------------


def small(**deltas: Any) -> Sketch:
    models = {name: {"w": row(*values)} for name, values in deltas.items()}
    zero = {"w": torch.zeros(len(next(iter(deltas.values()))))}
    return build_sketch(MemoryCheckpoint("base", zero), checkpoints(models))


def test_four_weights_by_hand() -> None:
    """The lesson of test_ties_by_hand: three entries of each survive, one weight is contested."""
    sketch = small(a=[0.9, -0.1, 0.3, 0.6], b=[-0.4, -0.8, 0.2, 0.7])
    found = preview(sketch, make_recipe("ties", ["a", "b"], params={"density": 0.5}))
    assert found.whole.counts == (ConflictCount((0, 2, 2), 1, 4),)
    assert [(e.expert, value(e.kept)) for e in found.experts] == [("a", 0.75), ("b", 0.75)]
    assert [e.cut for e in found.experts] == pytest.approx([0.3, 0.4])
    lengths = [(0.81 + 0.01 + 0.09 + 0.36) ** 0.5, (0.16 + 0.64 + 0.04 + 0.49) ** 0.5]
    merged = (0.81 + 0.64 + 0.09 + 0.65**2) ** 0.5
    assert value(found.norm) == pytest.approx(merged)
    assert value(found.length) == pytest.approx(merged / (sum(lengths) / 2))
    assert value(found.experts[0].energy) == pytest.approx((0.81 + 0.09 + 0.36) / lengths[0] ** 2)


def test_a_negative_weight_turns_the_signs_that_meet() -> None:
    sketch = small(a=[1, 1, 1, 1], b=[1, 1, 1, -1])
    plus = preview(sketch, make_recipe("task_arithmetic", {"a": 1.0, "b": 1.0}))
    minus = preview(sketch, make_recipe("task_arithmetic", {"a": 1.0, "b": -1.0}))
    assert (counted(plus).contested, counted(minus).contested) == (1, 3)


def test_a_silent_expert_keeps_what_it_keeps() -> None:
    """Its weight is 0: it meets nobody, but its share of kept changes is still told."""
    sketch = small(a=[1.0] * 400, b=[1.0] * 400)
    loud = preview(sketch, make_recipe("dare", {"a": 1.0, "b": 1.0}))
    mute = preview(sketch, make_recipe("dare", {"a": 1.0, "b": 0.0}))
    assert [e.kept for e in mute.experts] == [e.kept for e in loud.experts]
    assert 0.04 < mute.experts[1].kept.value < 0.16
    assert mute.whole.shared == 0


def test_unchanged_experts_give_numbers_all_the_same() -> None:
    found = preview(small(a=[0, 0, 0], b=[0, 0, 0]), make_recipe("ties", ["a", "b"]))
    assert (counted(found).survivors, value(found.length)) == ((3, 0, 0), 0)
    assert [(value(e.kept), value(e.energy)) for e in found.experts] == [(0, 0), (0, 0)]
    assert found.experts[0].won is None


PAIRABLE = [m.id for m in PLAIN if not m.needs.data and (m.needs.most or 2) >= 2]


@pytest.mark.parametrize("method", PAIRABLE)
def test_identical_experts_never_conflict(method: str) -> None:
    sketch = small(a=[1, -2, 3, -4], b=[1, -2, 3, -4])
    assert counted(preview(sketch, make_recipe(method, ["a", "b"]))).contested == 0


@pytest.mark.parametrize(
    ("method", "params", "cut"),
    [
        ("ties", {"density": 0.5}, 0.3),
        ("ties", {"density": 1.0}, None),
        ("ties", {"density": 0.0}, 0.9),
        ("ties", {"trim_scope": "tensor"}, None),
        ("dare_ties", {"density": 0.5}, None),
        ("linear", {}, None),
    ],
)
def test_cut_is_told_where_there_is_one(method: str, params: Any, cut: float | None) -> None:
    found = preview(small(a=[0.9, -0.1, 0.3, 0.6]), make_recipe(method, ["a"], params=params))
    assert found.experts[0].cut == (cut if cut is None else pytest.approx(cut))


def test_kept_share_follows_the_slider() -> None:
    steps = [
        preview(SKETCH, make_recipe("ties", IDS, params={"density": d / 20})) for d in range(21)
    ]
    kept = [p.experts[0].kept.value for p in steps]
    assert (kept[0], kept[-1]) == (0, 1)
    assert all(a <= b for a, b in pairwise(kept))


def test_only_the_chosen_experts_count() -> None:
    found = preview(SKETCH, make_recipe("ties", ["e3", "e1"]))
    assert [e.expert for e in found.experts] == ["e1", "e3"]
    alone = build_sketch(
        MemoryCheckpoint("base", BASE), checkpoints({n: MODELS[n] for n in ("e1", "e3")})
    )
    other = preview(alone, make_recipe("ties", ["e1", "e3"]))
    assert (other.cells, other.whole, other.experts) == (found.cells, found.whole, found.experts)
    assert value(other.length) == pytest.approx(value(found.length), rel=1e-6)


def test_order_of_experts_changes_nothing() -> None:
    one = Recipe("ties", tuple(Expert(n, w) for n, w in zip(IDS, (1, 2, 0.5, 1.5), strict=True)))
    assert preview(SKETCH, one) == preview(SKETCH, replace(one, experts=one.experts[::-1]))


def test_an_expert_that_is_not_in_the_set() -> None:
    with pytest.raises(UnknownNameError, match=r"expert 'e9'\. Did you mean"):
        preview(SKETCH, make_recipe("ties", ["e9"]))


def test_chance_level_equals_tossed_signs() -> None:
    """Random signs on real magnitudes: contested as often as the preview's chance says."""
    source = torch.Generator().manual_seed(0)
    sizes = torch.rand(4, 20_000, generator=source)
    signs = torch.randint(0, 2, sizes.shape, generator=source) * 2 - 1
    found: Preview = preview(
        small(**{n: (sizes * signs)[i].tolist() for i, n in enumerate("abcd")}),
        make_recipe("ties", list("abcd"), params={"density": 0.4}),
    )
    share, chance = found.whole.share, found.whole.chance
    assert share is not None
    assert chance is not None
    assert abs(share.value - chance.value) < 4 * (0.25 / found.whole.shared) ** 0.5
    assert 0.5 < chance.value < 0.75
