"""A map on the page: heights, marks, sentences against numbers, figure data."""

from dataclasses import replace

import pytest
from tiny_ground import TinyGround
from tiny_measure import CancelAfter, quiet

from merging.evaluation.judged import Judged
from merging.search.heights import Height
from merging.search.landscape import Landscape, landscape
from merging.search.plane import Spot
from ui.charts.map import map_figure
from ui.charts.parts import PANEL
from ui.views.experts import expert_marks
from ui.views.map import height_of, map_view, nearest, tasks_counted
from ui.views.map_words import cost_words, map_cost_words, map_words, value_words, yours_words

MARKS = {m.expert: m for m in expert_marks("abc", {e: e.upper() * 2 for e in "abc"}, tuple("abc"))}
ACCURACY, LOSS = Height("accuracy", ("t",)), Height("loss", ("t",))


def made(report=quiet, **how) -> Landscape:
    how = {"count": 5, "others": ("c",), "threads": 1} | how
    return landscape(TinyGround(), ("a", "b"), report, **how)


def figure_of(found: Landscape, height: Height = ACCURACY, yours: Spot | None = None, **how):
    return map_figure(map_view(found, height, MARKS, yours, **how))


def test_the_chart_holds_every_height_at_its_place() -> None:
    found = made()
    traces = {t["name"]: t for t in figure_of(found)["data"]}
    cells = traces["places"]
    assert cells["x"] == list(found.grid.xs) and cells["y"] == list(found.grid.ys)
    for (i, j), judged in found.places.items():
        assert cells["z"][j][i] == pytest.approx(100 * ACCURACY.of(judged), abs=1e-3)
    assert traces["contours"]["z"] == [tuple(row) for row in cells["z"]]
    assert "not measured yet" not in traces
    assert (traces["A AA"]["x"], traces["A AA"]["y"]) == ([3.0], [0.0])
    assert (traces["B BB"]["x"], traces["B BB"]["y"]) == ([1.0], [2.0])
    assert traces["sum of both changes"]["x"] == [4.0]
    other = traces["C CC"]
    assert other["marker"]["symbol"].endswith("-open")
    assert "97 % of its way off this plane" in other["hovertemplate"]


def test_axes_are_equally_long_and_loss_is_turned_round() -> None:
    layout = figure_of(made())["layout"]
    assert layout["yaxis"]["scaleanchor"] == "x" and layout["yaxis"]["scaleratio"] == 1
    best = figure_of(made())["data"][0]["colorscale"][1][1]
    least = figure_of(made(), LOSS)["data"][0]["colorscale"][0][1]
    assert best == least == "var(--me-plus-wash)"


def test_what_is_not_measured_shows_its_nearest_neighbour_pale() -> None:
    assert nearest(((1.0, None, None), (None, None, 5.0))) == (
        (None, 1.0, 5.0),
        (1.0, 5.0, None),
    )
    assert nearest(((None,),)) == ((None,),)
    figure = figure_of(made(CancelAfter(16)))
    rough, cells = figure["data"][:2]
    assert rough["name"] == "not measured yet" and rough["opacity"] < 0.5
    assert "Pale places are not measured yet" in figure["sentence"]
    both = [
        (a is None) != (b is None)
        for one, other in zip(rough["z"], cells["z"], strict=True)
        for a, b in zip(one, other, strict=True)
    ]
    assert all(both)


def test_before_the_first_place_the_models_stand_already() -> None:
    seen: list[Landscape] = []
    made(on_point=seen.append)
    figure = figure_of([found for found in seen if not found.named][-1])
    assert [t["type"] for t in figure["data"]] == ["scatter"] * 7
    assert map_words(seen[0], ACCURACY, MARKS, None, live=True) == "0 of 25 places so far."


def test_the_verdict_names_best_average_noise_and_the_merge() -> None:
    found = made()
    best = max(ACCURACY.of(j) for j in found.places.values())
    spot = Spot(1.0, 3.0, 6.0, 46**0.5)
    said = map_words(found, ACCURACY, MARKS, spot, live=False)
    assert said.startswith(f"Highest on this plane: {100 * best:.1f} % at ")
    assert "; the average of the two has 30.0 %." in said
    assert "standard error of about 1.6 points (1000 images)" in said
    assert said.endswith(
        "Your merge lies off this plane: its distance from it is 88 % of its distance from the "
        "base."
    )
    assert "beyond the edge" in map_words(found, ACCURACY, MARKS, Spot(99, 0, 0, 99), live=False)
    low = map_words(found, LOSS, MARKS, None, live=False)
    least = min(LOSS.of(j) for j in found.places.values())
    assert low.startswith(f"Lowest loss on this plane: {least:.3f} nats at ")


def test_how_it_ended() -> None:
    found = made(CancelAfter(16))
    done = len(found.places)
    said = map_words(found, ACCURACY, MARKS, None, live=False)
    assert said.startswith(f"Stopped: {done} of 25 places were judged and are kept. Highest")
    assert map_words(found, ACCURACY, MARKS, None, live=True).startswith(f"{done} of 25 places so")


def test_places_that_lack_a_chosen_task_are_not_measured_yet() -> None:
    found = replace(made(), tasks=("t", "u"))
    both = Height("accuracy", ("t", "u"))
    one = found.places[(0, 0)]
    full = one.joined(Judged({"u": one.correct["t"]}, {"u": one.loss["t"]}))
    found = replace(found, places={**found.places, (0, 0): full}, ended="cancelled")
    view = map_view(found, both, MARKS, None)
    assert [v for row in view.heights for v in row if v is not None] == [
        pytest.approx(100 * ACCURACY.of(one), abs=1e-3)
    ]
    assert not view.complete and {m.height for m in view.marks} == {None}
    said = map_words(found, both, MARKS, None, live=False)
    assert said.startswith("Stopped: 1 of 25 places were judged and are kept. Highest")
    assert "the average of the two has" not in said
    assert map_view(found, ACCURACY, MARKS, None).complete


def test_where_a_merge_stands_in_words() -> None:
    assert yours_words(None) == "" and yours_words(Spot(0, 0)) == "Your merge is the base."
    assert yours_words(Spot(1, 0, 0.001, 1)) == "Your merge lies on this plane."


def test_a_merge_is_drawn_inside_the_map_only() -> None:
    inside = figure_of(made(), yours=Spot(1.0, 1.0, 1.0, 2.0))["data"][-1]
    assert inside["name"] == "your merge" and inside["marker"]["symbol"] == "star-open"
    assert figure_of(made(), yours=Spot(99, 0, 0, 99))["data"][-1]["name"] != "your merge"


def test_another_map_than_the_chosen_one_says_so() -> None:
    figure = figure_of(made(), stale=True, of="something else")
    assert figure["sentence"].endswith("Drawn pale: this is the map of something else.")
    assert figure["data"][0]["opacity"] == 0.5


def test_numbers_of_the_table() -> None:
    table = figure_of(made())["table"]
    assert len(table["rows"]) == 6 + 25 and {len(r) for r in table["rows"]} == {5}
    row = next(r for r in table["rows"] if r[0] == "A AA")
    assert row == ["A AA", "3.000", "0.000", "40.000", "0.0"]


def test_which_tasks_count() -> None:
    task_of, every = {"a": "t", "b": "u", "mixed": ""}, ("t", "u", "v")
    assert tasks_counted("", ("a", "b"), task_of, every) == ("t", "u")
    assert tasks_counted("", ("base", "set/b"), task_of, every) == ("u",)
    assert tasks_counted("", ("base", "mixed"), task_of, every) == every
    assert tasks_counted("all", ("a",), task_of, every) == every
    assert tasks_counted("v", ("a",), task_of, every) == ("v",)
    assert tasks_counted("zork", ("a",), task_of, every) == ("t",)


def test_shares_need_the_own_experts() -> None:
    assert height_of("share", ("t",), {}).kind == "accuracy"
    assert height_of("zork", ("t",), {"t": 1}).kind == "share"
    assert value_words(LOSS, 0.4123) == "0.412 nats" and value_words(ACCURACY, 0.4123) == "41.2 %"


def test_what_it_will_take() -> None:
    assert cost_words(441, 0.1, "places") == "441 places, about 44 s"
    assert cost_words(441, None, "places").endswith("the first of them tell how long")
    assert map_cost_words(441, 0, 0.1) == "441 places, measured before"
    assert map_cost_words(441, 441, 0.1) == "441 places, about 44 s"
    assert map_cost_words(441, 100, 0.1) == "100 of 441 places are left, about 10 s"
    assert map_cost_words(441, 441, 1.0) == (
        "441 places, about 7 min 21 s; it stops at 2 min and goes on when drawn again"
    )


def test_names_of_marks_stand_on_ground_of_their_own() -> None:
    """A contour's label may lie where a name is: the name covers it."""
    figure = figure_of(made())
    marks = [t for t in figure["data"] if t["type"] == "scatter" and t.get("mode") == "markers"]
    names = figure["layout"]["annotations"]
    assert {n["text"] for n in names} >= {"base"} and all("text" not in mark for mark in marks)
    assert {n["bgcolor"] for n in names} == {PANEL}
    places = {(mark["x"][0], mark["y"][0]) for mark in marks}
    assert all((name["x"], name["y"]) in places for name in names)
    (base,) = (name for name in names if name["text"] == "base")
    assert base["yshift"] < 0 and figure["narrow"]["annotations"] == names
