"""Every lesson on the committed sets: its claims turn out as its author says."""

import re
from functools import cache

import pytest

from merging.jobs import ResultCache
from merging.lessons import Lesson, Tools, fill, lessons, measure_lesson, set_measure
from merging.lessons.read import FOLDER
from merging.sets import open_set, set_names

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
    for lesson in lessons():
        texts = [t for claim in lesson.claims for t in claim.texts.values()]
        for text in (*texts, lesson.why, lesson.explore, lesson.todo):
            assert not re.search(r"\d[\d.]*\s*(%|points)", text), text


def test_every_lesson_ships_in_order_and_leads_to_the_next() -> None:
    listed = lessons()
    assert [lesson.number for lesson in listed] == list(range(1, 11))
    assert len(list(FOLDER.glob("*"))) == 10
    assert [lesson.after for lesson in listed] == [lesson.id for lesson in listed[1:]] + [""]


def test_lessons_are_of_sets_that_ship_with_the_app() -> None:
    recipes = [r for one in lessons() for series in one.series for _, r in series.points]
    assert {recipe.set for recipe in recipes} <= set(set_names())
    for recipe in recipes:
        open_set(recipe.set or "").check(recipe)
