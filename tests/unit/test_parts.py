"""What parts cost or carry: numbers in cells, noise in brackets, sentences against figures."""

import numpy as np
import pytest
from drawing import by_name
from tiny_measure import sum_of

from merging.evaluation import compare
from merging.jobs import Snapshot
from merging.search.attribution import AttributionResult, Effect
from merging.search.blocks import Block
from ui.charts.parts_grid import parts_figure, signed
from ui.presenter import job_view
from ui.views.parts import PartsView, parts_view
from ui.views.parts_words import parts_ended_words, parts_words

TASKS = {"first": ("A", "First"), "second": ("B", "Second")}
ITEMS = 400
BLOCKS = (
    Block("Embed", "embed", ("e",)),
    Block("L0", "q", ("a",)),
    Block("L0", "up", ("b",)),
    Block("L1", "q", ("c",)),
)


def bits(right: int) -> np.ndarray:
    return np.arange(ITEMS) < right


def answers(first: int, second: int) -> dict[str, np.ndarray]:
    return {"first": bits(first), "second": bits(second)}


OWN, MERGED = answers(400, 400), answers(300, 200)
BACK = {"L0 up": (240, 200), "L1 q": (300, 260), "L0 q": (301, 200)}


def found(ended: str = "complete", done: int = 3) -> AttributionResult:
    effects = [
        Effect(
            block, answers(*BACK[block.label]), compare(answers(*BACK[block.label]), MERGED, OWN)
        )
        for block in BLOCKS[1:]
    ]
    broken = Effect(BLOCKS[0], error="Embed: it changed its shape.")
    return AttributionResult(
        sum_of(), BLOCKS, (*effects[:done], broken), MERGED, OWN, ended, seconds=1.0
    )


def view_of(task: str = "mean", **how) -> PartsView:
    return parts_view(found(**how), sum_of(), TASKS, task)


def test_cells_by_hand() -> None:
    """60 of 400 fewer are right without L0 up: 15 points of the first task, 7.5 of the mean."""
    view = view_of("first")
    assert view.rows == ("Embed", "L0", "L1") and view.columns == ("embed", "q", "up")
    traces = by_name(parts_figure(view))
    z = traces["gain"]["z"]
    assert z[1][2] == pytest.approx(-15.0) and z[2][1] == 0.0 and z[1][1] == pytest.approx(0.25)
    assert z[0] == [None] * 3 and traces["there"]["z"][0] == [0, None, None]
    assert by_name(parts_figure(view_of()))["gain"]["z"][1][2] == pytest.approx(-7.5)
    assert by_name(parts_figure(view_of("second")))["gain"]["z"][2][1] == pytest.approx(15.0)
    assert traces["gain"]["zmax"] == -traces["gain"]["zmin"] == pytest.approx(15.0)


def test_noise_stands_in_brackets() -> None:
    traces = by_name(parts_figure(view_of("first")))
    assert traces["beyond noise"]["text"] == ["−15.0"]
    assert (traces["beyond noise"]["x"], traces["beyond noise"]["y"]) == ([2], [1])
    weights = [traces[name]["textfont"]["weight"] for name in ("beyond noise", "within noise")]
    assert weights == [700, 400]
    assert sorted(traces["within noise"]["text"]) == ["(+0.2)", "(0.0)"]


def test_the_verdict() -> None:
    said = parts_words(found(), view_of("first"), live=False)
    assert said.startswith("1 of 3 parts changes the score beyond noise (A First). L0 up carries ")
    assert "without its change 15.0 points (95 % interval " in said
    assert said.endswith("None clearly costs anything.")
    said = parts_words(found(), view_of("second"), live=False)
    assert "L1 q costs most: with the base's weights 15.0 points" in said and "carries" not in said
    both = parts_words(found(), view_of(), live=False)
    assert "2 of 3 parts" in both and "L0 up carries most" in both and "L1 q costs most" in both
    nothing = parts_view(found(), sum_of(), TASKS, "first")
    quiet = parts_words(found(), PartsView((), (), nothing.parts[:1], frozenset(), "x", {}), False)
    assert quiet == "No part changes the score beyond noise (x, 1 part put back)."


def test_while_it_runs_and_when_it_stops() -> None:
    part = found(ended="", done=1)
    view = parts_view(part, sum_of(), TASKS)
    assert parts_words(part, view, live=True).startswith("2 of 4 parts so far. ")
    assert parts_words(part, view, live=False).startswith("It broke off after 2 parts.")
    stopped = found(ended="cancelled", done=1)
    assert parts_ended_words(stopped) == "Stopped: 2 of 4 parts were put back and are kept."
    assert job_view(Snapshot("x", "study", status="done", result=stopped)).state == "cancelled"
    assert parts_ended_words(found(ended="budget")).startswith("The time is up: 4 of 4 parts")


def test_what_failed_and_whose_it_is() -> None:
    assert view_of().failed == ("Embed: it changed its shape.",)
    other = parts_figure(parts_view(found(), sum_of(1.5), TASKS))
    assert by_name(other)["gain"]["opacity"] == 0.5
    assert "other settings than yours (Task arithmetic · λ 0.3 · 3 experts)" in other["sentence"]
    assert by_name(parts_figure(view_of()))["gain"]["opacity"] == 1


def test_whole_layers_and_kinds_are_one_line_of_cells() -> None:
    blocks = (Block("L0", "", ("a",)), Block("L1", "", ("b",)))
    change = compare(answers(*BACK["L0 up"]), MERGED, OWN)
    result = AttributionResult(sum_of(), blocks, tuple(Effect(b, {}, change) for b in blocks))
    view = parts_view(result, sum_of(), TASKS)
    assert (view.rows, view.columns) == (("L0", "L1"), ("all",))
    assert [part.at for part in view.parts] == [(0, 0), (0, 1)]


def test_numbers_of_the_table() -> None:
    table = parts_figure(view_of("first"))["table"]
    assert table["columns"][:2] == ["Part", "A First, points"]
    row = next(r for r in table["rows"] if r[0] == "L0 up")
    assert (row[1], row[3], row[4], row[5]) == ("−15.0", "yes", "−15.0", "0.0")


@pytest.mark.parametrize(
    ("share", "text"), [(0.0321, "+3.2"), (-0.0041, "−0.4"), (0.0004, "0.0"), (-0.0004, "0.0")]
)
def test_points_have_their_sign(share: float, text: str) -> None:
    assert signed(share) == text
