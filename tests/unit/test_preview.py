"""The preview says what the merge does: both against plain Python, for random recipes."""

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
import torch
from builders import PLAIN, SHAPES, State, checkpoints, context, experts, merge, recipes, row, state
from hypothesis import example, given
from hypothesis import strategies as st
from naive import answer

from merging.checkpoints import MemoryCheckpoint
from merging.checkpoints.buckets import bucket_of
from merging.errors import UnknownNameError
from merging.recipe import Expert, Recipe, make_recipe
from merging.sketch import DeltaTables, Preview, preview

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
TABLES = DeltaTables(MemoryCheckpoint("base", BASE), checkpoints(MODELS))
RECIPES = recipes(ids=st.sampled_from(IDS), eighths=True)


def length(parts: dict[str, Any]) -> float:
    return sum(float(torch.as_tensor(p).double().square().sum()) for p in parts.values()) ** 0.5


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
    want, found = answer(recipe, MODELS, BASE), preview(TABLES, recipe)
    columns = [signs for part in want.survivors.values() for signs in part]
    present = [sum(s != 0 for s in signs) for signs in columns]
    contested = sum({-1, 1} <= set(signs) for signs in columns)
    assert found.whole.survivors == tuple(map(present.count, range(len(recipe.experts) + 1)))
    assert found.whole.contested == contested
    changes = [sum(int((MODELS[e.id][n] != BASE[n]).sum()) for n in BASE) for e in
               recipe.ordered().experts]  # fmt: skip
    shares = [kept / total for kept, total in zip(want.kept, changes, strict=True)]
    assert [e.kept for e in found.experts] == pytest.approx(shares)
    moved = length(want.merged) / mean_length(recipe)
    assert found.length == pytest.approx(moved, rel=1e-4, abs=1e-5)


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
    want, found = answer(recipe, MODELS, BASE), preview(TABLES, recipe)
    assert set(found.cells) == {bucket_of(n) for n in SHAPES}
    assert sum(c.contested for c in found.cells.values()) == found.whole.contested
    for name, columns in want.survivors.items():
        cell = found.cells[bucket_of(name)]
        assert cell.contested == sum({-1, 1} <= set(signs) for signs in columns)
        assert cell.total == len(columns)


@given(RECIPES)
def test_energy_is_the_length_of_what_survives(recipe: Recipe) -> None:
    want, found = answer(recipe, MODELS, BASE), preview(TABLES, recipe)
    for expert, energy in zip(found.experts, want.energy, strict=True):
        model = MODELS[expert.expert]
        whole = length({n: model[n] - BASE[n] for n in BASE}) ** 2
        assert expert.energy == pytest.approx(energy / whole, rel=1e-4, abs=1e-6)


@given(RECIPES)
def test_asking_twice_gives_the_same(recipe: Recipe) -> None:
    assert preview(TABLES, recipe) == preview(TABLES, recipe)


# --- By hand --------------------------------------------------------------------------------------


def small(**deltas: Any) -> DeltaTables:
    models = {name: {"w": row(*values)} for name, values in deltas.items()}
    zero = {"w": torch.zeros(len(next(iter(deltas.values()))))}
    return DeltaTables(MemoryCheckpoint("base", zero), checkpoints(models))


def test_four_weights_by_hand() -> None:
    """The lesson of test_ties_by_hand: three entries of each survive, one weight is contested."""
    tables = small(a=[0.9, -0.1, 0.3, 0.6], b=[-0.4, -0.8, 0.2, 0.7])
    found = preview(tables, make_recipe("ties", ["a", "b"], params={"density": 0.5}))
    assert (found.whole.survivors, found.whole.contested) == ((0, 2, 2), 1)
    assert [(e.expert, e.kept) for e in found.experts] == [("a", 0.75), ("b", 0.75)]
    assert [e.cut for e in found.experts] == pytest.approx([0.3, 0.4])
    lengths = [(0.81 + 0.01 + 0.09 + 0.36) ** 0.5, (0.16 + 0.64 + 0.04 + 0.49) ** 0.5]
    merged = (0.81 + 0.64 + 0.09 + 0.65**2) ** 0.5
    assert found.length == pytest.approx(merged / (sum(lengths) / 2))
    assert found.experts[0].energy == pytest.approx((0.81 + 0.09 + 0.36) / lengths[0] ** 2)


def test_a_negative_weight_turns_the_signs_that_meet() -> None:
    tables = small(a=[1, 1, 1, 1], b=[1, 1, 1, -1])
    plus = preview(tables, make_recipe("task_arithmetic", {"a": 1.0, "b": 1.0}))
    minus = preview(tables, make_recipe("task_arithmetic", {"a": 1.0, "b": -1.0}))
    assert (plus.whole.contested, minus.whole.contested) == (1, 3)


def test_a_silent_expert_keeps_what_it_keeps() -> None:
    """Its weight is 0: it meets nobody, but its share of kept changes is still told."""
    tables = small(a=[1.0] * 400, b=[1.0] * 400)
    loud = preview(tables, make_recipe("dare", {"a": 1.0, "b": 1.0}))
    mute = preview(tables, make_recipe("dare", {"a": 1.0, "b": 0.0}))
    assert [e.kept for e in mute.experts] == [e.kept for e in loud.experts]
    assert 0.04 < mute.experts[1].kept < 0.16
    assert sum(mute.whole.survivors[2:]) == 0


def test_unchanged_experts_give_numbers_all_the_same() -> None:
    found = preview(small(a=[0, 0, 0], b=[0, 0, 0]), make_recipe("ties", ["a", "b"]))
    assert (found.whole.survivors, found.length) == ((3, 0, 0), 0)
    assert [(e.kept, e.energy) for e in found.experts] == [(0, 0), (0, 0)]


PAIRABLE = [m.id for m in PLAIN if not m.needs.data and (m.needs.most or 2) >= 2]


@pytest.mark.parametrize("method", PAIRABLE)
def test_identical_experts_never_conflict(method: str) -> None:
    tables = small(a=[1, -2, 3, -4], b=[1, -2, 3, -4])
    assert preview(tables, make_recipe(method, ["a", "b"])).whole.contested == 0


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
        preview(TABLES, make_recipe("ties", IDS, params={"density": d / 20})) for d in range(21)
    ]
    kept = [p.experts[0].kept for p in steps]
    assert (kept[0], kept[-1]) == (0, 1)
    assert all(a <= b for a, b in pairwise(kept))


def test_only_the_chosen_experts_count() -> None:
    found = preview(TABLES, make_recipe("ties", ["e3", "e1"]))
    assert [e.expert for e in found.experts] == ["e1", "e3"]
    alone = DeltaTables(
        MemoryCheckpoint("base", BASE), checkpoints({n: MODELS[n] for n in ("e1", "e3")})
    )
    assert preview(alone, make_recipe("ties", ["e1", "e3"])) == found


def test_order_of_experts_changes_nothing() -> None:
    one = Recipe("ties", tuple(Expert(n, w) for n, w in zip(IDS, (1, 2, 0.5, 1.5), strict=True)))
    assert preview(TABLES, one) == preview(TABLES, replace(one, experts=one.experts[::-1]))


def test_an_expert_that_is_not_in_the_set() -> None:
    with pytest.raises(UnknownNameError, match=r"expert 'e9'\. Did you mean"):
        preview(TABLES, make_recipe("ties", ["e9"]))


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
    assert abs(share - chance) < 4 * (chance * (1 - chance) / found.whole.shared) ** 0.5
    assert 0.5 < chance < 0.75


# --- Tables ---------------------------------------------------------------------------------------


def test_tables_hold_exact_facts() -> None:
    tables = small(b=[3, 0, -4, 0], a=[1, 0, 0, -2])
    (span,) = tables.tensors
    assert tables.experts == ("a", "b")
    assert tables.count == 4
    assert tables.rows(["b", "a"]) == (1, 0)
    assert tables.deltas(span, (1,)).tolist() == [[3, 0, -4, 0]]
    assert tables.deltas(span, (1, 0)).tolist() == [[3, 0, -4, 0], [1, 0, 0, -2]]
    assert tables.signs(span, (0, 1)).tolist() == [[1, 0, 0, -1], [1, 0, -1, 0]]
    assert tables.changes((1, 0)).tolist() == [2, 2]
    assert tables.norms((0, 1)).tolist() == pytest.approx([5**0.5, 5])
    assert tables.sorted_model((1,))[0].tolist() == [0, 0, 3, 4]
    assert tables.sorted_tensor(span, (0,))[0].tolist() == [0, 0, 1, 2]


def test_buckets_are_runs_of_tensors() -> None:
    covered = [span.start for span in TABLES.tensors] + [TABLES.count]
    assert covered == [0] + [span.stop for span in TABLES.tensors]
    assert [b.bucket for b in TABLES.buckets] == sorted({bucket_of(n) for n in SHAPES})
    for bucket in TABLES.buckets:
        inside = [t for t in TABLES.tensors if bucket.start <= t.start < bucket.stop]
        assert {t.bucket for t in inside} == {bucket.bucket}
        assert inside[-1].stop == bucket.stop
    for span in TABLES.tensors:
        assert torch.equal(TABLES.base(span), BASE[span.name].flatten())
        found = TABLES.deltas(span, (2,))[0] + TABLES.base(span)
        assert torch.allclose(found, MODELS["e2"][span.name].flatten())


def test_masks_are_remembered_and_those_of_old_seeds_dropped() -> None:
    tables = small(a=[1.0] * 50, b=[2.0] * 50)
    recipe = make_recipe("dare", ["a", "b"])
    for seed in range(9):
        masks = tables.masks(seed)
        want = context(recipe.patched(seed=seed), torch.ones(1, 50)).masks
        for expert in "ab":
            found = masks.keep("w", expert, 0, 50, 0.5)
            assert torch.equal(found, want.keep("w", expert, 0, 50, 0.5))
    assert len(tables._bits) <= 4
