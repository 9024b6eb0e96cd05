"""A search for good settings, and which part costs which task: run, stop, take, by keyboard."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import ready
from tests.browser.test_access import SMALL, violations_in_both_themes
from tests.held_measure import HeldMeasure

SCALE = "#task_arithmetic-scale input[type=number]"
DOTS = """(id) => (document.querySelector(`${id} .me-plot`).data ?? [])
  .filter(({ name }) => ['beaten', 'unbeaten'].includes(name))
  .reduce((sum, { x }) => sum + x.length, 0)"""


def ends(page: Page, bar: str, state: str = "done") -> None:
    expect(page.locator(f"{bar} .me-whatif")).to_have_attribute("data-state", state, timeout=30_000)


def small(page: Page, *names: str) -> list[str]:
    return [found for found in page.evaluate(SMALL) if found.startswith(names)]


def test_good_settings_are_found_stopped_and_taken(visit, measure: HeldMeasure) -> None:
    page = visit().page
    measure.free = 4
    page.locator("#whatif [data-field=way]").select_option("find")
    expect(page).to_have_url(re.compile("way=find"))
    go = page.get_by_role("button", name="Find good settings")
    go.focus()
    page.keyboard.press("Enter")
    button = page.locator("#whatif .me-try")
    expect(button).to_have_text("Stop")
    expect(page.locator("#whatif .me-whatif-note")).to_contain_text("4 settings tried")
    page.wait_for_function(f"({DOTS})('#sweep') === 4")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    ends(page, "#whatif")
    said = page.locator("#whatif .me-whatif-said")
    expect(said).to_contain_text("Stopped: 4 settings tried and kept.")
    measure.gate.set()
    page.keyboard.press("Enter")
    expect(said).to_contain_text("nothing new is left to propose. Best: λ = 0.5, with 94.4")
    ends(page, "#whatif")
    page.locator("#whatif [data-field=across]").select_option("fashion")
    expect(page.locator("#sweep .me-plot")).to_have_attribute("aria-label", re.compile("Clothing"))
    page.locator("#whatif [data-take=best]").click()
    expect(page.locator(SCALE)).to_have_value("0.5")
    page.reload()
    ready(page)
    ends(page, "#whatif")
    expect(page.locator("#sweep .me-caption")).to_contain_text("no other beats on every task")


def test_a_line_search_rolls_back_what_lost_and_its_point_is_taken(
    visit, measure: HeldMeasure
) -> None:
    """By keyboard only; the stand-in is best at λ = 0.5."""
    page = visit().page
    page.locator("#whatif [data-field=way]").select_option("walk")
    expect(page).to_have_url(re.compile("way=walk"))
    page.get_by_role("button", name="Step up λ").focus()
    page.keyboard.press("Enter")
    ends(page, "#whatif")
    said = page.locator("#whatif .me-whatif-said")
    expect(said).to_contain_text("The step to λ = 0.6 lost (")
    expect(said).to_contain_text("It went back to λ = 0.5, with 94.4")
    expect(page.locator("#sweep .me-caption")).to_contain_text("✕ rolled back")
    page.locator("#sweep details summary").click()
    expect(page.locator("#sweep .me-table tbody tr")).to_have_count(7)
    page.locator("#whatif [data-take=best]").focus()
    page.keyboard.press("Enter")
    expect(page.locator(SCALE)).to_have_value("0.5")


def test_parts_are_put_back_on_a_phone(visit, measure: HeldMeasure) -> None:
    page = visit(viewport={"width": 390, "height": 844}).page
    measure.free = 3
    page.locator("#parts .me-try").click()
    expect(page.locator("#parts .me-whatif-note")).to_contain_text("2 of 4 put back")
    page.locator("#parts .me-try").click()
    ends(page, "#parts")
    said = page.locator("#parts .me-whatif-said")
    expect(said).to_contain_text("Stopped: 2 of 4 parts were put back and are kept.")
    measure.gate.set()
    page.locator("#parts .me-try").click()
    expect(said).to_contain_text("L1 up carries most")
    ends(page, "#parts")
    page.locator("#parts [data-field=cost]").select_option("digits")
    expect(said).to_contain_text("L0 q costs most")
    expect(page.locator("#parts-chart .me-caption")).to_contain_text("In brackets")
    page.locator("#parts-chart details summary").click()
    expect(page.locator("#parts-chart .me-table tbody tr")).to_have_count(4)
    assert violations_in_both_themes(page) == []
    assert small(page, "parts") == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
