"""Own models looked at before a merge: read once, then everything follows the controls."""

import pytest
from playwright.sync_api import expect

from tests.browser.test_access import tab_to, violations
from tests.browser.test_own import choose_two

pytestmark = pytest.mark.usefixtures("models")
DRAWN = "#heatmap canvas[data-stamp]"


def test_look_inside_by_keyboard_follow_a_slider_and_open_a_cell(visit_own) -> None:
    page = visit_own().page
    choose_two(page)
    expect(page.locator("#effect")).to_contain_text("read once")
    tab_to(page, "#own-look")
    page.keyboard.press("Enter")
    expect(page.locator("#effect")).to_contain_text("signs clash at", timeout=60_000)
    expect(page.locator(DRAWN)).to_be_visible()
    first = page.locator("#heatmap canvas").get_attribute("data-stamp") or ""
    page.get_by_label("Weight of expert 1", exact=True).first.fill("0.5")
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", first)
    page.locator("#heatmap canvas").focus()
    for key in ("ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    expect(page.locator("#twelve")).to_contain_text("one")
    expect(page.locator("#cell .me-plot")).to_have_attribute("data-drawn", "yes")
    assert violations(page) == []
    dark = visit_own(color_scheme="dark").page
    choose_two(dark)
    expect(dark.locator(DRAWN)).to_be_visible()  # what was read serves everybody
    expect(dark.locator("#who-won .me-plot")).to_have_attribute("data-drawn", "yes")
    assert violations(dark) == []
