"""Every lesson on the committed sets: its claims turn out as its author says."""

from functools import cache
from pathlib import Path

import pytest

from merging.jobs import ResultCache
from merging.lessons import Lesson, Tools, fill, lessons, measure_lesson, set_measure
from merging.sets import open_set

pytestmark = pytest.mark.usefixtures("alone")
FOREVER = 1e9


@pytest.fixture(scope="module")
def tools() -> Tools:
    """Sets are opened once, as a server does."""
    return Tools(cache(set_measure))


@pytest.fixture(scope="module")
def results() -> ResultCache:
    return ResultCache(4096)


@pytest.mark.parametrize("lesson", lessons(), ids=lambda lesson: lesson.id)
def test_what_is_measured_is_what_the_lesson_says(
    lesson: Lesson, tools: Tools, results: ResultCache
) -> None:
    found = measure_lesson(
        lesson, lambda f, m: None, tools=tools, results=results, budget_seconds=FOREVER
    )
    assert found.complete
    expected = {claim.name: claim.expect for claim in lesson.claims}
    assert dict(found.outcomes) == expected
    assert len(found.right) == 1, "exactly one choice comes true"
    for claim in lesson.claims:
        said = fill(claim.texts[found.outcomes[claim.name]], lesson, found.figures)
        assert "{" not in said and "nan" not in said and "–" not in said


def test_no_text_of_a_lesson_has_a_measured_figure() -> None:
    """Per cent and points come by the names of quantities, never from the file."""
    folder = Path(__file__).resolve().parents[2] / "assets" / "lessons"
    for lesson in lessons():
        texts = [t for claim in lesson.claims for t in claim.texts.values()]
        for text in (*texts, lesson.why, lesson.explore, lesson.todo):
            assert "points" not in text and "0 %" not in text.replace("90 %", "")
    assert len(list(folder.glob("*.yaml"))) == len(lessons())


def test_lessons_are_of_sets_that_ship_with_the_app() -> None:
    for lesson in lessons():
        for series in lesson.series:
            for _, recipe in series.points:
                open_set(recipe.set or "").check(recipe)
