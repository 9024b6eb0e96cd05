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
