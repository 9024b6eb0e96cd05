"""View models from numbers."""

import numpy as np
import pytest
import torch

from merging.analysis import Conflict, ConflictCount, Figure
from merging.checkpoints import MemoryCheckpoint
from merging.engine import TensorReport
from merging.evaluation.record import RunRecord
from merging.jobs import Snapshot
from merging.recipe import make_recipe
from merging.sets import References
from merging.sketch import ExpertPreview, Preview, build_sketch
from ui.presenter import job_view
from ui.views.magnitudes import letters, magnitudes_view
from ui.views.scores import common_note, scores_view, worst_task

FULL = Conflict.of((ConflictCount((0, 0, 100), 40),))


def exact(value: float) -> Figure:
    return Figure(value, value, value, True, 100)


def test_magnitude_curves_are_shares_at_least_as_large() -> None:
    weights = torch.tensor([0.0, 1.0, 2.0, 4.0, 8.0])
    base = MemoryCheckpoint("base", {"t": torch.zeros(5)})
    sketch = build_sketch(base, {"a": MemoryCheckpoint("a", {"t": weights})})
    expert = ExpertPreview("a", exact(0.4), exact(0.94), None, 4.0)
    shown = Preview("k", {}, FULL, (expert,), length=exact(1.0))
    curve = magnitudes_view(sketch, shown, {"a": "First"}, ("a",)).curves[0]
    assert (curve.letter, curve.label, curve.cut, curve.kept) == ("A", "First", 4.0, 0.4)
    assert min(curve.sizes) == 1.0 and max(curve.sizes) == 8.0
    assert curve.shares[-1] == 0.0 and 0.84 < curve.shares[0] < 0.9
    assert list(curve.shares) == sorted(curve.shares, reverse=True)


def test_letters_belong_to_the_place_in_the_set() -> None:
    assert letters(("x", "y"))["y"] == ("B", "triangle-up")


def bits(right: int, total: int = 100) -> np.ndarray:
    return np.arange(total) < right


def record(method: str, one: int, two: int) -> RunRecord:
    recipe = make_recipe(method, ["first"], set="s")
    return RunRecord(recipe.key(), recipe, {"t1": bits(one), "t2": bits(two)}, (), 0, 0, "cpu")


def view(pinned: RunRecord | None):
    known = References({"t1": bits(60), "t2": bits(50)}, {"t1": bits(80), "t2": bits(50)})
    names = {"t1": "Task one", "t2": "Task two"}
    tasks = {"first": "t1", "second": "t2"}
    marks = letters(("first", "second"))
    return scores_view(record("ties", 60, 20), pinned, known, names, marks, tasks, "Run 1")


def test_the_verdict_takes_the_base_from_the_merge() -> None:
    """Base 75 and 100 %, merge 75 and 40 %."""
    sentence = view(None).sentence
    assert "Against the untouched base, which keeps 88 %: −30.0 points (−" in sentence
    assert "Against Run 1: +10.0 points (+" in view(record("linear", 60, 10)).sentence


def test_letters_of_tasks_that_two_experts_or_none_were_trained_on() -> None:
    """The first expert of a task names its row; a task without one has no letter."""
    known = References({"t1": bits(60), "t2": bits(50)}, {"t1": bits(80), "t2": bits(50)})
    found = scores_view(
        record("ties", 60, 20), None, known, {"t1": "Task one", "t2": "Task two"},
        letters(("first", "second", "base")), {"first": "t1", "second": "t1", "base": ""},
    )  # fmt: skip
    assert {row.task: row.letter for row in found.rows} == {"t1": "A", "t2": ""}
    assert {row.task: row.held_in for row in found.rows} == {"t1": True, "t2": False}


def test_scores_are_shares_of_the_own_expert_worst_first() -> None:
    shown = view(None)
    assert [(r.task, r.letter, r.held_in) for r in shown.rows] == [
        ("t2", "B", False),
        ("t1", "A", True),
    ]
    assert [r.merged.value for r in shown.rows] == [pytest.approx(0.4), pytest.approx(0.75)]
    assert [r.base.value for r in shown.rows] == [pytest.approx(1.0), pytest.approx(0.75)]
    assert shown.mean.merged.value == pytest.approx(0.575)
    assert shown.rows[1].raw.value == pytest.approx(0.6)
    assert shown.rows[0].pinned is None and shown.pinned_name == ""
    assert worst_task(shown) == "Task two 40 %"
    for row in (*shown.rows, shown.mean):
        assert row.merged.low <= row.merged.value <= row.merged.high


def test_plain_accuracies_of_base_and_pinned_run() -> None:
    first = view(record("linear", 80, 50)).rows[0]
    assert (first.task, first.base_raw.value, first.pinned_raw.value) == ("t2", 0.5, 0.5)
    assert view(None).rows[0].pinned_raw is None and view(None).mean.pinned_raw is None
    assert view(record("linear", 80, 50)).mean.base_raw.value == pytest.approx(0.55)
    assert view(None).units == "share"


@pytest.mark.parametrize(
    ("method", "reasons", "note"),
    [
        ("greedy_soup", ("mean of a, b", "mean of a, b"), "mean of a, b"),
        ("pleas", ("3 moved", "4 moved"), ""),
        ("tall_masks", ("over 2 expert(s)",), ""),
        ("linear", ("mean of a, b",), ""),
        ("greedy_soup", (), ""),
    ],
)
def test_what_a_method_told_of_all_tensors_alike(
    method: str, reasons: tuple[str, ...], note: str
) -> None:
    report = tuple(TensorReport(f"w{i}", "merge", r) for i, r in enumerate(reasons))
    count = ["a", "b"] if method == "pleas" else ["a"]
    known = RunRecord("k", make_recipe(method, count), {}, report, 0, 0, "cpu")
    assert common_note(known) == note


def test_pinned_run_is_a_ghost_unless_it_is_the_same() -> None:
    shown = view(record("linear", 80, 50))
    assert shown.mean.pinned.value == pytest.approx(1.0)
    assert "Against Run 1: −42.5 points (" in shown.sentence
    assert view(record("ties", 60, 20)).mean.pinned is None


@pytest.mark.parametrize(
    ("snapshot", "state", "text"),
    [
        (None, "idle", ""),
        (Snapshot("i", "k", position=3), "queued", "Waiting, place 3"),
        (Snapshot("i", "k", "running", 0, 0.5, "score a", 1, 2.2), "running", "Score a · 2 s"),
        (Snapshot("i", "k", "done", 0, 1.0, "done", 1, 1.26), "done", "Done in 1.3 s"),
        (Snapshot("i", "k", "failed", 0, 0.2, "No memory.", 1), "failed", "No memory."),
    ],
)  # fmt: skip
def test_job_line(snapshot: Snapshot | None, state: str, text: str) -> None:
    shown = job_view(snapshot)
    assert (shown.state, shown.text) == (state, text)
