"""The heatmap: its grid, its figures in words, and what travels to the page."""

import json

import numpy as np
import pytest

from merging.checkpoints import Bucket
from tests.unit.conflict_tables import Counts, buckets, random_counts, table
from ui.components.heatmap import heatmap_value
from ui.views.conflict import conflict_view
from ui.views.heatmap_grid import MOST_ROWS, heatmap_groups
from ui.views.models import HeatmapView

TWO = [Bucket("L0", "q"), Bucket("L0", "up"), Bucket("L1", "q"), Bucket("Embed", "embed")]


def view(
    now: dict[Bucket, Counts],
    before: dict[Bucket, Counts] | None = None,
    sampled: bool = False,
) -> HeatmapView:
    grid = heatmap_groups(now)
    pinned = None if before is None else table(grid.groups, before, sampled)
    return conflict_view(grid, table(grid.groups, now, sampled), pinned, "Run 3")


def counts(clashes: int, few: int = 10) -> dict[Bucket, Counts]:
    """Return two cells of a layer, one of another, and one where few weights meet."""
    return {
        TWO[0]: (1000, 200, 300 - clashes, clashes),
        TWO[1]: (1000, 100, 50, 50),
        TWO[2]: (1000, 600, 90, 10),
        TWO[3]: (1000, 0, few // 2, few // 2),
    }


def test_rows_go_from_the_input_up_and_modules_in_the_order_of_the_flow() -> None:
    grid = heatmap_groups([Bucket("Final", "norm"), Bucket("L10", "q"), *TWO])
    assert grid.rows == ("Embed", "L0", "L1", "L10", "Final")
    assert grid.columns == ("embed", "q", "up", "norm")
    assert grid.places == ((0, 0), (1, 1), (1, 2), (2, 1), (3, 1), (4, 3))
    assert [grid.name(i) for i in (0, 2, 5)] == ["Embed", "L0 up", "Final norm"]


def test_groups_are_cells_then_rows_then_columns_then_the_whole() -> None:
    grid = heatmap_groups(TWO)
    q0, up0, q1, embed = TWO
    assert grid.groups == (
        (embed,), (q0,), (up0,), (q1,),
        (embed,), (q0, up0), (q1,),
        (embed,), (q0, q1), (up0,),
        (embed, q0, up0, q1),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("layers", "rows", "first", "last"),
    [
        (78, 80, "L0", "L77"),
        (79, 42, "L0-L1", "L78"),
        (81, 43, "L0-L1", "L80"),
        (200, 69, "L0-L2", "L198-L199"),
    ],
)
def test_beyond_eighty_rows_layers_share_rows_in_equal_runs(
    layers: int, rows: int, first: str, last: str
) -> None:
    cells = buckets(layers)
    grid = heatmap_groups(cells)
    assert len(grid.rows) == rows <= MOST_ROWS
    assert (grid.rows[0], grid.rows[1], grid.rows[-2], grid.rows[-1]) == (
        "Embed", first, last, "Final",
    )  # fmt: skip
    assert len({len(run) for run in grid.members[1:-2]}) == 1
    shown = [bucket for group in grid.groups[: len(grid.places)] for bucket in group]
    assert sorted(shown) == sorted(cells)
    assert sorted(grid.groups[-1]) == sorted(cells)


def test_a_cell_is_found_by_the_names_of_its_row_or_of_one_layer_in_it() -> None:
    grid = heatmap_groups(buckets(200))
    assert grid.buckets("L3-L5", "up") == (
        Bucket("L3", "up"), Bucket("L4", "up"), Bucket("L5", "up"),
    )  # fmt: skip
    assert grid.buckets("L4", "up") == (Bucket("L4", "up"),)
    assert grid.buckets("L4", "embed") == grid.buckets("L200", "up") == ()


def test_a_module_that_one_layer_of_a_run_lacks_is_not_looked_for() -> None:
    cells = [b for b in buckets(90) if b != Bucket("L1", "gate")]
    grid = heatmap_groups(cells)
    assert grid.buckets("L0-L1", "gate") == (Bucket("L0", "gate"),)
    assert grid.buckets("L1", "gate") == ()


def test_parts_are_conditional_or_of_all_weights() -> None:
    current = view(counts(120)).current
    assert current.contested.value.tolist()[:4] == [0.5, 0.4, 0.5, 0.1]
    assert current.contested.counted.tolist()[:4] == [10, 300, 100, 100]
    assert current.disjoint.value.tolist()[:4] == [0.0, 0.2, 0.1, 0.6]
    assert current.agree.value.tolist()[:4] == [0.005, 0.18, 0.05, 0.09]
    assert current.contested.value[5] == 170 / 400
    assert np.isnan(current.contested.known[0]) and current.contested.known[1] == 0.4


def test_sentences_tell_the_whole_and_the_ends() -> None:
    said = view(counts(120)).sentences
    assert said["contested"] == {"current": "Most in L0 up (50.0 %), least in L1 q (10.0 %)."}
    assert said["disjoint"]["current"] == (
        "Only one expert's change survives at 22.5 % of all weights. Most in L1 q (60.0 %), least "
        "in Embed (0.0 %)."
    )
    assert said["agree"]["current"].startswith(
        "Two or more experts keep a change of one sign at 8.1 % of all weights. Most in L0 q (18"
    )


def test_sentences_of_the_pinned_recipe_and_of_the_difference() -> None:
    said = view(counts(120), counts(60)).sentences
    assert said["contested"]["pinned"] == (
        "In Run 3 (pinned): where two or more experts meet, signs clash at 24.5 % of the weights; "
        "coin tosses would clash at 50.0 %. Most in L0 up (50.0 %), least in L1 q (10.0 %)."
    )
    assert said["contested"]["difference"] == (
        "Where two or more experts meet, signs clash at 36.3 % of the weights, against 24.5 % in "
        "Run 3 (pinned): +11.8 points. The largest difference is in L0 q: +20.0 points."
    )
    assert said["disjoint"]["difference"] == (
        "Only one expert's change survives as often as in Run 3 (pinned), in every cell."
    )
    assert said["agree"]["difference"].endswith("The largest difference is in L0 q: −6.0 points.")


def test_with_one_expert_nobody_disagrees_and_few_weights_say_nothing() -> None:
    alone = dict.fromkeys(TWO, (1000, 500, 0, 0))
    said = view(counts(120), alone).sentences
    assert said["contested"]["pinned"] == (
        "In Run 3 (pinned): too few weights are kept by two or more experts."
    )
    said = view(alone, counts(120)).sentences
    assert said["contested"]["current"] == ""
    assert said["contested"]["difference"].startswith("There is no difference to tell")
    assert said["disjoint"]["current"] == (
        "Only one expert's change survives at 50.0 % of all weights. "
        "The same in every cell: 50.0 %."
    )


def decoded(numbers: list[int]) -> np.ndarray:
    return np.array(numbers) / 10_000


def test_numbers_travel_as_whole_numbers_and_come_back() -> None:
    shown = view(counts(120), counts(60), sampled=True)
    value = heatmap_value(shown)
    assert json.loads(json.dumps(value)) == value
    assert (value["rows"], value["columns"]) == (["Embed", "L0", "L1"], ["embed", "q", "up"])
    assert value["holes"] == [1, 2, 3, 6, 8]
    shares, below, above = (decoded(n) for n in value["current"]["contested"])
    part = shown.current.contested
    assert np.abs(shares - part.value).max() <= 5e-5
    assert np.abs(shares - below - part.low).max() <= 1e-4
    assert np.abs(shares + above - part.high).max() <= 1e-4
    assert value["current"]["shared"][:4] == [10, 300, 100, 100]
    assert value["current"]["sampled"][-1] == 4000
    assert "sampled" not in value["pinned"] and "view" not in value


def test_exact_figures_have_no_reach_and_what_counts_nothing_is_marked() -> None:
    cells = counts(120) | {TWO[3]: (1000, 0, 0, 0)}
    value = heatmap_value(view(cells))
    shares, below, above = value["current"]["contested"]
    assert shares[:2] == [-1, 4000] and value["current"]["chance"][:2] == [-1, 5000]
    assert below == above == []
    assert value["pinned"] is None


def test_what_to_look_at_may_come_along() -> None:
    value = heatmap_value(view(counts(120)), "agree", "difference", "L0 q")
    assert value["view"] == {"part": "agree", "side": "difference", "cell": "L0 q"}


@pytest.mark.parametrize(("layers", "most"), [(30, 30_000), (200, 65_000)])
def test_a_tick_is_small(layers: int, most: int) -> None:
    """242 cells with their marginals, of the current and the pinned recipe, in under 30 kB."""
    cells = buckets(layers)
    shown = view(random_counts(cells, 1), random_counts(cells, 2), sampled=True)
    assert layers != 30 or len(shown.grid.places) == 242
    assert len(json.dumps(heatmap_value(shown), separators=(",", ":"))) < most
