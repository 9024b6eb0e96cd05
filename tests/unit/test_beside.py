"""Recipes and runs beside each other: what differs, and whether a difference is more than noise."""

import numpy as np
import pytest

from merging.evaluation import Estimate, compare, normalised
from merging.evaluation.record import RunRecord
from merging.recipe import Expert, Recipe, make_recipe
from merging.sets import References
from ui.runbook import ListedRun
from ui.views.changes import changed_words, settings_beside, settings_of
from ui.views.compare import compare_view, within_noise

TIES = make_recipe("ties", {"a": 1.0, "b": 0.5}, set="gentle", params={"density": 0.2})


@pytest.mark.parametrize(
    ("after", "said"),
    [
        (TIES, "nothing"),
        (TIES.patched({"density": 0.3}), "d 0.2 → 0.3"),
        (TIES.patched(weights={"b": 2.0}), "expert b 0.5 → 2"),
        (TIES.patched({"density": 0.3, "scale": 0.5}), "d 0.2 → 0.3, λ 1 → 0.5"),
        (
            make_recipe("ties", {"a": 1.0}, set="gentle", params={"density": 0.2}),
            "expert b 0.5 → off",
        ),
        (make_recipe("linear", {"a": 1.0, "b": 0.5}, set="gentle"), "method TIES → Average"),
        (
            make_recipe("dare", {"a": 1.0, "b": 0.5}, set="gentle", params={"drop_rate": 0.7}),
            "method TIES → DARE, λ 1 → 0.3, make up for what was dropped none → inverse, p 0.7",
        ),
        (
            make_recipe("linear", {"a": 1.0, "b": 0.5, "c": 2.0}, set="gentle"),
            "method TIES → Average, expert c off → 2",
        ),
    ],
    ids=str,
)  # fmt: skip
def test_what_changed_in_words(after: Recipe, said: str) -> None:
    assert changed_words(TIES, after) == said


def test_only_the_draw() -> None:
    dare = make_recipe("dare", ("a", "b"), set="gentle")
    assert changed_words(dare, dare.patched(seed=4)) == "only the random draw"


def test_settings_of_single_experts_stand_at_the_expert() -> None:
    experts = (Expert("a", 1.0, (("density", 0.4),)), Expert("b"))
    told = settings_of(Recipe("ties", experts, set="gentle"))
    assert (told["expert a"], told["expert b"], told["method"]) == ("1, d 0.4", "1", "TIES")


def test_settings_that_one_has_not() -> None:
    beside = settings_beside((TIES, make_recipe("linear", ("a",), set="gentle")))
    found = {s.name: s.values for s in beside}
    assert found["d"] == ("0.2", "–") and found["expert b"] == ("0.5", "off")
    assert not next(s for s in beside if s.name == "set").differs


RIGHT = np.arange(200) % 2 == 0
OWN = References({"t": np.zeros(200, bool)}, {"t": np.ones(200, bool)})


def run(name: str, bits: np.ndarray, scale: float, of: str = "gentle") -> ListedRun:
    recipe = make_recipe("ties", ("a", "b"), set=of, params={"scale": scale})
    return ListedRun(RunRecord(recipe.key(), recipe, {"t": bits}, (), 0, 0, "cpu"), name, "now")


def test_a_clear_difference_and_one_within_noise() -> None:
    few = RIGHT.copy()
    few[:4] = ~few[:4]
    first, better, alike = (
        run("first", RIGHT, 1.0), run("better", np.arange(200) % 4 < 3, 0.5),
        run("alike", few, 0.9),
    )  # fmt: skip
    view = compare_view((first, better, alike), {"gentle": OWN}, {"t": "Task"})
    (task, mean) = view.lines
    assert task.task == "Task" and mean.task == "Mean of all tasks"
    assert [round(s.value, 3) for s in task.scores] == [0.5, 0.75, 0.5]
    assert task.gaps[0] is None and not within_noise(task.gaps[1]) and within_noise(task.gaps[2])
    gap = compare(better.record.correct, RIGHT_OF, OWN.own).mean[1]
    assert task.gaps[1] == gap
    alone = normalised(better.record.correct, OWN.own)  # as the list and the dot plot tell it
    assert (task.scores[1], mean.scores[1]) == (alone[0]["t"], alone[1])
    assert view.sentence.startswith("better keeps 25.0 points more than first (+")
    assert "alike and first are within noise of each other (+0.0 points," in view.sentence
    assert [(s.name, s.values) for s in view.settings] == [("λ", ("1", "0.5", "0.9"))]


RIGHT_OF = {"t": RIGHT}


def test_noise_is_an_interval_with_nothing_in_it() -> None:
    assert within_noise(Estimate(0.01, -0.01, 0.03))
    assert not within_noise(Estimate(0.02, 0.001, 0.03))
    assert not within_noise(Estimate(-0.02, -0.03, -0.001))


def test_runs_of_different_sets_are_not_scored_against_each_other() -> None:
    view = compare_view((run("a", RIGHT, 1.0), run("b", RIGHT, 1.0, "bold")), {}, {})
    assert view.lines == () and "different sets" in view.sentence
    assert view.settings[0].values == ("gentle", "bold")


def test_experts_are_called_as_on_the_page() -> None:
    names = {TIES.experts[0].id: "A First"}
    after = TIES.patched(weights={TIES.experts[0].id: 0.5})
    assert changed_words(TIES, after, names) == "expert A First 1 → 0.5"
    assert "expert A First" in settings_of(TIES, names)
