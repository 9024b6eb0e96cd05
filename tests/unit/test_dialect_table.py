"""Dialects side by side: where they part, who refuses, who lacks the method."""

import math
from dataclasses import dataclass

from drawing import figure

from merging.analysis import Figure
from merging.dialects import Option
from merging.methods.registry import METHODS, method
from ui.charts.tables import dialects_table
from ui.components.table import PlainTable
from ui.views.dialects import COLUMNS, DIALECTS, dialects_view
from ui.views.experts import listed

TIES = method("ties")
KEPT, CLASH, LENGTH = figure(0.2), figure(0.31), figure(1.234)
OTHERWISE = (Option("trim_over", "model", "tensor"), Option("rescale", False, True))


@dataclass(frozen=True)
class Read:
    dialect: str
    relative: float | None = 0.0
    options: tuple[Option, ...] = ()
    refused: str = ""
    exact: bool = True
    kept: Figure | None = KEPT
    clash: Figure | None = CLASH
    length: Figure | None = LENGTH
    signs: float | None = 0.034


def test_where_dialects_part_and_why() -> None:
    read = [Read("peft"), Read("paper"), Read("mergekit", 0.123, OTHERWISE, exact=False)]
    view = dialects_view(TIES, "paper", read)
    assert view.sentence == (
        "mergekit ends 12 % of the merged change away from the paper (trim over tensor instead of "
        "model and rescale yes instead of no). peft reads these settings as the paper does. "
        "Distances are estimated from a sample."
    )
    assert [row[0] for row in view.rows] == ["paper (yours)", "mergekit", "peft"]
    assert view.rows[1] == (
        "mergekit", "trim over: tensor, rescale: yes", "12.30", "3.40", "20.0", "31.0", "1.23",
    )  # fmt: skip
    assert view.rows[2][1] == "nothing"


def test_distances_that_only_merging_tells() -> None:
    read = [Read("mergekit", None, OTHERWISE, signs=None), Read("peft", None, signs=None)]
    view = dialects_view(TIES, "paper", read)
    assert view.sentence == (
        "How far mergekit ends away, only merging tells (trim over tensor instead of model "
        "and rescale yes instead of no). peft reads these settings as the paper does."
    )
    assert view.rows[0][2:5] == ("", "", "20.0")


def test_of_many_differences_two_are_named() -> None:
    many = tuple(Option(name, 1, 2) for name in ("d", "e", "f", "g"))
    text = dialects_view(TIES, "paper", [Read("peft", 0.5, many)]).sentence
    assert text.startswith(
        "peft ends 50 % of the merged change away from the paper (d 2 instead of 1, e 2 instead "
        "of 1 and two more differences)."
    )


def test_who_refuses_and_who_changes_something_where_nothing_changes() -> None:
    view = dialects_view(
        TIES, "mergekit", [Read("paper", math.inf), Read("peft", refused="No weights there.")]
    )
    assert view.sentence.startswith("The paper changes the base, yours nothing.")
    assert "peft cannot take them: No weights there." in view.sentence
    assert view.rows[0][2] == "∞"
    assert view.rows[1] == ("peft", "cannot: No weights there.", "", "", "", "", "")


def test_dialects_without_the_method_are_named() -> None:
    linear = method("linear")
    view = dialects_view(linear, "paper", [Read("paper"), Read("mergekit"), Read("fusion_bench")])
    assert view.sentence == (
        "mergekit and fusion_bench read these settings as the paper does. "
        f"peft has no {linear.label}."
    )
    assert view.rows[3][:2] == ("peft", f"has no {linear.label}")
    emr = method("emr")
    lacking = [d for d in DIALECTS if d not in emr.dialects]
    alone = dialects_view(emr, "paper", [Read("paper")])
    assert len(lacking) > 1 and alone.sentence == f"{listed(lacking)} have no {emr.label}."


def test_every_dialect_of_a_method_has_its_place() -> None:
    assert {name for spec in METHODS for name in spec.dialects} == set(DIALECTS)


def test_the_table_travels_with_its_verdict() -> None:
    value = dialects_table(dialects_view(TIES, "paper", [Read("paper", clash=None, length=None)]))
    assert value["table"]["columns"] == list(COLUMNS)
    assert value["table"]["rows"][0][-2:] == ["", ""]
    assert value["words"] == [0, 1]
    text = PlainTable(value).postprocess(value)
    assert text is not None and '"name":"dialects"' in text
