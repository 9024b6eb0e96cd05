"""Conflict and winners of many cells at once: as cell by cell, and as in plain Python."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_figures import plain_ratio, plain_share
from sampled_sketch import IDS, SAMPLED, WHOLE, figure
from test_preview_by_hand import small

from merging.analysis import Conflict, Figure, Groups, Shares, strata
from merging.analysis.figures import shares
from merging.checkpoints import Bucket
from merging.recipe import make_recipe
from merging.sketch import Preview, Sketch, conflict_table, preview, winners

FIGURES = ("share", "chance", "agree", "disjoint", "contested")
CELLS = [[bucket] for bucket in SAMPLED.buckets]
MARGINALS = [
    [b for b in SAMPLED.buckets if b.row == "L0"],
    [b for b in SAMPLED.buckets if b.module == "q"],
    list(SAMPLED.buckets),
    [],
]
RECIPES = [
    make_recipe("ties", IDS, params={"density": 0.3}),
    make_recipe("ties", IDS, params={"density": 0.3, "trim_scope": "tensor"}),
    make_recipe("dare_ties", IDS),
    make_recipe("task_arithmetic", {"a": 1.0, "b": -0.5, "c": 0.0}),
    make_recipe("linear", ["a"]),
    make_recipe("emr", IDS),
]


def assert_same(found: Shares, place: Any, wanted: Figure | None) -> None:
    ends = (found.value[place], found.low[place], found.high[place])
    if wanted is None:
        assert all(map(math.isnan, ends)) and found.basis[place] == 0
        return
    assert ends == pytest.approx((wanted.value, wanted.low, wanted.high), abs=1e-12)
    assert found.basis[place] == wanted.basis and found.too_few[place] == wanted.too_few
    if found.exact:
        assert wanted.exact
    if wanted.exact:
        assert ends[0] == ends[1] == ends[2]


def joined(found: Preview, group: list[Bucket]) -> Conflict:
    """The conflict over some buckets, made of what each of them says."""
    cells = [found.cells[bucket] for bucket in group]
    return Conflict.of([count for cell in cells for count in cell.counts], cells[0].slack)


@pytest.mark.parametrize("sketch", [SAMPLED, WHOLE], ids=["sampled", "whole"])
@pytest.mark.parametrize("recipe", RECIPES, ids=lambda r: r.method)
def test_a_table_says_what_the_cells_say(sketch: Sketch, recipe: Any) -> None:
    found = preview(sketch, recipe)
    table = conflict_table(found, CELLS + MARGINALS[:3])
    for place, group in enumerate(CELLS + MARGINALS[:3]):
        wanted = joined(found, group)
        for name in FIGURES:
            assert_same(getattr(table, name), place, getattr(wanted, name))
        assert table.shared[place] == wanted.shared
    assert table.agree.value.shape == (len(CELLS) + 3,)
    assert table.agree.exact == found.whole.agree.exact


def test_a_table_says_what_plain_python_says() -> None:
    found = preview(SAMPLED, RECIPES[0])
    table = conflict_table(found, CELLS + MARGINALS)
    place = {bucket: i for i, bucket in enumerate(SAMPLED.buckets)}
    for at, group in enumerate(CELLS + MARGINALS):
        counts = [found.whole.counts[place[bucket]] for bucket in group]
        slack = found.whole.slack
        shared = [
            plain_share(c.total, c.population or 0, c.contested, sum(c.survivors[2:]))
            for c in counts
        ]
        alone = [plain_share(c.total, c.population or 0, c.survivors[1], c.total) for c in counts]
        for name, wanted in (("share", shared), ("disjoint", alone)):
            shown = getattr(table, name)
            ends = (shown.value[at], shown.low[at], shown.high[at])
            assert ends == pytest.approx(plain_ratio(wanted, slack), abs=1e-12, nan_ok=True)


COUNTS = st.lists(
    st.tuples(st.integers(1, 40), st.integers(0, 60), st.integers(0, 40), st.integers(0, 40)),
    min_size=1,
    max_size=6,
)


@given(COUNTS, st.data(), st.sampled_from([0.0, 0.02]))
def test_shares_of_groups_are_those_of_plain_python(
    drawn: list[tuple[int, int, int, int]], data: Any, slack: float
) -> None:
    """Any strata, some counted whole or empty under the condition, in groups that overlap."""
    rows = [(n, n + more, min(a, b, n), min(max(a, b), n)) for n, more, a, b in drawn]
    inside = st.lists(st.integers(0, len(rows) - 1), max_size=4)
    groups = data.draw(st.lists(inside, min_size=1, max_size=5))
    counted, population, hits, under = np.array(rows, np.float64).T
    found = shares(strata(counted, population, slack), Groups.of(groups), hits, under)
    for place, group in enumerate(groups):
        wanted = plain_ratio([plain_share(*rows[i]) for i in group], slack)
        ends = (found.value[place], found.low[place], found.high[place])
        assert ends == pytest.approx(wanted, abs=1e-12, nan_ok=True)
        assert found.basis[place] == sum(rows[i][3] for i in group)


def test_a_table_by_hand() -> None:
    """Of four weights both keep two, one with both signs; only b keeps the last."""
    sketch = small(a=[5, 3, 0, 0], b=[5, -1, 0, 2])
    recipe = make_recipe("task_arithmetic", ["a", "b"])
    table = conflict_table(preview(sketch, recipe), [sketch.buckets])
    assert [getattr(table, n).value.tolist() for n in FIGURES] == [
        [0.5], [0.5], [0.25], [0.25], [0.25]
    ]  # fmt: skip
    assert table.shared.tolist() == [2] and table.share.too_few.tolist() == [True]
    assert table.share.exact


@pytest.mark.parametrize("sketch", [SAMPLED, WHOLE], ids=["sampled", "whole"])
@pytest.mark.parametrize("recipe", RECIPES[:4], ids=lambda r: r.method)
def test_winners_are_those_of_each_bucket(sketch: Sketch, recipe: Any) -> None:
    pinned = make_recipe("task_arithmetic", {"a": 1.0, "b": 2.0, "c": -1.0})
    found = preview(sketch, recipe, pinned)
    told = winners(found, CELLS + MARGINALS)
    assert told is not None and told.flips is not None and told.experts == IDS
    for place, (bucket,) in enumerate(CELLS):
        wanted = found.at(bucket)
        assert_same(told.flips, place, wanted.flips)
        for row, expert in enumerate(wanted.experts):
            assert_same(told.won, (place, row), expert.won)
    for row, expert in enumerate(found.experts):
        assert_same(told.won, (len(CELLS) + 2, row), expert.won)
    assert_same(told.flips, len(CELLS) + 2, found.flips)
    assert np.isnan(told.won.value[-1]).all() and math.isnan(told.flips.value[-1])
    assert winners(preview(sketch, recipe), CELLS).flips is None  # type: ignore[union-attr]


def test_winners_by_hand() -> None:
    """At weights 1 and 2 signs meet: a wins 3, b wins 4 of 7."""
    sketch = small(a=[5, 3, -1, 2], b=[5, -1, 4, 0])
    told = winners(preview(sketch, make_recipe("task_arithmetic", ["a", "b"])), [sketch.buckets])
    assert told is not None and told.flips is None
    assert told.won.value[0].tolist() == pytest.approx([3 / 7, 4 / 7])
    assert told.won.basis.tolist() == [[2, 2]]


def test_nobody_knows_winners_before_a_merge() -> None:
    assert winners(preview(SAMPLED, make_recipe("emr", IDS)), CELLS) is None


def test_a_bucket_that_is_not_there() -> None:
    with pytest.raises(KeyError):
        conflict_table(preview(SAMPLED, RECIPES[0]), [[Bucket("L9", "q")]])


def test_a_figure_of_many_is_read_back() -> None:
    found = preview(WHOLE, RECIPES[0])
    table = conflict_table(found, [SAMPLED.buckets, []])
    assert table.share.at(0) == figure(found.whole.share)
    assert table.share.at(1) is None
