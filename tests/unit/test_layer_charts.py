"""Relative sizes and directions by layer: sentences against numbers, marks in their places."""

import numpy as np
import pytest
from drawing import NAMES, ORDER, check_plain, trace

from merging.sketch.answers import Relative, Subspaces
from ui.charts.layers import marks_key, shown
from ui.charts.relative import relative_figure
from ui.charts.subspaces import overlap_figure, rank_figure
from ui.views.experts import expert_marks, listed
from ui.views.relative import RelativeView, relative_view
from ui.views.subspaces import SubspacesView, subspaces_view

ROWS = ("Embed", "L0", "Final")
RATIO = ((0.01, 0.03), (0.12, 0.08), (0.002, 0.004))


def relative(ratio=RATIO, exact: bool = True) -> RelativeView:
    found = Relative(ROWS, ORDER[:2], np.array(ratio), exact)
    return relative_view(found, NAMES, ORDER)


def test_which_layer_changes_most_and_least() -> None:
    assert relative().sentence == (
        "L0 changes most: by 10 % of the length of its weights, on average over the experts, "
        "33.3 times as much as Final (0.30 %)."
    )
    even = relative(((0.05, 0.05), (0.051, 0.051), (0.05, 0.05)))
    assert even.sentence.endswith("hardly more than Embed (5.0 %).")


def test_layers_without_weights_or_changes_are_left_out() -> None:
    view = relative(((np.inf, np.nan), (0.1, 0.1), (0.0, 0.0)))
    assert view.sentence == "L0 changes by 10 % of the length of its weights, on average."
    assert view.ratio == ((None, 0.1, 0.0), (None, 0.1, 0.0))
    check_plain(relative_figure(view))
    assert relative(((0, 0),) * 3).sentence == "No expert changes any layer."


def test_each_expert_has_a_line_in_its_shape_with_its_letter() -> None:
    figure = relative_figure(relative(exact=False))
    second = trace(figure, "B Second")
    assert second["x"] == [3.0, 8.0, 0.4] and second["y"] == [0, 1, 2]
    assert second["marker"]["symbol"] == "triangle-up"
    letters = [(n["text"], n["x"], n["y"]) for n in figure["layout"]["annotations"]]
    assert letters == [("A", 0.2, 2), ("B", 8.0, 1)]
    assert "Estimated from a sample of the weights." in figure["sentence"]
    assert figure["table"]["rows"][0] == ["Final", "0.200", "0.400"]
    check_plain(figure)


def subspaces(overlap=((1, 0.4, 0.2), (0.4, 1, 0.3), (0.2, 0.3, 1)), rank=None) -> SubspacesView:
    rank = ((8, 16, 24), (16, 32, 16)) if rank is None else rank
    count = len(overlap)
    found = Subspaces(
        "up", ("L0", "L1"), ORDER[:count], np.array(rank, float)[:, :count],
        np.array([64.0, 64.0]), np.array(overlap, float), 0.17,
    )  # fmt: skip
    return subspaces_view(found, NAMES, ORDER)


def test_ranks_and_overlaps_in_words() -> None:
    view = subspaces()
    assert view.sentence == (
        "Changes of up tensors use 18.7 directions on average, 12 to 50 % of those that they "
        "could use."
    )
    assert view.overlap_sentence == (
        "In up tensors A First and B Second share 40 % of their main directions, the most of all "
        "pairs; random ones would share 17 %."
    )
    still = subspaces(rank=np.full((2, 3), np.nan))
    assert still.sentence == "No expert changes any up tensor."
    check_plain(rank_figure(still))


def test_dots_share_a_row_without_hiding_each_other() -> None:
    figure = rank_figure(subspaces())
    assert trace(figure, "full rank")["x"] == [64.0, 64.0]
    levels = [trace(figure, f"{name}")["y"][1] for name in ("A First", "B Second", "C Third")]
    assert levels == [1.25, 1.0, 0.75]
    assert trace(figure, "B Second")["x"] == [16.0, 32.0]
    assert figure["table"]["rows"][0] == ["L1", "16.00", "32.00", "16.00", "64"]
    assert "●\N{NO-BREAK SPACE}A\N{NO-BREAK SPACE}First" in figure["sentence"]
    check_plain(figure)


def test_overlap_stands_below_the_diagonal_with_its_chance() -> None:
    figure = overlap_figure(subspaces())
    assert trace(figure, "overlap")["z"] == [[None] * 3, [40.0, None, None], [20.0, 30.0, None]]
    numbers = trace(figure, "numbers")
    assert numbers["text"] == ["A", "", "", "40 %", "B", "", "20 %", "30 %", "C"]
    assert numbers["customdata"][3] == "B, A: 40.0 % shared; random 17.0 %"
    assert figure["table"]["rows"][1] == ["A First, C Third", "20.0", "17.0"]
    check_plain(figure)
    alone = overlap_figure(subspaces(((1.0,),)))
    assert alone["layout"] is None
    assert alone["sentence"] == "With one expert there is nobody to share directions with."


def test_shapes_give_way_to_letters_before_they_repeat() -> None:
    order = tuple("abcdef")
    marks = expert_marks(order, {e: f"word {e}" for e in order}, order)
    assert marks[5].shape == marks[0].shape
    assert shown(marks[5], 6)["text"] == "F"
    assert shown(marks[4], 5)["marker"]["symbol"] == "cross"
    assert marks_key(marks).startswith("A\N{NO-BREAK SPACE}word")


@pytest.mark.parametrize(
    ("words", "text"), [("abc", "a, b and c"), ("ab", "a and b"), ("a", "a"), ("", "")]
)
def test_lists_in_sentences(words: str, text: str) -> None:
    assert listed(words) == text
