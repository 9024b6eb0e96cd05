"""Run lists as text: they come back equal, and hostile ones are refused entry by entry."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import RecipeError, unknown
from merging.evaluation.record import RunRecord
from merging.recipe import Recipe, make_recipe
from ui.runbook import IMPORTED, MOST_RUNS, SHIPPED, ListedRun, RunList, same_scores
from ui.saved import FORMAT, again_words, read_runs, write_runs

ITEMS = {"one": 13, "two": 8}


def items(recipe: Recipe) -> dict[str, int]:
    if recipe.set != "gentle":
        raise unknown("set", recipe.set, ["gentle"])
    return ITEMS


def run(seed: int, name: str = "Run 1", parent: str = "") -> ListedRun:
    source = np.random.default_rng(seed)
    recipe = make_recipe("dare", ("a", "b"), set="gentle", params={"drop_rate": 0.3}, seed=seed)
    correct = {task: source.random(count) < 0.5 for task, count in ITEMS.items()}
    record = RunRecord(recipe.key(), recipe, correct, (), 0.25, 1.5, "cpu", seed % 2 == 0)
    return ListedRun(record, name, "21 Nov 2026, 20:00 UTC", parent)


def facts(listed: RunList) -> list[Any]:
    return [
        (
            r.key, r.name, r.when, r.parent, r.record.recipe, r.record.per_task, r.record.device,
            r.record.merge_seconds, r.record.score_seconds,
            {task: bits.tolist() for task, bits in r.record.correct.items()},
        )
        for r in listed.runs
    ]  # fmt: skip


@given(st.lists(st.integers(0, 1000), unique=True, max_size=5))
def test_a_list_comes_back(seeds: list[int]) -> None:
    listed = RunList(tuple(run(seed, f"Run {i}", "p") for i, seed in enumerate(seeds)))
    found, problems = read_runs(write_runs(listed), items)
    assert facts(found) == facts(listed) and problems == ()


def bent(**changes: object) -> str:
    sent = json.loads(write_runs(RunList((run(1), run(2, "Good")))))
    sent["runs"][0] |= changes
    return json.dumps(sent)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": ""}, "A name has 1 to 60 letters"),
        ({"name": ["x"]}, "A name has"),
        ({"when": "x" * 41}, "its when is no text"),
        ({"parent": None}, "its parent is no text"),
        ({"recipe": "method: ties"}, "no line format: merge-explorer/1"),
        ({"recipe": 7}, "its recipe is no text"),
        ({"correct": {}}, "not of the tasks of its set"),
        ({"correct": {"one": "AAA=", "two": "AA==", "three": "AA=="}}, "not of the tasks"),
        ({"correct": {"one": "AA==", "two": "AA=="}}, "not of 13 items"),
        ({"correct": {"one": 3, "two": "AA=="}}, "cannot be read"),
        ({"correct": {"one": "ÄÄÄ=", "two": "AA=="}}, "cannot be read"),
        ({"merge_seconds": -1}, "its merge_seconds is no duration"),
        ({"score_seconds": "1"}, "its score_seconds is no duration"),
        ({"merge_seconds": True}, "no duration"),
    ],
)
def test_a_bad_entry_is_left_out_and_named(changes: dict[str, Any], said: str) -> None:
    found, problems = read_runs(bent(**changes), items)
    assert [r.name for r in found.runs] == ["Good"]
    assert len(problems) == 1
    assert problems[0].startswith("Run 1 of the list is left out: ") and said in problems[0]


def test_recipes_that_the_page_cannot_merge_are_left_out() -> None:
    other = run(1)
    recipe = replace(other.record.recipe, set="elsewhere")
    record = RunRecord(recipe.key(), recipe, other.record.correct, (), 0, 0, "cpu")
    found, problems = read_runs(write_runs(RunList((replace(other, record=record),))), items)
    assert found.runs == () and "Unknown set 'elsewhere'" in problems[0]


@pytest.mark.parametrize("text", [None, 3, "", "{}", "[]", '{"format": 1, "runs": []}', "[" * 9999])
def test_what_is_no_list_is_refused(text: object) -> None:
    with pytest.raises(RecipeError, match="list of runs"):
        read_runs(text, items)


def test_only_so_many_are_taken() -> None:
    many = [json.loads(write_runs(RunList((run(s),))))["runs"][0] for s in range(MOST_RUNS + 3)]
    found, problems = read_runs(json.dumps({"format": FORMAT, "runs": many}), items)
    assert len(found.runs) == MOST_RUNS
    assert problems == (f"Only the first {MOST_RUNS} of {MOST_RUNS + 3} runs are taken.",)


def test_numbers_go_on_after_names() -> None:
    listed = RunList((run(1, "Run 7"), run(2, "mine")))
    assert listed.with_run(run(3).record, "now").runs[-1].name == "Run 8"
    assert listed.with_run(run(1).record, "now") is listed


def test_a_run_is_not_its_own_parent() -> None:
    record = run(5).record
    assert RunList().with_run(record, "now", record.key).runs[0].parent == ""


def test_joining_keeps_each_recipe_once() -> None:
    listed = RunList((run(1, "mine"),)).joined((run(1, "theirs"), run(2, "new")))
    assert [r.name for r in listed.runs] == ["mine", "new"]


def test_runs_of_a_file_take_no_place_of_the_visitors_own() -> None:
    own = RunList(tuple(run(seed) for seed in range(MOST_RUNS - 1)))
    sent = RunList((run(3), run(90, "first"), run(91, "second")))
    after = own.joined(sent.runs)
    assert after.runs[:-1] == own.runs and after.runs[-1].name == "first"
    assert again_words(own, sent, after).endswith(
        f"A list holds {MOST_RUNS} runs: 1 of 2 were added. Delete some to make room."
    )
    assert after.joined([run(92)]) == after


def test_scores_that_are_measured_here_replace_those_of_a_file() -> None:
    measured = run(1).record
    wrong = replace(measured, correct={t: ~bits for t, bits in measured.correct.items()})
    listed = RunList((replace(run(1, "Theirs"), record=wrong, when=IMPORTED),))
    after = listed.with_run(measured, "today")
    assert [(r.name, r.when) for r in after.runs] == [("Theirs", "today")]
    assert same_scores(after.runs[0].record, measured) and not same_scores(wrong, measured)


def test_what_an_import_says_of_runs_that_are_listed() -> None:
    def said(listed: RunList, found: RunList) -> str:
        return again_words(listed, found, listed.joined(found.runs))

    listed = RunList(tuple(run(seed, f"Mine {seed}") for seed in range(7)))
    assert said(listed, RunList((run(8),))) == ""
    one = RunList((run(3, "Theirs"), run(8), run(9)))
    assert said(listed, one) == "Already listed: Mine 3. 2 runs added."
    assert said(listed, listed) == (
        "Already listed: Mine 0, Mine 1, Mine 2, Mine 3, Mine 4 and 2 more. Nothing was added."
    )
    shipped = RunList((replace(run(1), when=SHIPPED),))
    assert said(shipped, RunList((run(1), run(2)))) == ""
    assert said(shipped, RunList((run(1),))) == "Already listed: Run 1. Nothing was added."
