"""Who won: the sentence against the shares, bars that add up, flips beside them."""

import numpy as np
import pytest
from drawing import NAMES, ORDER, check_plain, dragged, shares, trace

from merging.sketch.answers import Winners
from ui.charts.layers import layer_axis
from ui.charts.winners import FLIPS_BEGIN, winners_figure
from ui.views.winners import WinnersView, leader, winners_view

ROWS = ("Embed", "L0", "L1", "L2")
WON = ((0.5, 0.3, 0.2), (0.2, 0.3, 0.5), (0.6, 0.2, 0.2), (0.35, 0.33, 0.32))


def won(
    values=WON, half: float = 0.02, few=False, flips=None, rows=ROWS, same=False
) -> WinnersView:
    counted = None if flips is None else shares(flips, 0.01)
    found = Winners(ORDER, shares(values, half, few), counted)
    return winners_view(found, rows, NAMES, ORDER, "Run 1", same)


def test_the_sentence_names_who_wins_most_where_another_does_and_where_nobody_can_tell() -> None:
    assert won().sentence == (
        "A First wins most of what is contested in 2 of 4 layers; C in L0; too close to call in L2."
    )


def test_experts_stand_in_the_order_of_the_set() -> None:
    found = Winners(("three", "one"), shares([[0.3, 0.7]]), None)
    view = winners_view(found, ("L0",), NAMES, ORDER)
    assert [mark.letter for mark in view.experts] == ["A", "C"]
    assert [won.value for won in view.rows[0].won] == [0.7, 0.3]
    assert view.sentence == ("A First wins most of what is contested in the one layer that counts.")


def test_a_lead_within_the_intervals_is_none() -> None:
    assert [leader(row) for row in won().rows] == [0, 2, 0, None]
    assert [leader(row) for row in won(half=0.2).rows] == [None] * 4
    assert won(half=0.2).sentence == "No expert wins clearly more than the others in any layer."


def test_every_layer_and_many_layers() -> None:
    rows = tuple(f"L{i}" for i in range(6))
    assert won(((0.7, 0.2, 0.1),) * 6, rows=rows).sentence == (
        "A First wins most of what is contested in every layer."
    )
    some = ((0.7, 0.2, 0.1),) * 2 + ((0.1, 0.8, 0.1),) * 4
    assert won(some, rows=rows).sentence == (
        "B Second wins most of what is contested in 4 of 6 layers; A in L0 and L1."
    )


def test_layers_with_too_few_weights_say_so_and_have_no_bar() -> None:
    few = np.zeros((4, 3), bool)
    few[1] = True
    view = won(few=few)
    shown = winners_figure(view)
    assert trace(shown, "B Second")["x"] == [30.0, None, 20.0, 33.0]
    notes = shown["patch"]["annotations"]
    assert [(n["y"], n["text"]) for n in notes] == [(1, "too few weights are contested")]
    assert shown["table"]["rows"][2][:3] == ["L0", "too few", ""]
    assert won(few=True).sentence.startswith("Nobody meets: too few weights")
    unknown = won(np.full((4, 3), np.nan), few=True)
    assert all(row.won is None for row in unknown.rows)
    check_plain(winners_figure(unknown))


def test_one_expert_and_methods_that_only_merging_tells() -> None:
    alone = winners_view(Winners(("two",), shares([[1.0]]), None), ("L0",), NAMES, ORDER)
    assert alone.sentence == "With one expert there is nobody to win against."
    untold = winners_view(None, ROWS, NAMES, ORDER)
    assert untold.sentence == "Whose sign prevails, only merging tells with this method."
    assert winners_figure(untold)["layout"] is None
    assert winners_figure(alone)["layout"] is None


def test_bars_add_up_and_carry_letters_where_there_is_room() -> None:
    values = ((0.97, 0.02, 0.01), *WON[1:])
    shown = winners_figure(won(values))
    sums = np.sum([t["x"] for t in shown["data"]], axis=0)
    assert sums == pytest.approx([100] * 4)
    assert trace(shown, "A First")["text"] == ["A"] * 4
    assert trace(shown, "B Second")["text"] == ["", "B", "B", "B"]
    grounds = [(t["marker"]["color"], t["marker"]["pattern"]["shape"]) for t in shown["data"]]
    assert len(set(grounds)) == 3
    assert "letters: A First, B Second, C Third." in shown["sentence"]
    check_plain(shown)


def test_flips_are_counted_against_the_pinned_run() -> None:
    view = won(flips=(0.01, 0.04, 0.02, 0.0))
    assert view.sentence.endswith(
        " Against Run 1 most weights change direction in L0: 4.0 % (95 % interval 3.0 to 5.0 %)."
    )
    shown = winners_figure(view)
    rings = trace(shown, "flips against Run 1")
    assert rings["x"] == [1.0, 4.0, 2.0, 0.0] and rings["y"] == [0, 1, 2, 3]
    assert rings["marker"]["color"] == "var(--me-panel)"
    assert shown["patch"]["xaxis2"]["tickvals"] == [0, 5]
    assert shown["layout"]["xaxis"]["domain"][1] < FLIPS_BEGIN
    assert shown["table"]["rows"][2][-2:] == ["4.00", "3.0 to 5.0"]
    assert (
        "Nothing flips: these are the pinned settings."
        in won(flips=(0, 0, 0, 0), same=True).sentence
    )
    still = won(flips=(0, 0, 0, 0))
    assert still.sentence.endswith(" No weight changes direction against Run 1.")


def test_without_a_pinned_run_there_are_no_flips() -> None:
    shown = winners_figure(won())
    assert len(shown["data"]) == 3 and "Run 1" not in shown["sentence"]
    assert list(shown["patch"]) == ["annotations"]


def test_dragging_moves_bars_and_rings_and_nothing_else() -> None:
    before = winners_figure(won(flips=(0.01, 0.04, 0.02, 0.0)))
    after = winners_figure(won(WON[::-1], flips=(0.3, 0.1, 0.2, 0.0)))
    assert before["layout"] == after["layout"]
    assert dragged(before, after) == after["data"]
    assert after["patch"]["xaxis2"]["tickvals"] == [0, 100]
    assert winners_figure(won())["revision"] != before["revision"]


@pytest.mark.parametrize(("count", "named"), [(14, 14), (40, 40), (60, 30)])
def test_rows_too_low_for_text_are_named_in_turn(count: int, named: int) -> None:
    axis = layer_axis([f"L{i}" for i in range(count)])
    assert len(axis["tickvals"]) == named and axis["ticktext"][0] == "L0"
    assert axis["range"][0] < axis["range"][1]
