"""Figures as data: where marks stand, what is hollow, and what a dragged slider changes."""

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from merging.evaluation import Estimate
from tests.unit.drawing import CLEAR, LITERAL_COLOUR, texts, trace
from ui.charts.magnitudes import magnitudes_figure, thin
from ui.charts.scores import scores_figure
from ui.views.models import (
    MagnitudeCurve,
    MagnitudesView,
    ScoreRow,
    ScoresView,
)


def around(value: float, half: float = 0.01) -> Estimate:
    return Estimate(value, value - half, value + half)


def row(task: str, letter: str, merged: float | None, pinned: float | None = None) -> ScoreRow:
    return ScoreRow(
        task=task,
        label=task.capitalize(),
        letter=letter,
        held_in=True,
        own=around(0.96),
        base=around(0.5),
        merged=None if merged is None else around(merged, 0.02),
        pinned=None if pinned is None else around(pinned),
        raw=None if merged is None else around(0.96 * merged),
        base_raw=around(0.48),
        pinned_raw=None if pinned is None else around(0.96 * pinned),
    )


@pytest.fixture
def scores() -> ScoresView:
    rows = (row("mirror", "B", 0.7, 0.8), replace(row("rotate", "A", 0.9, 0.85), held_in=False))
    return ScoresView(rows, row("mean", "", 0.8, 0.825), "It keeps 80 %.", pinned_name="Run 1")


def test_merged_dots_stand_at_their_share_worst_task_on_top(scores: ScoresView) -> None:
    dots = trace(scores_figure(scores), "merged")
    assert dots["x"] == [70.0, 90.0, 80.0]
    assert dots["y"] == [3.0, 1.0, -0.4]
    inside = replace(scores, rows=tuple(replace(r, held_in=True) for r in scores.rows))
    assert trace(scores_figure(inside), "merged")["y"] == [2.0, 1.0, -0.4]
    assert dots["customdata"] == ["mirror", "rotate", "mean"]
    assert dots["marker"]["color"] == "var(--me-ink)"


def test_whiskers_span_the_interval_and_break_between_rows(scores: ScoresView) -> None:
    whiskers = trace(scores_figure(scores), "95 % interval")
    assert whiskers["mode"] == "lines"
    assert whiskers["x"] == [68.0, 72.0, None, 88.0, 92.0, None, 78.0, 82.0, None]
    assert whiskers["y"][:3] == [3.0, 3.0, None]


def test_pinned_run_is_a_hollow_ring_joined_to_the_dot(scores: ScoresView) -> None:
    figure = scores_figure(scores)
    rings = trace(figure, "pinned: Run 1")
    assert rings["marker"]["color"] == "var(--me-panel)"
    assert rings["marker"]["line"]["color"] == "var(--me-ink)"
    assert rings["x"] == [80.0, 85.0, 82.5]
    assert trace(figure, "change")["x"] == [80.0, 70.0, None, 85.0, 90.0, None, 82.5, 80.0, None]
    beside = [n["text"] for n in figure["layout"]["annotations"] if n.get("xshift")]
    assert beside == ["70 %  −10.0", "90 %  +5.0", "80 %  −2.5"]


def test_without_a_pinned_run_there_is_no_ghost(scores: ScoresView) -> None:
    alone = tuple(replace(r, pinned=None) for r in scores.rows)
    view = replace(scores, rows=alone, mean=replace(scores.mean, pinned=None), pinned_name="")
    figure = scores_figure(view)
    assert [t["name"] for t in figure["data"]] == ["base", "95 % interval", "merged"]
    assert "pinned" not in figure["sentence"]


def test_stale_scores_are_pale_and_say_so(scores: ScoresView) -> None:
    figure = scores_figure(replace(scores, stale=True))
    assert trace(figure, "merged")["opacity"] == 0.5
    assert trace(figure, "merged")["marker"]["color"] == "var(--me-soft)"
    assert "other settings" in figure["sentence"]
    assert "other settings" not in scores_figure(scores)["sentence"]


def test_a_row_without_a_merge_keeps_its_base_and_has_no_dot(scores: ScoresView) -> None:
    view = replace(scores, rows=(scores.rows[0], row("thin", "C", None)))
    figure = scores_figure(view)
    assert len(trace(figure, "base")["x"]) == 3
    assert len(trace(figure, "merged")["x"]) == 2
    assert figure["table"]["rows"][1][3:] == ["", "", "", "", ""]


def test_scores_axis_is_fixed_until_a_merge_outgrows_it(scores: ScoresView) -> None:
    layout = scores_figure(scores)["layout"]
    assert layout["xaxis"]["range"] == [0, 112.0]
    assert layout["shapes"][0]["x0"] == layout["shapes"][0]["x1"] == 100
    grown = replace(scores, rows=(row("mirror", "B", 1.3), scores.rows[1]))
    assert scores_figure(grown)["layout"]["xaxis"]["range"] == [0, 142]


def test_labels_name_letters_and_tasks(scores: ScoresView) -> None:
    figure = scores_figure(scores)
    assert figure["layout"]["yaxis"]["ticktext"] == ["B  Mirror", "A  Rotate", "Mean"]
    assert figure["narrow"]["yaxis"]["showticklabels"] is False
    above = [n["text"] for n in figure["narrow"]["annotations"] if n.get("yshift")]
    assert above == ["B  Mirror", "A  Rotate", "Mean"]


def notes(figure: dict[str, Any]) -> dict[str, float]:
    return {n["text"]: n["y"] for n in figure["layout"]["annotations"] if not n.get("xshift")}


def rules(figure: dict[str, Any]) -> list[float]:
    return [s["y0"] for s in figure["layout"]["shapes"] if s.get("xref") == "paper"]


def test_tasks_without_their_expert_stand_under_a_rule_and_a_heading(scores: ScoresView) -> None:
    figure = scores_figure(scores)
    heading = notes(figure)["held out: expert not merged"]
    assert 1 < heading < rules(figure)[1] < 3
    assert figure["table"]["rows"][1][0] == "A  Rotate (expert not merged)"
    mixed = replace(scores, rows=scores.rows[::-1])
    assert trace(scores_figure(mixed), "merged")["customdata"] == ["mirror", "rotate", "mean"]
    inside = replace(scores, rows=tuple(replace(r, held_in=True) for r in scores.rows))
    assert "held out: expert not merged" not in notes(scores_figure(inside))
    assert len(rules(scores_figure(inside))) == 1


def test_the_worst_task_is_named_beside_the_mean(scores: ScoresView) -> None:
    assert -1.4 < notes(scores_figure(scores))["worst: B  Mirror, 70 %"] < -0.4
    accuracy = scores_figure(replace(scores, units="accuracy"))
    assert "worst: B  Mirror, 67 %" in notes(accuracy)
    alone = scores_figure(replace(scores, rows=scores.rows[:1]))
    assert not any(text.startswith("worst") for text in notes(alone))


def test_plain_accuracy_has_its_expert_as_a_tick_of_each_row(scores: ScoresView) -> None:
    figure = scores_figure(replace(scores, units="accuracy"))
    assert trace(figure, "merged")["x"] == [67.2, 86.4, 76.8]
    assert trace(figure, "own expert")["x"] == [96.0] * 3
    assert trace(figure, "base")["x"] == [48.0] * 3
    assert trace(figure, "pinned: Run 1")["x"] == [76.8, 81.6, 79.2]
    assert trace(figure, "95 % interval")["x"][:2] == [66.2, 68.2]
    assert figure["layout"]["xaxis"]["range"] == [0, 102.0]
    assert figure["layout"]["xaxis"]["title"]["text"] == "accuracy"
    assert "own expert" not in notes(figure)
    assert figure["table"]["rows"][0] == [
        "B  Mirror", "96.0", "48.0", "67.2", "66.2 to 68.2", "76.8", "−9.6",
    ]  # fmt: skip
    assert len(figure["table"]["columns"]) == 7


def test_score_table_holds_every_number(scores: ScoresView) -> None:
    table = scores_figure(scores)["table"]
    assert table["rows"][0] == [
        "B  Mirror", "96.0", "50.0", "67.2", "70.0", "68.0 to 72.0", "80.0", "−10.0",
    ]  # fmt: skip
    assert all(len(line) == len(table["columns"]) for line in table["rows"])


def test_labels_pass_through_as_they_are_for_the_script_to_escape(scores: ScoresView) -> None:
    odd = replace(scores.rows[0], label="<img src=x onerror=alert(1)>")
    figure = scores_figure(replace(scores, rows=(odd, scores.rows[1])))
    assert figure["layout"]["yaxis"]["ticktext"][0] == "B  <img src=x onerror=alert(1)>"
    assert not any("onerror" in t.get("hovertemplate", "") for t in figure["data"])


def curve(letter: str, size: float, cut: float | None, kept: float = 0.2) -> MagnitudeCurve:
    sizes = tuple(size * 10 ** (i / 500) for i in range(1001))
    shares = tuple(1 - i / 1000 for i in range(1001))
    return MagnitudeCurve(letter, f"Expert {letter}", letter, "circle", sizes, shares, cut, kept, 0)


@pytest.fixture
def magnitudes() -> MagnitudesView:
    return MagnitudesView((curve("A", 1e-4, 3e-3), curve("B", 2e-4, 5e-3)), "The largest 20 %.")


def test_curves_fall_from_all_to_none_in_dashes_of_one_ink(magnitudes: MagnitudesView) -> None:
    data = magnitudes_figure(magnitudes)["data"]
    assert [t["name"] for t in data] == ["A Expert A", "B Expert B"]
    assert [t["line"]["dash"] for t in data] == ["solid", "dash"]
    assert {t["line"]["color"] for t in data} == {"var(--me-ink)"}
    assert data[0]["y"][0] == 100 and data[0]["y"][-1] == 0
    assert data[0]["y"] == sorted(data[0]["y"], reverse=True)
    assert data[0]["x"][0] == 1e-4 and data[0]["x"][-1] == 1e-2


def test_each_cut_is_an_upright_line_up_to_the_kept_share(magnitudes: MagnitudesView) -> None:
    shapes = magnitudes_figure(magnitudes)["patch"]["shapes"]
    upright = [(s["x0"], s["y0"], s["y1"]) for s in shapes if s["x0"] == s["x1"]]
    assert upright == [(3e-3, 0, 20.0), (5e-3, 0, 20.0)]
    dropped = next(s for s in shapes if s["type"] == "rect")
    assert dropped["x1"] == 3e-3
    level = next(s for s in shapes if s.get("xref") == "paper")
    assert level["y0"] == level["y1"] == 20.0


def test_moving_the_cut_changes_only_the_patch(magnitudes: MagnitudesView) -> None:
    moved = replace(
        magnitudes, curves=tuple(replace(c, cut=c.cut / 2, kept=0.5) for c in magnitudes.curves)
    )
    before, after = magnitudes_figure(magnitudes), magnitudes_figure(moved)
    assert before["revision"] == after["revision"]
    assert before["data"] == after["data"] and before["layout"] == after["layout"]
    assert before["patch"] != after["patch"]


@pytest.mark.parametrize("change", ["sizes", "label", "order"])
def test_other_curves_are_another_revision(magnitudes: MagnitudesView, change: str) -> None:
    first, second = magnitudes.curves
    changed = {
        "sizes": (replace(first, sizes=tuple(2 * s for s in first.sizes)), second),
        "label": (replace(first, label="Other"), second),
        "order": (second, first),
    }[change]
    other = replace(magnitudes, curves=changed)
    assert magnitudes_figure(other)["revision"] != magnitudes_figure(magnitudes)["revision"]


def test_without_a_cut_there_are_only_letters_which_stay(magnitudes: MagnitudesView) -> None:
    view = replace(magnitudes, curves=tuple(replace(c, cut=None) for c in magnitudes.curves))
    figure = magnitudes_figure(view)
    assert figure["patch"] == {"shapes": []}
    assert [note["text"] for note in figure["layout"]["annotations"]] == ["A", "B"]


def test_words_move_with_the_cut(magnitudes: MagnitudesView) -> None:
    dropped, across, *_ = magnitudes_figure(magnitudes)["patch"]["shapes"]
    assert dropped["label"]["text"] == "dropped by all"
    assert across["label"]["text"] == "kept: largest 20.0 %"
    assert (across["y0"], across["y1"]) == pytest.approx((20, 20))


def test_no_expert_leaves_an_empty_frame() -> None:
    figure = magnitudes_figure(MagnitudesView((), "Pick at least one expert."))
    assert figure["data"] == [] and figure["patch"] == {"shapes": []}


def test_thinned_curve_stays_within_half_a_per_cent() -> None:
    full = curve("A", 1e-5, None)
    sizes, shares = thin(full.sizes, full.shares)
    assert len(sizes) < 300
    assert (sizes[0], sizes[-1]) == pytest.approx((full.sizes[0], full.sizes[-1]), rel=1e-3)
    assert (shares[0], shares[-1]) == (100 * full.shares[0], 100 * full.shares[-1])
    gaps = [a - b for a, b in pairwise(shares)]
    assert max(gaps) <= 0.5 + 0.01


def test_figures_name_colours_and_hold_none(scores: ScoresView, magnitudes: MagnitudesView) -> None:
    for figure in (scores_figure(scores), magnitudes_figure(magnitudes)):
        assert [t for t in texts(figure) if t != CLEAR and LITERAL_COLOUR.search(t)] == []
        assert {t["type"] for t in figure["data"]} == {"scatter"}
        assert json.loads(json.dumps(figure)) == figure
