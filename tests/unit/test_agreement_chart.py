"""Who agrees with whom: the sentence against the numbers, both triangles, many experts."""

import numpy as np
import pytest
from drawing import NAMES, ORDER, check_plain, dragged, shares, trace

from merging.sketch.answers import Agreement
from ui.charts.agreement import agreement_figure
from ui.charts.matrix import short, text_size
from ui.views.agreement import AgreementView, agreement_view

COSINE = np.array([[1, 0.31, -0.02], [0.31, 1, 0.1], [-0.02, 0.1, 1]])
SIGNS = np.array([[1, 0.61, 0.5], [0.61, 1, 0.53], [0.5, 0.53, 1]])


def agreed(cosine=COSINE, signs=SIGNS, half: float = 0.01, few=False) -> AgreementView:
    found = Agreement(ORDER[: len(cosine)], np.asarray(cosine), shares(signs, half, few))
    return agreement_view(found, NAMES, ORDER)


def test_the_sentence_names_both_ends_and_whether_signs_beat_a_coin() -> None:
    assert agreed().sentence == (
        "A First and B Second change the weights most alike (cosine 0.31), A and C least (−0.02). "
        "Where two keep a weight, signs of 2 of 3 pairs agree more often than a coin toss (50 %); "
        "most for A and B: 61.0 % (95 % interval 60.0 to 62.0 %)."
    )
    assert "signs of all pairs agree" in agreed(signs=SIGNS + 0.05).sentence


@pytest.mark.parametrize(
    ("share", "half", "end"),
    [
        (0.55, 0.01, "agree at 55.0 % (95 % interval 54.0 to 56.0 %): more often than a coin toss"),
        (0.505, 0.01, "agree at 50.5 % (95 % interval 49.5 to 51.5 %): like a coin toss"),
        (0.4, 0.0, "agree at 40.0 %: less often than a coin toss"),
    ],
)
def test_two_experts_are_one_pair(share: float, half: float, end: str) -> None:
    view = agreed([[1, 0.2], [0.2, 1]], [[1, share], [share, 1]], half)
    assert view.sentence == (
        "The changes of A First and B Second have a cosine of 0.20. "
        f"Where both keep a weight, their signs {end} (50 %)."
    )


def test_signs_like_coins_below_coins_and_too_few() -> None:
    assert "agree no more often than a coin" in agreed(signs=np.full((3, 3), 0.505)).sentence
    assert "agree less often than a coin" in agreed(signs=np.full((3, 3), 0.4)).sentence
    few = "Too few weights are kept by two experts to compare signs."
    assert agreed(few=True).sentence.endswith(few)
    still = agreed(np.full((3, 3), np.nan))
    assert still.sentence == "No expert changes anything, so there is nothing to compare."
    check_plain(agreement_figure(still))


def test_cosines_stand_below_the_diagonal_and_signs_above() -> None:
    shown = agreement_figure(agreed())
    cosine, signs = trace(shown, "cosine"), trace(shown, "signs agree")
    assert cosine["z"] == [[None] * 3, [0.31, None, None], [-0.02, 0.1, None]]
    assert signs["z"] == [[None, 61.0, 50.0], [None, None, 53.0], [None] * 3]
    assert (cosine["zmin"], cosine["zmax"]) == (-0.5, 0.5)
    assert cosine["colorscale"][1] == [0.5, "var(--me-panel)"]
    assert signs["zmin"] == 50
    assert trace(shown, "numbers")["text"] == [
        "A", "61 %", "50 %", "0.31", "B", "53 %", "−0.02", "0.10", "C",
    ]  # fmt: skip
    assert shown["layout"]["yaxis"]["ticktext"] == ["A First", "B Second", "C Third"]
    assert shown["narrow"]["yaxis"]["ticktext"] == list("ABC")
    assert shown["layout"]["yaxis"]["range"] == [2.5, -0.5]
    assert shown["table"]["rows"][0] == [
        "A First, B Second", "0.3100", "61.0", "60.0 to 62.0", "1,000",
    ]  # fmt: skip
    check_plain(shown)


def test_a_dash_stands_where_too_few_are_kept_by_both() -> None:
    few = np.zeros((3, 3), bool)
    few[0, 2] = few[2, 0] = True
    shown = agreement_figure(agreed(few=few))
    assert trace(shown, "signs agree")["z"][0] == [None, 61.0, None]
    numbers = trace(shown, "numbers")
    assert numbers["text"][2] == "–"
    assert numbers["customdata"][2] == "A, C: too few weights are kept by both"
    assert shown["table"]["rows"][1][2:] == ["too few", "", ""]


def test_dragging_moves_signs_and_nothing_else() -> None:
    before, after = agreement_figure(agreed()), agreement_figure(agreed(signs=SIGNS * 0.9))
    assert before["layout"] == after["layout"]
    assert dragged(before, after) == after["data"] != before["data"]


def test_one_expert_is_only_a_sentence() -> None:
    shown = agreement_figure(agreed([[1.0]], [[1.0]]))
    assert shown["layout"] is None and shown["data"] == []
    assert shown["sentence"] == "With one expert there is nobody to compare with."


def test_twenty_experts_keep_their_numbers_in_smaller_type() -> None:
    order = tuple(f"e{i}" for i in range(20))
    found = Agreement(order, np.full((20, 20), -0.125), shares(np.full((20, 20), 0.55)))
    shown = agreement_figure(agreement_view(found, {e: e for e in order}, order))
    numbers = trace(shown, "numbers")
    assert (numbers["text"][20], numbers["text"][1]) == ("−.12", "55")
    assert numbers["textfont"]["size"] == 9
    assert len(shown["table"]["rows"]) == 190
    check_plain(shown)


def test_numbers_are_written_short() -> None:
    assert [short(-0.004, 3), short(0.5, 9), short(1.0, 9), short(-0.5, 9)] == [
        "0.00", ".50", "1.00", "−.50",
    ]  # fmt: skip
    assert [text_size(n) for n in (2, 8, 9, 16, 17)] == [13, 13, 11, 10, 9]
