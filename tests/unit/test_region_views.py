"""Paths, hulls and trees on the page: sentences against numbers, figure data."""

import numpy as np
import pytest
from drawing import by_name
from tiny_ground import TinyGround, judged
from tiny_measure import CancelAfter, quiet

from merging.search.heights import Height
from merging.search.hull import Hull, hull
from merging.search.path import Path
from ui.charts.clusters import clusters_figure
from ui.charts.hull import hull_figure
from ui.charts.path import path_figure
from ui.views.clusters import clusters_view
from ui.views.experts import expert_marks
from ui.views.hull import hull_view, hull_words
from ui.views.path import path_view, path_words

ACCURACY, LOSS = Height("accuracy", ("t",)), Height("loss", ("t",))
NAMES = {"a": "A One", "b": "B Two"}
MARKS = {m.expert: m for m in expert_marks("abc", {e: e.upper() * 2 for e in "abc"}, tuple("abc"))}


def path_of(*heights: float, items: int = 1000) -> Path:
    steps = {i: judged(h, 1 - h, items) for i, h in enumerate(heights)}
    return Path(("a", "b"), 1.0, len(heights), steps, ended="complete")


def made(report=quiet) -> Hull:
    return hull(TinyGround(), ("a", "b", "c"), report, count=6, seed=3, threads=1)


def test_a_barrier_is_told_and_drawn() -> None:
    found = path_of(0.8, 0.6, 0.3, 0.6, 0.6)
    said = path_words(found, ACCURACY, NAMES, live=False)
    assert said.startswith("A barrier between A One and B Two: 50 % of the way the path is 40.0 ")
    assert "points worse than the straight line from end to end (± " in said
    assert said.endswith("Its best step is 0 % of the way, with 80.0 %.")
    traces = by_name(path_figure(path_view(found, ACCURACY, NAMES)))
    assert traces["path"]["x"] == [0, 25, 50, 75, 100]
    assert traces["path"]["y"] == [80, 60, 30, 60, 60]
    assert traces["between the ends"]["y"] == [80, 60]
    assert traces["barrier"]["x"] == [50, 50]
    assert traces["barrier"]["y"] == pytest.approx([70, 30])
    error = 100 * (0.3 * 0.7 / 1000) ** 0.5
    assert traces["95 % interval"]["y"][2] == pytest.approx(30 + 1.96 * error, abs=0.01)


def test_what_is_within_noise_is_no_clear_barrier() -> None:
    found = path_of(0.6, 0.6, 0.58, 0.6, 0.6, items=50)
    said = path_words(found, ACCURACY, NAMES, live=False)
    assert said.startswith("No clear barrier between A One and B Two: at worst, 50 % of the way,")
    assert "2.0 points worse" in said and "which is within noise (± " in said
    line = by_name(path_figure(path_view(found, ACCURACY, NAMES)))["barrier"]["line"]
    assert line["dash"] == "dot"


def test_a_ridge_has_none() -> None:
    found = path_of(0.5, 0.7, 0.8, 0.7, 0.5)
    said = path_words(found, ACCURACY, NAMES, live=False)
    assert said.startswith("No barrier between A One and B Two: no step is worse")
    assert said.endswith("Its best step is 50 % of the way, with 80.0 %.")
    assert "barrier" not in by_name(path_figure(path_view(found, ACCURACY, NAMES)))
    lost = path_words(found, LOSS, NAMES, live=False)
    assert lost.endswith("Its best step is 50 % of the way, with 0.200 nats.")


def test_parts_of_a_path_say_how_far_they_are() -> None:
    whole = path_of(0.8, 0.6, 0.3)
    part = Path(("a", "b"), 1.0, 3, {0: whole.steps[0]})
    assert path_words(part, ACCURACY, NAMES, live=True) == "1 of 3 steps so far."
    assert path_words(part, ACCURACY, NAMES, live=False).startswith("It broke off: 1 of 3 steps")
    stale = path_figure(path_view(whole, ACCURACY, NAMES, "this path is old."))
    assert stale["sentence"].endswith("Drawn pale: this path is old.")
    assert by_name(stale)["path"]["opacity"] == 0.5


def test_a_hull_is_told_by_its_numbers_and_drawn_in_rows() -> None:
    found = made()
    heights = {m.name: ACCURACY.of(m.judged) for m in found.members if m.name}
    drawn = sorted(ACCURACY.of(m.judged) for m in found.members if not m.name)
    said = hull_words(found, ACCURACY, live=False)
    middle = (drawn[2] + drawn[3]) / 2
    assert said.startswith(
        f"6 models drawn inside: {100 * drawn[0]:.1f} % to {100 * drawn[-1]:.1f} %, median "
        f"{100 * middle:.1f} %; the centroid has {100 * heights['centroid']:.1f} %."
    )
    assert "The experts themselves: 10.0 % to 40.0 %; 0 of 6 drawn models do better" in said
    assert said.endswith("Each has a standard error of about 0.9 points (1000 images).")
    figure = hull_figure(hull_view(found, ACCURACY, MARKS))
    assert figure["layout"]["yaxis"]["ticktext"] == [
        "centroid", "6 drawn inside", "A AA", "B BB", "C CC", "base",
    ]  # fmt: skip
    traces = by_name(figure)
    assert traces["A AA"]["x"] == [40.0] and traces["base"]["x"] == [10.0]
    assert sorted(traces["6 drawn inside"]["x"]) == pytest.approx([100 * d for d in drawn])
    shares = [m.shares for m in found.members if not m.name]
    assert traces["6 drawn inside"]["text"][0].startswith(f"A {100 * shares[0][0]:.0f} %, B ")
    assert len(figure["table"]["rows"]) == 11


def test_less_loss_is_better_in_a_hull_too() -> None:
    """All of the hull lies farther from the base than its nearest expert, b."""
    said = hull_words(made(), LOSS, live=False)
    best = min(LOSS.of(m.judged) for m in made().members if m.name in ("a", "b", "c"))
    ahead = sum(LOSS.of(m.judged) < best for m in made().members if not m.name)
    assert f"{ahead} of 6 drawn models do better" in said and ahead > 0


def test_parts_of_a_hull_say_how_far_they_are() -> None:
    part = made(CancelAfter(6))
    done = len(part.members)
    assert hull_words(part, ACCURACY, live=False).startswith(f"Stopped: {done} of 11 models were")
    assert hull_words(part, ACCURACY, live=True).startswith(f"{done} of 11 models so far.")


def test_a_tree_joins_at_its_distances() -> None:
    cosines = np.array([[1, 0.1, 0.9], [0.1, 1, 0.3], [0.9, 0.3, 1]])
    view = clusters_view([MARKS[e] for e in "abc"], cosines.tolist())
    assert [m.expert for m in view.leaves] == ["a", "c", "b"]
    assert view.sentence.startswith("Most alike: A AA and C CC, cosine 0.90. The last two groups")
    assert "at a mean cosine of 0.20." in view.sentence
    tree, meets, leaves = clusters_figure(view)["data"]
    assert tree["x"][:5] == pytest.approx([0, 0.1, 0.1, 0, None])
    assert tree["y"][:4] == [0, 0, 1, 1] and tree["y"][5:9] == [0.5, 0.5, 2, 2]
    assert meets["x"] == pytest.approx([0.1, 0.8]) and meets["y"] == [0.5, 1.25]
    assert leaves["text"] == ["A AA", "C CC", "B BB"]
    wide, narrow = (clusters_figure(view)[name] for name in ("layout", "narrow"))
    assert narrow["xaxis"]["title"]["text"].replace("\n", " ") == wide["xaxis"]["title"]["text"]
    assert narrow["xaxis"]["title"]["text"].count("\n") == 1  # two lines, and room for both
    assert narrow["margin"]["b"] - wide["margin"]["b"] == 16 == narrow["height"] - wide["height"]
    assert clusters_figure(clusters_view([MARKS["a"]], [[1.0]]))["layout"] is None
