"""What if: try the values of λ by keyboard, stop, take the best, click a point, find it again."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from merging.jobs import ResultCache
from tests.browser.conftest import Site, ready, slide
from tests.browser.test_access import SMALL, violations
from tests.held_measure import HeldMeasure
from ui.studies import Studies
from ui.sweeps import Sweeps

SCALE = "#task_arithmetic-scale input[type=number]"
BAR, SAID = "#whatif .me-whatif", "#whatif .me-whatif-said"


@pytest.fixture
def measure(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldMeasure]:
    held = HeldMeasure([t["id"] for t in site.services.sets["gentle"].card["tasks"]])
    studies = Studies(site.services.jobs, ResultCache(100), lambda name: held)
    monkeypatch.setattr(site.services, "studies", studies)
    monkeypatch.setattr(site.services, "sweeps", Sweeps(studies))
    yield held
    held.gate.set()


def ends(page: Page, state: str = "done") -> None:
    expect(page.locator(BAR)).to_have_attribute("data-state", state, timeout=30_000)
    expect(page.locator("#sweep .me-plot")).to_have_attribute("data-drawn", "yes")


def points(page: Page, count: int) -> None:
    """Wait until the chart has so many points."""
    page.wait_for_function(
        """(count) => document.querySelector('#sweep .me-plot').data
          ?.find(({ name }) => name === 'mean')?.x.length === count""",
        arg=count,
    )


def test_values_are_tried_stopped_and_taken_by_keyboard(visit, measure: HeldMeasure) -> None:
    page = visit().page
    measure.free = 5
    expect(page.locator("#whatif .me-whatif-note")).to_contain_text("21 values, at most 60 s")
    expect(page.locator("#sweep .me-figure")).to_be_hidden()
    page.get_by_label("Vary").select_option("weight.digits")
    expect(page).to_have_url(re.compile(r"vary=weight\.digits"))
    page.get_by_label("Vary").select_option("scale")
    button = page.locator("#whatif .me-try")
    expect(page.get_by_role("button", name="Try 21 values")).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Stop")
    expect(page.locator("#whatif .me-whatif-note")).to_contain_text("5 of 21 values tried")
    points(page, 5)
    expect(page.locator("#go")).to_be_disabled()
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    ends(page)
    expect(page.locator(SAID)).to_contain_text("Stopped: 5 of 21 values were tried and are kept.")
    expect(page.locator("#go")).to_be_enabled()
    measure.gate.set()
    page.keyboard.press("Enter")
    points(page, 21)
    ends(page)
    expect(page.locator(SAID)).to_contain_text("Best: λ = 0.5, with 94.4")
    expect(page.locator("#whatif .me-job-said")).to_contain_text("Best: λ = 0.5")
    page.get_by_role("button", name="Take best: λ = 0.5").focus()
    page.keyboard.press("Enter")
    expect(page.locator(SCALE)).to_have_value("0.5")
    expect(page).to_have_url(re.compile(r"scale=0\.5"))
    page.get_by_role("button", name="Undo").click()
    expect(page.locator(SCALE)).to_have_value("1")
    page.get_by_label("Another point").select_option(label="λ = 1.7")
    page.get_by_role("button", name="Take it").click()
    expect(page.locator(SCALE)).to_have_value("1.7")


def test_a_point_is_clicked_and_points_of_other_settings_say_so(
    visit, measure: HeldMeasure
) -> None:
    page = visit().page
    page.locator("#whatif .me-try").click()
    points(page, 21)
    ends(page)
    caption = page.locator("#sweep .me-caption")
    expect(caption).not_to_contain_text("Drawn pale")
    page.locator("#sweep").scroll_into_view_if_needed()
    box = page.locator("#sweep .scatterlayer .trace .point").nth(3).bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(page.locator(SCALE)).to_have_value("0.3")
    expect(caption).not_to_contain_text("Drawn pale")
    slide(page, "#task_arithmetic-scale", 1.2)
    expect(page.locator("#sweep .me-plot")).to_contain_text("yours: λ = 1.2")
    page.locator("#on-digits input").uncheck()
    expect(caption).to_contain_text("these points belong to other settings than yours")
    page.locator("#sweep details summary").click()
    expect(page.locator("#sweep .me-table tbody tr")).to_have_count(21)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_reload_in_the_middle_finds_it_again(visit, measure: HeldMeasure, scheme: str) -> None:
    """On a phone, where everything fits, can be touched and is read out."""
    page = visit(viewport={"width": 390, "height": 844}, color_scheme=scheme).page
    measure.free = 5
    page.locator("#whatif .me-try").click()
    points(page, 5)
    page.reload()
    ready(page)
    ends(page, "running")
    points(page, 5)
    expect(page.get_by_role("progressbar", name="Trying values")).to_be_visible()
    measure.gate.set()
    points(page, 21)
    ends(page)
    assert violations(page) == []
    assert [found for found in page.evaluate(SMALL) if found.startswith(("whatif", "sweep"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
