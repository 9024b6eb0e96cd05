"""A lesson from start to end by the keyboard alone, on a phone, and the teacher's page."""

import re
from collections.abc import Iterator

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from merging.evaluation import Bits
from merging.jobs import Report, ResultCache
from merging.lessons import Tools, lessons
from merging.recipe import Recipe
from tests.browser.conftest import Site, ready
from tests.browser.test_access import SMALL, violations, violations_in_both_themes
from tests.held_measure import HeldMeasure
from ui.lessons import LessonRuns
from ui.studies import Studies

PLAYER, HEADING, TEXT = (
    "#lesson .me-lesson",
    "#lesson .me-lesson-heading",
    "#lesson .me-lesson-text",
)
CHART, BAR = "#lesson-chart .me-plot", "#lesson-bar"
STEPS = ["What happened", "Why", "Where this comes from", "Go on by yourself"]


class Rising(HeldMeasure):
    """One expert: better up to λ = 1, then worse."""

    def score(self, recipe: Recipe, half: str, report: Report) -> dict[str, Bits]:
        super().score(recipe, half, report)
        at = float(recipe.settings().common.get("scale", 1.0))
        right = dict.fromkeys(self.tasks, 300 - 20 * at) | {"scripts": 380 - 200 * abs(at - 1)}
        return {t: np.arange(400) < n for t, n in right.items()}

    def own(self, half: str, report: Report) -> dict[str, Bits]:
        return {t: np.arange(400) < 380 for t in self.tasks}


@pytest.fixture
def measure(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rising]:
    held = Rising([t["id"] for t in site.services.sets["gentle"].card["tasks"]])
    studies = Studies(site.services.jobs, ResultCache(100), lambda name: held)
    runs = LessonRuns(studies)
    runs.tools = Tools(lambda name, tasks: held)
    monkeypatch.setattr(site.services, "studies", studies)
    monkeypatch.setattr(site.services, "lessons", runs)
    yield held
    held.gate.set()


def opened(visit, query: str, **options: object) -> Page:
    page = visit(query=query, **options).page
    expect(page.locator(PLAYER)).to_be_visible()
    return page


def test_a_lesson_is_a_few_tabs_away(visit, measure: Rising) -> None:
    page = opened(visit, "lesson=1")
    link = page.get_by_role("navigation", name="Sections").get_by_role("link", name="Lesson")
    tabs = 0
    while not link.evaluate("link => link === document.activeElement"):
        page.keyboard.press("Tab")
        tabs += 1
        assert tabs < 10
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = "document.activeElement.closest('#section-lesson') !== null"
    page.wait_for_function(inside)


def press(page: Page, name: str, within: str = PLAYER, exact: bool = True) -> None:
    """Reach a button by Tab from where the focus is, and press Enter on it."""
    button = page.locator(within).get_by_role("button", name=name, exact=exact)
    expect(button).to_be_visible()
    for _ in range(40):
        page.keyboard.press("Tab")
        if button.evaluate("node => node === document.activeElement"):
            page.keyboard.press("Enter")
            return
    raise AssertionError(f"{name} cannot be reached by Tab")


def at(page: Page, heading: str) -> None:
    expect(page.locator(HEADING)).to_have_text(heading)
    expect(page.locator(HEADING)).to_be_focused()


def test_a_lesson_from_start_to_end_by_keyboard_only(visit, measure: Rising) -> None:
    page = opened(visit, "lesson=1")
    expect(page.locator(HEADING)).to_have_text("What do you expect?")
    expect(page.locator("#on-scripts input")).to_be_checked()
    expect(page.locator("#on-digits input")).not_to_be_checked()
    expect(page.locator(BAR).get_by_role("button", name="Go on")).to_be_hidden()
    page.locator("#link button[data-action=copy]").focus()
    for _ in range(60):  # past the recipe, into the lesson
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.dataset.choice") == "1":
            break
    page.keyboard.press("Enter")
    at(page, "Try it")
    measure.free = 3
    press(page, "Run it")
    run = page.locator("#lesson .me-lesson-try button")
    expect(page.locator("#lesson .me-lesson-note")).to_contain_text("3 of 7 measured")
    expect(run).to_have_text("Stop")
    expect(run).to_be_focused()
    expect(page.get_by_role("progressbar", name="Measuring")).to_be_visible()
    page.keyboard.press("Enter")
    expect(run).to_have_text("Go on measuring")
    measure.gate.set()
    page.keyboard.press("Enter")
    expect(run).to_have_text("Show what happened")
    expect(run).to_be_focused()
    page.keyboard.press("Enter")
    for heading in STEPS:
        at(page, heading)
        if heading == STEPS[0]:
            expect(page.locator(TEXT)).to_contain_text("You said: Near λ = 1.")
            expect(page.locator(TEXT)).to_contain_text("So it was.")
            expect(page.locator(CHART)).to_have_attribute("data-drawn", "yes")
            expect(page.locator(CHART)).to_contain_text("its own task")
        else:
            expect(page.locator("#lesson-chart .me-figure")).to_be_hidden()
        if heading != STEPS[-1]:
            press(page, "Go on", BAR)
    expect(page).to_have_url(re.compile(r"lesson=1\b"))
    press(page, "Next: Lesson 2: Why can we average at all?", BAR)
    at(page, "What do you expect?")
    expect(page).to_have_url(re.compile(r"set=twin.*lesson=2"))
    press(page, "Leave the lesson", BAR)
    expect(page.locator("#section-lesson")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("lesson="))


def test_without_a_lesson_nothing_of_it_shows(visit) -> None:
    page = visit().page
    expect(page.locator("#section-lesson")).to_be_hidden()
    expect(page.locator("#section-scores")).to_be_visible()


def test_on_a_phone_every_step_fits_and_is_clean(visit, measure: Rising) -> None:
    size = {"width": 390, "height": 844}
    page = opened(visit, "lesson=1", viewport=size)
    assert violations_in_both_themes(page) == []
    page.locator("#lesson .me-lesson-choices button").nth(2).click()
    page.locator("#lesson").get_by_role("button", name="Run it").click()
    page.locator("#lesson").get_by_role("button", name="Show what happened").click()
    at(page, "What happened")
    expect(page.locator(TEXT)).to_contain_text("It was otherwise: Near λ = 1.")
    expect(page.locator(CHART)).to_have_attribute("data-drawn", "yes")
    page.locator("#lesson .me-lesson-figures summary").click()
    assert violations_in_both_themes(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [found for found in page.evaluate(SMALL) if found.startswith("lesson")] == []


def test_the_teachers_page_leads_to_every_lesson_and_back(visit) -> None:
    page = visit().page
    page.get_by_role("link", name="Lessons", exact=True).click()
    rows = page.locator(".me-teacher tbody tr")
    expect(rows).to_have_count(len(lessons()))
    expect(rows.nth(2)).to_contain_text("3 Most changes do not matter")
    assert violations(page) == []
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.get_by_role("link", name="4 Signs quarrel").click()
    ready(page)
    expect(page.locator("#lesson .me-lesson-title")).to_have_text("Signs quarrel")
    expect(page.locator("#panel-ties")).to_be_attached()
