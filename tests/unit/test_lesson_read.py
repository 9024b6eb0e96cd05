"""Lessons from their files: what is read, and words for everything that is wrong."""

from pathlib import Path

import pytest

from merging.errors import RecipeError, SourceError
from merging.lessons import parse_lesson, read_folder

LESSON = """
format: merge-explorer-lesson/1
number: 7
title: A title
minutes: 2
page: experts=digits
question: Which?
choices:
  - {text: up, when: [{claim: rises, is: held}]}
  - {text: down, when: [{quantity: gap, to: 0}]}
do: Two merges.
series:
  - name: walk
    label: Walk
    recipe: {set: gentle, method: task_arithmetic, experts: [digits, fashion]}
    vary: {parameter: scale, values: [0, 0.5]}
chart: {x: λ, y: share, lines: [{series: walk, line: held_in}]}
quantities:
  - {name: low, is: at, at: 0, series: walk, line: all, label: at 0}
  - {name: high, is: at, at: 0.5, series: walk, line: all, label: at a half}
  - {name: gap, is: difference, first: high, second: low, label: gap}
claims:
  - name: rises
    left: high
    is: above
    right: low
    expect: close
    held: "by {gap±}"
    not: lower
    close: "{gap}"
why: Because.
source: {arxiv: "2306.01708", citation: A 2023, text: It says.}
explore: Go on.
"""


def changed(old: str, new: str) -> str:
    assert old in LESSON
    return LESSON.replace(old, new)


def read(text: str = LESSON) -> object:
    return parse_lesson(text, "tried")


def test_a_file_becomes_a_lesson() -> None:
    lesson = read()
    assert (lesson.id, lesson.number, lesson.minutes, lesson.after) == ("tried", 7, 2, "")
    assert lesson.sets == ("gentle",) and lesson.total == 2
    (series,) = lesson.series
    assert [x for x, _ in series.points] == [0, 0.5]
    assert [r.settings().number("scale") for _, r in series.points] == [0, 0.5]
    assert [q.unit for q in lesson.quantities] == ["share", "share", "points"]
    assert lesson.choices[1].when[0].high == 0 and lesson.choices[1].when[0].low < -1e7
    assert lesson.claims[0].texts == {"held": "by {gap±}", "not": "lower", "close": "{gap}"}


VARIED = [
    ("{experts: [1, 2]}", [["digits"], ["digits", "fashion"]], [1.0, 1.0]),
    ("{path: [0, 0.25]}", [["digits", "fashion"]] * 2, [0.0, 0.25]),
]


@pytest.mark.parametrize(("vary", "experts", "last"), VARIED)
def test_other_things_are_varied(vary: str, experts: list[list[str]], last: list[float]) -> None:
    text = changed("{parameter: scale, values: [0, 0.5]}", vary)
    text = text.replace("method: task_arithmetic", "method: linear").replace("at: 0.5", "at: 1")
    if vary.startswith("{experts"):
        text = text.replace("at: 0,", "at: 2,")
    else:
        text = text.replace("at: 1", "at: 0.25")
    points = read(text).series[0].points
    assert [[e.id for e in r.experts] for _, r in points] == experts
    assert [r.experts[-1].weight for _, r in points] == last


def test_a_path_goes_straight_from_one_to_the_other() -> None:
    text = changed("{parameter: scale, values: [0, 0.5]}", "{path: [0, 0.5, 1]}")
    series = read(text.replace("method: task_arithmetic", "method: linear")).series[0]
    weights = [tuple(e.weight for e in r.experts) for _, r in series.points]
    assert weights == [(1, 0), (0.5, 0.5), (0, 1)]


WRONG = [
    ("format: merge-explorer-lesson/1", "format: other", "Unknown format 'other'"),
    ("number: 7", "number: seven", "number is 'seven'; it must be a number"),
    ("number: 7", "number: 0", "whole number, 1 to 99"),
    ("title: A title", "titel: A title", "lesson tried: title is missing"),
    ("explore: Go on.", "explore: Go on.\nzork: 1", "Unknown key 'zork'"),
    ("question: Which?", "question: ''", "question is empty"),
    ("method: task_arithmetic", "method: zork", "series 1, recipe: Unknown method 'zork'"),
    ("values: [0, 0.5]", "values: [0, 99]", "series 1, vary: "),
    ("{parameter: scale, values: [0, 0.5]}", "{zork: 1}", "say what is varied"),
    ("{parameter: scale, values: [0, 0.5]}", "{experts: [9]}", "whole numbers from 1 to 2"),
    ("{parameter: scale, values: [0, 0.5]}", "{path: [0, 1]}", "two experts and the method linear"),
    ("{parameter: scale, values: [0, 0.5]}", "{seeds: [1, 1]}", "lists a number twice"),
    ("at: 0.5", "at: 0.7", "walk has no point at 0.7"),
    ("line: held_in", "line: chance", "Unknown line 'chance'"),
    ("first: high", "first: hihg", "Did you mean 'high'?"),
    ("is: above", "is: over", "Unknown is 'over'"),
    ("expect: close", "expect: maybe", "Unknown expect 'maybe'"),
    ("right: low", "right: [1]", "right is [1]; it must be a quantity or a number"),
    ("by {gap±}", "by {gpa±}", "Unknown quantity in a text 'gpa'"),
    ("by {gap±}", "by {gap", "a lone brace in a text"),
    ("claim: rises", "claim: falls", "Unknown claim 'falls'"),
    ("name: high", "name: low", "low is named twice"),
    ("2306.01708", "23", "it must be an id such as"),
    ("number: 7", "number: &a 7\nx: *a", "YAML alias"),
]


@pytest.mark.parametrize(("old", "new", "message"), WRONG, ids=[w[2] for w in WRONG])
def test_what_is_wrong_is_said(old: str, new: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        read(changed(old, new))
    assert message in str(caught.value) and str(caught.value).startswith("lesson tried")
    assert "recipe is" not in str(caught.value)


def test_folders(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no lessons"):
        read_folder(tmp_path)
    text = LESSON
    (tmp_path / "b.yaml").write_text(text.replace("number: 7", "number: 2"), "utf-8")
    (tmp_path / "a.yaml").write_text(text + "next: b\n", "utf-8")
    assert [lesson.id for lesson in read_folder(tmp_path)] == ["b", "a"]
    (tmp_path / "a.yaml").write_text(text + "next: c\n", "utf-8")
    with pytest.raises(RecipeError, match="lesson a: Unknown lesson 'c'"):
        read_folder(tmp_path)
    (tmp_path / "a.yaml").write_text(text.replace("number: 7", "number: 2"), "utf-8")
    with pytest.raises(RecipeError, match="number 2 is given twice"):
        read_folder(tmp_path)
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    with pytest.raises(SourceError, match="cannot be read"):
        read_folder(tmp_path)
