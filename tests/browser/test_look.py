"""Widths, themes and the keyboard."""

import pytest
from playwright.sync_api import expect


@pytest.mark.parametrize("width", [1440, 820, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(visit, width: int, scheme: str) -> None:
    page = visit(viewport={"width": width, "height": 1000}, color_scheme=scheme).page
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    box = page.locator("#heatmap canvas").bounding_box()
    assert box is not None and box["width"] > 0.6 * min(width, 900)
    assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")


def test_charts_follow_the_theme(visit) -> None:
    page = visit(color_scheme="light").page
    ink = "document.querySelector('#scores .me-plot').layout.font.color"
    light = page.evaluate(ink)
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"{ink} !== '{light}'")
    assert page.evaluate(ink) == "#e7ebf0"


def test_heatmap_is_read_by_arrow_keys(visit) -> None:
    page = visit().page
    page.locator("#heatmap canvas").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#heatmap .me-readout")).to_contain_text("L0 q: signs clash at")
    expect(page.locator("#heatmap .me-readout")).to_contain_text("coin tosses would clash at")


def test_plot_click_tells_python(visit) -> None:
    page = visit().page
    page.locator("#scores details summary").click()
    cells = page.locator("#scores .me-table tbody :is(th, td)")
    expect(cells).to_have_count(6 * 8)
    assert "Mean" in cells.all_inner_texts()


def test_on_a_phone_the_answer_stands_at_the_slider(visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}).page
    page.get_by_label("TIES", exact=True).check()
    slider = page.locator("#ties-density input[type=range]")
    slider.scroll_into_view_if_needed()
    slider.fill("0.5")
    expect(page.locator("#live")).to_contain_text("kept 50.")
    expect(page.locator("#live")).to_be_in_viewport()


def test_on_a_phone_a_refusal_is_in_sight(visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}).page
    for name in ("digits", "fashion", "optical", "scripts", "pictograms"):
        page.locator(f"#on-{name} input").uncheck()
    page.locator("#task_arithmetic-scale").scroll_into_view_if_needed()
    page.get_by_role("button", name="Merge and evaluate").click()
    expect(page.locator("#notice")).to_contain_text("No expert is chosen.")
    expect(page.locator("#notice .me-notice-box")).to_be_in_viewport()


@pytest.mark.parametrize("place", ["#on-digits input", "#weight-digits input[type=range]"])
def test_focus_is_visible(visit, place: str) -> None:
    page = visit().page
    page.locator("#weight-digits input[type=number]").focus()
    page.keyboard.press("Shift+Tab" if place.startswith("#on") else "Tab")
    expect(page.locator(place)).to_be_focused()
    expect(page.locator(place)).to_have_css("outline-style", "solid")
