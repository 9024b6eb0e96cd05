"""An opened cell: sentence against numbers, where its bar's parts lie, the twelve weights."""

from dataclasses import replace

import pytest
from drawing import NAMES, ORDER, check_plain, dragged, figure, trace

from merging.checkpoints import Bucket
from merging.sketch.answers import CellCurve, OpenedCell, TracedWeight
from ui.charts.cell import cell_curves, cell_figure, twelve_table
from ui.components.weights import TwelveWeights
from ui.views.cell import cell_sentence, cell_view
from ui.views.shares import significant

TRACED = TracedWeight(
    "layers.3.mlp.up.weight", (4, 17), -0.0525, (0.004, -0.008, 1.2e-5), (True, True, False),
    (0.008, -0.008, 0.0), -1, (False, True, False), -0.002,
)  # fmt: skip


def opened(five: tuple[float, ...] | None = (0.3, 0.2, 0.16, 0.15, 0.19), **more) -> OpenedCell:
    sizes, falling = (0.0, 0.001, 0.01, 0.1), (1.0, 0.75, 0.5, 0.25)
    curves = tuple(
        CellCurve(e, sizes, falling, 0.01, figure(0.5), figure(energy))
        for e, energy in zip(ORDER, (0.9, 0.92, 0.94), strict=True)
    )
    parts = None if five is None else tuple(figure(v, basis=24576) for v in five)
    cell = OpenedCell(
        Bucket("L3", "up"), ("layers.3.mlp.up.weight",), ORDER, parts, curves, (TRACED,)
    )
    return replace(cell, **more)


def test_the_sentence_counts_clashes_and_their_winner() -> None:
    assert cell_sentence(opened(), "L3 up") == (
        "L3 up, 24,576 weights: at 31 % of them signs clash; + wins 52 % of these."
    )


@pytest.mark.parametrize(
    ("five", "more", "text"),
    [
        ((0, 0, 0, 0, 1), {}, "L3 up, 24,576 weights: no expert's change survives here."),
        (
            (0.1, 0.2, 0, 0, 0.7), {},
            "L3 up, 24,576 weights: signs clash nowhere; at 70 % of them no change survives.",
        ),
        (
            (0.125, 0.08, 0, 0, 0.795), {"experts": ("one",)},
            "L3 up, 24,576 weights: the one expert raises 12 % of them and lowers 8.0 %.",
        ),
        (None, {}, "L3 up: what becomes of its weights, only merging tells."),
    ],
)  # fmt: skip
def test_what_else_a_cell_can_say(five: tuple | None, more: dict, text: str) -> None:
    assert cell_sentence(opened(five, **more), "L3 up") == text


def test_a_sampled_or_tiny_cell_says_so() -> None:
    sampled = tuple(figure(v, 0.01, 4096) for v in (0.3, 0.2, 0.02, 0.03, 0.45))
    assert cell_sentence(replace(opened(), five=sampled), "L3 up") == (
        "L3 up, 4,096 of its weights sampled: at 5.0 % of them signs clash; + wins 40 % of these."
    )
    tiny = replace(opened(), five=tuple(figure(v, basis=12) for v in (1, 0, 0, 0, 0)))
    assert cell_sentence(tiny, "L3 up") == "L3 up: too few weights (12) to speak of shares."


def test_the_bar_stacks_five_parts_signs_by_colour_clashes_hatched() -> None:
    shown = cell_figure(cell_view(opened(), NAMES, ORDER))
    assert [t["x"] for t in shown["data"]] == [[30.0], [20.0], [16.0], [15.0], [19.0]]
    assert sum(t["x"][0] for t in shown["data"]) == pytest.approx(100)
    assert shown["layout"]["barmode"] == "stack"
    edges = [t["marker"]["line"]["color"] for t in shown["data"]]
    assert edges == [f"var(--me-{c})" for c in ("plus", "minus", "plus", "minus", "edge")]
    assert [t["marker"].get("pattern", {}).get("shape") for t in shown["data"]] == [
        None, None, "/", "/", None,
    ]  # fmt: skip
    assert shown["table"]["rows"][2] == ["signs clash, + wins", "16.00", "exact", "24,576"]
    check_plain(shown)


def test_each_part_is_named_under_its_middle_on_a_line_of_its_own() -> None:
    patch = cell_figure(cell_view(opened(), NAMES, ORDER))["patch"]
    by_text = {line["label"]["text"]: line for line in patch["shapes"]}
    assert by_text["+ unopposed: 30.0 %"]["x0"] == pytest.approx(15)
    assert by_text["signs clash, − wins: 15.0 %"]["x0"] == pytest.approx(73.5)
    assert by_text["signs clash, − wins: 15.0 %"]["label"]["xanchor"] == "right"
    assert len({line["y0"] for line in patch["shapes"]}) == 5
    assert all(line["x0"] == line["x1"] and line["y1"] == 0 for line in patch["shapes"])


def test_dragging_moves_the_parts_and_nothing_else() -> None:
    before = cell_figure(cell_view(opened(), NAMES, ORDER))
    after = cell_figure(cell_view(opened((0.1, 0.1, 0.1, 0.1, 0.6)), NAMES, ORDER))
    assert before["layout"] == after["layout"] and before["data"] != after["data"]
    assert dragged(before, after) == after["data"]


def test_where_only_a_merge_tells_there_is_no_bar() -> None:
    view = cell_view(opened(None, traced=()), NAMES, ORDER)
    assert cell_figure(view) is None
    value = twelve_table(view)
    assert value["rows"] == []
    assert value["sentence"] == "L3 up: what becomes of single weights, only merging tells."


def test_curves_leave_out_what_a_log_axis_cannot_show() -> None:
    view = cell_view(opened(), NAMES, ORDER)
    assert view.magnitudes.curves[1].sizes == (0.001, 0.01, 0.1)
    shown = cell_curves(view)
    assert trace(shown, "B Second")["y"] == [75.0, 50.0, 25.0]
    assert shown["patch"]["shapes"][1]["y0"] == 50.0
    assert shown["sentence"] == (
        "L3 up: the largest 50.0 % of the changes carry 90 to 94 % of the squared length of an "
        "expert's change there."
    )
    check_plain(shown)


def test_an_expert_that_changes_nothing_there_has_no_curve() -> None:
    still = CellCurve("two", (0.0, 0.0), (1.0, 0.0), None, figure(0.0), figure(0.0))
    cell = opened()
    view = cell_view(replace(cell, curves=(still, *cell.curves[2:])), NAMES, ORDER)
    assert [c.letter for c in view.magnitudes.curves] == ["C"]
    assert cell_view(replace(cell, curves=(still,)), NAMES, ORDER).magnitudes.sentence == (
        "L3 up: no expert changes anything."
    )


def test_a_weight_goes_through_trim_elect_and_merge() -> None:
    value = twelve_table(cell_view(opened(), NAMES, ORDER))
    row = value["rows"][0]
    assert (row["name"], row["place"], row["base"]) == ("up.weight", "[4, 17]", "−0.0525")
    assert row["changes"] == [
        {"text": "+0.00400", "sign": 1, "length": 0.5, "kept": True, "made": "+0.00800"},
        {"text": "−0.00800", "sign": -1, "length": 1.0, "kept": True, "made": ""},
        {"text": "+1.20e−05", "sign": 1, "length": 0.002, "kept": False, "made": ""},
    ]
    assert row["elected"] == {"text": "−", "said": "minus", "sign": -1}
    assert row["agreeing"] == "B"
    assert row["merged"] == {"text": "−0.00200", "sign": -1, "length": 0.25}
    assert value["experts"][2] == {"letter": "C", "label": "Third"}


def test_no_change_is_not_struck_out() -> None:
    still = replace(TRACED, deltas=(0.0, -0.008, 0.0), kept=(False, True, False))
    changes = twelve_table(cell_view(opened(traced=(still,)), NAMES, ORDER))["rows"][0]["changes"]
    assert [(c["text"], c["kept"]) for c in changes] == [
        ("0", True),
        ("−0.00800", True),
        ("0", True),
    ]


def test_the_file_of_the_weights_holds_every_step() -> None:
    table = twelve_table(cell_view(opened(), NAMES, ORDER))["table"]
    line = dict(zip(table["columns"], table["rows"][0], strict=True))
    assert (line["A change"], line["A after trimming"]) == ("+0.00400", "+0.00800")
    assert (line["C kept"], line["C after trimming"]) == ("no", "0")
    assert (line["Elected sign"], line["Merged change"]) == ("−", "−0.00200")


@pytest.mark.parametrize(
    ("elected", "agreeing", "text", "who"),
    [
        (None, None, "–", "–"),
        (0, (False, False, False), "0", "nobody"),
        (1, (True, False, True), "+", "A C"),
    ],
)
def test_signs_that_methods_elect_or_do_not(
    elected: int | None, agreeing: tuple | None, text: str, who: str
) -> None:
    traced = replace(TRACED, elected=elected, agreeing=agreeing)
    row = twelve_table(cell_view(opened(traced=(traced,)), NAMES, ORDER))["rows"][0]
    assert (row["elected"]["text"], row["agreeing"]) == (text, who)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (0.0525, "0.0525"), (-0.00123456, "−0.00123"), (1.2e-5, "1.20e−05"),
        (0.9996, "1.00"), (12.345, "12.3"), (123.4, "123"), (99995.0, "1.00e+05"), (-1.0, "−1.00"),
    ],
)  # fmt: skip
def test_three_significant_digits(value: float, text: str) -> None:
    assert significant(value) == text


def test_the_table_of_weights_travels_as_text() -> None:
    value = twelve_table(cell_view(opened(), NAMES, ORDER))
    text = TwelveWeights(value).postprocess(value)
    assert text is not None and '"place":"[4, 17]"' in text
