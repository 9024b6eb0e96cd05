"""Own scores and changed outputs as rows, points and sentences: against numbers by hand."""

import json

import numpy as np
import pytest

from merging.evaluation import Estimate, wilson
from merging.evaluation.change import Change
from merging.evaluation.own_data import OwnData, Row
from merging.evaluation.own_round import Changed, Scored
from merging.evaluation.own_scores import OwnScore
from ui.charts.own_scores import (
    change_figure,
    change_table,
    own_scores_figure,
    own_scores_numbers,
    own_scores_table,
)
from ui.views.own_scores import NOISE, change_view, gap_shown, own_scores_view, shown

LABELS = OwnData("labels", (Row("a", "x"), Row("b", "y")), ("1 repeated row left out.",))
TEXT = OwnData("text", (Row("a"), Row("b")))


def right(count: int, of: int = 100, way: str = "head") -> OwnScore:
    return OwnScore("labels", np.arange(of) < count, way=way)


def nats(each: float) -> OwnScore:
    source = np.random.default_rng(0)
    return OwnScore("text", nats=10 * each + source.uniform(-1, 1, 40), tokens=np.full(40, 10.0))


def scored(*models: tuple[str, str, OwnScore | None]) -> list[Scored]:
    return [Scored(n, r, s, "" if s else f"{n} cannot read.") for n, r, s in models]


def test_gaps_are_paired_and_named() -> None:
    found = scored(
        ("start", "base", right(50)), ("one", "expert", right(79)), ("two", "expert", right(95)),
        ("ear", "expert", None), ("mine", "merged", right(80)),
    )  # fmt: skip
    view = own_scores_view(LABELS, found)
    assert [row.verdict for row in view.rows] == ["better", NOISE, "worse", "", ""]
    assert view.rows[0].gap.value == pytest.approx(0.3)
    assert view.rows[0].values == (wilson(50, 100),)
    assert view.rows[3].problem == "ear cannot read." and view.rows[3].values == (None,)
    assert view.sentence == (
        "The merge: 80.0 % (71.1 to 86.7) right on 100 held-back texts with labels; better than "
        "start, worse than two, not clearly apart from one."
    )
    assert view.notes == ("1 repeated row left out.",)


def test_lower_perplexity_is_better() -> None:
    found = scored(("start", "base", nats(3.0)), ("mine", "merged", nats(2.0)))
    view = own_scores_view(TEXT, found)
    assert not view.percent and view.measures == ("Perplexity",)
    assert view.rows[0].verdict == "better" and view.rows[0].gap.value < 0
    assert view.sentence.startswith("The merge: perplexity 7.")
    assert view.sentence.endswith("on 40 held-back plain texts; better than start.")
    assert "lower is better" in own_scores_figure(view)["layout"]["xaxis"]["title"]["text"]


def test_answers_have_two_measures() -> None:
    score = OwnScore("answers", np.arange(40) < 10, nats(1.0).nats, np.full(40, 10.0))
    data = OwnData("answers", LABELS.rows)
    view = own_scores_view(data, scored(("mine", "merged", score)))
    assert view.measures == ("Answers right", "Perplexity of answers")
    assert view.rows[0].values == (score.accuracy(), score.perplexity())
    cells = own_scores_numbers(view)["rows"][0]
    assert cells[:3] == ["mine", "merged", "25.0 % (14.2 to 40.2)"] and "%" not in cells[3]


def test_without_a_merge_there_is_no_gap_and_means_are_explained() -> None:
    view = own_scores_view(LABELS, scored(("a", "base", right(9, 20, "means"))))
    assert view.sentence == (
        "1 of 1 models scored on 20 held-back texts with labels; there is no merge among them."
    )
    assert view.rows[0].gap is None and "nearest class mean" in view.notes[1]


def test_models_scored_on_other_rows_have_no_gap() -> None:
    found = scored(("a", "base", right(9, 20)), ("mine", "merged", right(9, 30)))
    assert own_scores_view(LABELS, found).rows[0].gap is None


def test_the_picture_has_a_dot_with_its_interval_for_each_model_that_was_scored() -> None:
    found = scored(("a", "base", right(50)), ("ear", "expert", None), ("m", "merged", right(80)))
    view = own_scores_view(LABELS, found)
    figure = own_scores_figure(view)
    base, mine = figure["data"]
    wanted = wilson(50, 100)
    assert base["x"] == [50.0] and base["y"] == [2] and mine["y"] == [1]
    assert base["error_x"]["array"] == pytest.approx([100 * (wanted.high - 0.5)])
    assert base["error_x"]["arrayminus"] == pytest.approx([100 * (0.5 - wanted.low)])
    assert (base["marker"]["symbol"], mine["marker"]["symbol"]) == ("circle-open", "circle")
    assert figure["layout"]["yaxis"]["ticktext"] == ["a", "m"]
    table = own_scores_table(view)
    assert table["table"]["rows"][1] == ["ear", "expert", "", "", "ear cannot read."]
    assert table["sentence"] == view.sentence and table["words"] == [0, 1, 4]
    json.dumps([figure, table], allow_nan=False)


def test_numbers_in_words() -> None:
    assert shown(Estimate(0.5, 0.25, 0.75), True) == "50.0 % (25.0 to 75.0)"
    assert shown(Estimate(12345.6, 3.14159, 1e6), False) == "12,346 (3.142 to 1,000,000)"
    assert gap_shown(Estimate(-0.1, -0.2, 0.05), True) == "-10.0 pp (-20.0 to +5.0)"
    assert gap_shown(Estimate(1.5, -2, 3), False) == "+1.5 (-2 to +3)"


CHANGES = [
    Changed("start", "base", Change((1.0, 0.8, 0.9), 0.25)),
    Changed("one", "expert", Change((0.99, 0.97, 0.95), 0.125)),
    Changed("tall", "expert", None, "3 layers."),
]


def test_changes_are_told_with_their_least_layer() -> None:
    view = change_view(CHANGES)
    assert view.rows == (
        ("start", "base", "0.900", "0.800 (layer 0)", "0.25"),
        ("one", "expert", "0.950", "0.950 (layer 1)", "0.125"),
    )
    assert view.sentence.startswith(
        "On neutral inputs the merge answers most like one (0.125 nats), least like start (0.25 "
    )
    assert view.notes == ("tall could not be compared: 3 layers.",)


def test_without_heads_the_last_layer_tells() -> None:
    view = change_view([Changed("a", "base", Change((0.5, 0.7), None))])
    assert view.rows[0][3:] == ("0.500 (embeddings)", "no head to compare")
    assert "most like that of a (CKA 0.700)" in view.sentence
    assert "not be compared" in change_view(CHANGES[2:]).sentence


def test_lines_of_change_over_layers() -> None:
    figure = change_figure(change_view(CHANGES))
    start, one = figure["data"]
    assert start["y"] == [1.0, 0.8, 0.9] and one["x"] == [0, 1, 2]
    assert figure["layout"]["xaxis"]["ticktext"] == ["emb.", "0", "1"]
    assert figure["layout"]["yaxis"]["range"][0] == pytest.approx(0.75)
    assert figure["sentence"].startswith("● start; ■ one.")
    assert change_table(change_view(CHANGES))["table"]["rows"][0][0] == "start"
    json.dumps(figure, allow_nan=False)
