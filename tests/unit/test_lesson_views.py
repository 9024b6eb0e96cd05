"""What a lesson's player says at each step, its chart, its links and the teacher's table."""

from dataclasses import replace

import pytest
from test_lesson_read import changed, read

from merging.evaluation import Estimate
from merging.jobs import Snapshot
from merging.lessons import Lesson, LessonResult, lessons
from ui.charts.lesson import STYLES, lesson_figure
from ui.lessons import lesson_of, opened_query
from ui.state import STEPS_OF_LESSON
from ui.teacher import table
from ui.views.lesson import (
    HEADINGS,
    LessonView,
    figures_table,
    note,
    paragraphs,
    step_allowed,
    trying,
    where,
)

SPOTS = ((0.0, Estimate(0.5, 0.4, 0.6)), (0.5, Estimate(0.9, 0.8, 1.0)))
DONE = LessonResult(
    "tried",
    2,
    2,
    {("walk", "held_in"): SPOTS},
    {"low": SPOTS[0][1], "high": SPOTS[1][1], "gap": Estimate(0.4, 0.3, 0.5)},
    {"rises": "held"},
    (0,),
    "complete",
)


@pytest.fixture
def lesson() -> Lesson:
    return read(changed("why: Because.", "why: Because {gap}."))


def view(lesson: Lesson, step: str, **more: object) -> LessonView:
    return LessonView(lesson, 10, step, **{"guess": 0, "result": DONE, **more})


@pytest.mark.parametrize(
    ("step", "guess", "measured", "want"),
    [
        ("reveal", None, True, "ask"),
        ("try", None, False, "ask"),
        ("reveal", 0, False, "try"),
        ("next", 0, False, "try"),
        ("ask", 0, True, "ask"),
        ("try", 0, True, "try"),
        ("reveal", 0, True, "reveal"),
        ("next", 2, True, "next"),
    ],
)
def test_first_predict_then_measure(step: str, guess: int | None, measured: bool, want: str):
    assert step_allowed(step, guess, measured) == want


def test_each_step_says_its_own(lesson: Lesson) -> None:
    said = [paragraphs(view(lesson, step)) for step in STEPS_OF_LESSON]
    assert said == [
        ["Which?"],
        ["Two merges."],
        ["You said: up So it was.", "by 40.0 points (95 % interval 30.0 to 50.0)"],
        ["Because 40.0 points."],
        ["It says."],
        ["Go on."],
    ]
    assert set(HEADINGS) == set(STEPS_OF_LESSON)
    assert where(view(lesson, "why")) == "Lesson 7 of 10 · 2 minutes · step 4 of 6"


def test_a_prediction_is_told_as_it_came_out(lesson: Lesson) -> None:
    wrong = paragraphs(view(lesson, "reveal", guess=1))[0]
    assert wrong == "You said: down It was otherwise: up"
    neither = paragraphs(view(lesson, "reveal", result=replace(DONE, right=())))[0]
    assert neither == "You said: up None of the answers fits what was measured."
    other = replace(DONE, outcomes={"rises": "not"})
    assert paragraphs(view(lesson, "reveal", result=other))[1] == "lower"
    assert paragraphs(view(lesson, "reveal", result=None)) == []


@pytest.mark.parametrize(
    ("job", "result", "said", "button"),
    [
        (None, None, "5 measurements", "Run it"),
        (Snapshot("a", "k", "queued", 2), None, "Waiting, place 2", "Stop"),
        (Snapshot("a", "k", "running", elapsed=3.2), None, "0 of 5 measured · 3 s", "Stop"),
        (None, DONE, "5 of 5 measured", "Show what happened"),
        (None, replace(DONE, ended="cancelled"), "Stopped: 2 of 5 measured; ", "Go on measuring"),
        (None, replace(DONE, ended="budget"), "It took too long and was ", "Go on measuring"),
        (Snapshot("a", "k", "failed", message="Broken."), None, "Broken.", "Run it"),
    ],
)
def test_how_far_it_is(lesson: Lesson, job, result, said: str, button: str) -> None:
    seen = view(lesson, "try", job=job, result=result)
    assert note(seen, 5).startswith(said) and trying(seen)[0] == button


def test_all_figures_stand_with_their_intervals(lesson: Lesson) -> None:
    rows = figures_table(view(lesson, "reveal"))
    assert rows[2] == ["gap", "40.0 points (95 % interval 30.0 to 50.0)"]
    assert figures_table(view(lesson, "reveal", result=replace(DONE, ended="budget"))) == []


def test_a_chart_has_intervals_marks_and_its_numbers(lesson: Lesson) -> None:
    figure = lesson_figure(lesson, DONE)
    assert figure is not None
    (line,) = figure["data"]
    assert (line["x"], line["y"]) == ([0.0, 0.5], [50.0, 90.0])
    assert line["error_y"]["array"] == pytest.approx([10, 10])
    assert figure["layout"]["yaxis"]["range"] == [30, 110]
    assert figure["table"]["rows"][1] == ["Walk", "0.5", "90.0", "80.0 to 100.0"]
    assert figure["sentence"].startswith("● Walk.")
    assert lesson_figure(lesson, replace(DONE, lines={})) is None
    assert len({style[1] for style in STYLES}) == len({style[2] for style in STYLES}) == 4


@pytest.mark.parametrize("one", lessons(), ids=lambda one: one.id)
def test_no_chart_has_more_lines_than_styles(one: Lesson) -> None:
    assert len(one.chart.lines) <= len(STYLES)


@pytest.mark.parametrize(
    ("query", "want"),
    [
        ("lesson=3", True),
        ("v=1&lesson=3&hide=runs&__theme=dark", True),
        ("lesson=3&cell=L2 q", True),
        ("lesson=3&scale=0.3", False),
        ("lesson=99", False),
        ("lesson=zork", False),
        ("lesson=", False),
        ("scale=0.3", False),
        ("", False),
    ],
)
def test_a_bare_link_of_a_lesson_brings_its_settings(query: str, want: bool) -> None:
    added = f"&{lessons()[2].page}" if want else ""
    assert opened_query(query) == query + added


def test_strange_queries_stay_as_they_are() -> None:
    many = "&".join(f"a{i}=1" for i in range(500)) + "&lesson=3"
    assert opened_query(many) == many
    assert lesson_of("3") is lessons()[2] and lesson_of("03") is None and lesson_of("") is None


def test_the_table_lists_every_lesson_with_its_link(lesson: Lesson) -> None:
    found = table(lessons(), {"gentle": "Gentle"})
    assert found.count("<tr>") == 1 + len(lessons()) == 11
    for one in lessons():
        assert f'href="./?lesson={one.number}"' in found and f"{one.minutes} min" in found
    risky = replace(lesson, title="<b>x</b>", page='a="&b=<i>')
    row = table((risky,), {"gentle": "<u>"})
    assert "<b>" not in row and "<i>" not in row and "<u>" not in row


@pytest.mark.parametrize("one", lessons(), ids=lambda one: one.id)
def test_axis_titles_fit_a_phone(one: Lesson) -> None:
    """Whole in words, no line of more than 42 letters, and the lines have room below the chart."""
    result = replace(DONE, lines={one.chart.lines[0].key: next(iter(DONE.lines.values()))})
    figure = lesson_figure(one, result)
    assert figure is not None
    wide, narrow = figure["layout"], figure["narrow"]
    for axis, title in (("xaxis", one.chart.x), ("yaxis", one.chart.y)):
        assert wide[axis]["title"]["text"] == title
        lines = narrow[axis]["title"]["text"].split("\n")
        assert " ".join(lines) == title and max(map(len, lines)) <= 42
    more = 16 * narrow["xaxis"]["title"]["text"].count("\n")
    assert (narrow["height"], narrow["margin"]["b"]) == (
        wide["height"] + more, wide["margin"]["b"] + more,
    )  # fmt: skip
