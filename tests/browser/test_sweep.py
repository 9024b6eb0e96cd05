"""What if: try the values of λ by keyboard, stop, take the best, click a point, find it again."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import ready, slide
from tests.browser.test_access import SMALL, violations, violations_in_both_themes
from tests.held_measure import HeldMeasure

SCALE = "#task_arithmetic-scale input[type=number]"
CELL = """([x, y]) => {
  const { xaxis, yaxis } = document.querySelector('#sweep .me-plot')._fullLayout;
  const { left, top } = document.querySelector('#sweep .me-plot').getBoundingClientRect();
  return [left + xaxis._offset + xaxis.d2p(x), top + yaxis._offset + yaxis.d2p(y)];
}"""
BAR, SAID = "#whatif .me-whatif", "#whatif .me-whatif-said"


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
    page.locator("#whatif").get_by_label("Another point").select_option(label="λ = 1.7")
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


def test_a_reload_in_the_middle_finds_it_again(visit, measure: HeldMeasure) -> None:
    """On a phone, where everything fits, can be touched and is read out."""
    page = visit(viewport={"width": 390, "height": 844}).page
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
    assert violations_in_both_themes(page) == []
    assert [found for found in page.evaluate(SMALL) if found.startswith(("whatif", "sweep"))] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_two_settings_make_a_grid_whose_cells_are_taken(visit, measure: HeldMeasure) -> None:
    page = visit().page
    page.locator("#whatif [data-field=vary2]").select_option("weight.fashion")
    expect(page).to_have_url(re.compile(r"vary2=weight\.fashion"))
    measure.free = 9
    page.get_by_role("button", name="Try 81 pairs").click()
    expect(page.locator("#whatif .me-whatif-note")).to_contain_text("9 of 81 pairs tried")
    page.locator("#whatif .me-try").click()
    ends(page)
    expect(page.locator(SAID)).to_contain_text("Stopped: 9 of 81 pairs were tried and are kept.")
    measure.gate.set()
    page.get_by_role("button", name="Try 81 pairs").click()
    expect(page.locator("#whatif .me-whatif-note")).to_contain_text("all of them measured before")
    ends(page)
    page.locator("#sweep").scroll_into_view_if_needed()
    at = page.evaluate(CELL, [6, 2])
    page.mouse.click(*at)
    expect(page.locator(SCALE)).to_have_value("1.5")
    expect(page.locator("#weight-fashion input[type=number]")).to_have_value("0.5")
    expect(page.locator("#sweep .me-caption")).to_contain_text("dotted frame: your settings")
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert violations(page) == []
