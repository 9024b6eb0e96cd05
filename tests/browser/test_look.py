"""Widths, themes and the keyboard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import unfold

FITS = """(width) => {
  const frame = document.querySelector('.gradio-container');
  const heatmap = document.querySelector('#heatmap canvas').getBoundingClientRect().width;
  return innerWidth === width && document.documentElement.scrollWidth <= width
    && frame.scrollWidth === frame.clientWidth && heatmap > 0.6 * Math.min(width, 900);
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_is_wider_than_the_page(visit, scheme: str) -> None:
    page = visit(color_scheme=scheme).page
    assert page.evaluate("document.body.classList.contains('dark')") is (scheme == "dark")
    page.evaluate("document.querySelectorAll('.me-results details').forEach((d) => d.open = true)")
    expect(page.locator("#scores .me-table table")).to_be_visible()
    for width in (2560, 1440, 1100, 820, 390):
        page.set_viewport_size({"width": width, "height": 1000})
        if width == 820:
            unfold(page)
        page.wait_for_function(FITS, arg=width)


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
    unfold(page)
    page.get_by_label("TIES", exact=True).check()
    slider = page.locator("#ties-density input[type=range]")
    slider.scroll_into_view_if_needed()
    slider.fill("0.5")
    expect(page.locator("#live")).to_contain_text("kept 50.")
    expect(page.locator("#live")).to_be_in_viewport()


def test_on_a_phone_a_refusal_is_in_sight(visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}).page
    unfold(page)
    for name in ("digits", "fashion", "optical", "scripts", "pictograms"):
        page.locator(f"#on-{name} input").uncheck()
    expect(page.locator("#no-experts")).to_be_visible()
    expect(page.locator("#live")).to_contain_text("No expert is chosen.")
    page.locator("#go").scroll_into_view_if_needed()
    page.get_by_role("button", name="Merge and evaluate").click()
    expect(page.locator("#notice")).to_contain_text("No expert is chosen.")
    expect(page.locator("#notice .me-notice-box")).to_be_in_viewport()


def test_focus_is_visible(visit) -> None:
    page = visit().page
    number = page.locator("#weight-digits input[type=number]")
    for key, place in (
        ("Shift+Tab", "#on-digits input"), ("Tab", "#weight-digits input[type=range]"),
    ):  # fmt: skip
        number.focus()
        page.keyboard.press(key)
        expect(page.locator(place)).to_be_focused()
        expect(page.locator(place)).to_have_css("outline-style", "solid")


def test_lines_stay_inside_their_axes_when_the_address_changes(visit) -> None:
    page = visit().page
    clips = page.locator("#magnitudes .me-plot [clip-path]")
    expect(clips.first).to_have_attribute("clip-path", re.compile(r"^url\(#clip"))


@pytest.mark.parametrize("width", [1440, 390])
def test_a_link_leads_to_its_section(visit, width: int) -> None:
    page = visit(viewport={"width": width, "height": 900}).page
    page.evaluate("window.notReloaded = true")
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Winners").click()
    heading = page.get_by_role("heading", name="Who won?")
    expect(heading).to_be_in_viewport()
    page.wait_for_function(
        "document.querySelector('.me-jump [aria-current]')?.textContent === 'Winners'"
    )
    assert page.url.endswith("#section-winners")
    assert page.evaluate("window.notReloaded")


def test_on_a_phone_an_arrow_tells_that_the_row_of_sections_goes_on(visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}).page
    row = page.locator(".me-jump")
    expect(row).to_have_class(re.compile("is-more"))
    row.evaluate("row => row.scrollTo(row.scrollWidth, 0)")
    expect(row).not_to_have_class(re.compile("is-more"))


def test_an_address_with_a_section_opens_there(visit) -> None:
    page = visit(query="v=1&method=ties#section-dialects").page
    expect(page.locator("#section-dialects h2")).to_be_in_viewport()


def test_on_a_phone_the_recipe_folds_into_one_line(visit) -> None:
    page = visit(viewport={"width": 390, "height": 844}).page
    line = page.locator("#live .me-fold")
    expect(line).to_contain_text("Task arithmetic · λ 1 · 5 experts")
    expect(line).to_have_attribute("aria-expanded", "false")
    expect(page.locator("#verdict")).to_be_in_viewport()
    expect(page.locator("#set")).to_be_hidden()
    expect(page.locator("#go")).to_be_in_viewport()
    page.evaluate("scrollTo(0, 1500)")
    line.click()
    expect(line).to_have_attribute("aria-expanded", "true")
    expect(page.locator("#set")).to_be_in_viewport()
    line.click()
    expect(page.locator("#set")).to_be_hidden()


def test_without_experts_a_button_brings_two_back(visit) -> None:
    page = visit().page
    for name in ("digits", "fashion", "optical", "scripts", "pictograms"):
        page.locator(f"#on-{name} input").uncheck()
    expect(page.locator("#no-experts")).to_contain_text("Pick at least one expert.")
    page.get_by_role("button", name="Use A and B").click()
    expect(page.locator("#on-digits input")).to_be_checked()
    expect(page.locator("#on-fashion input")).to_be_checked()
    expect(page.locator("#no-experts")).to_be_hidden()
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()


def test_a_link_can_leave_parts_out(visit) -> None:
    page = visit(query="v=1&method=dare&hide=set,seed,runs,conflict").page
    for left_out in ("#set", ".me-seed", "#section-runs", "#section-conflict"):
        expect(page.locator(left_out)).to_be_hidden()
    expect(page.locator(".me-jump a:visible")).to_have_text(
        ["Skills", "Sizes", "Agreement", "Winners", "Dialects", "What if", "Parts", "Map"]
    )
    expect(page.locator("#dare-scale")).to_be_visible()


def test_no_room_is_kept_for_a_cell_that_is_not_open(visit) -> None:
    page = visit().page
    expect(page.locator("#opened")).to_be_hidden()
    expect(page.locator(".me-invite p")).to_contain_text("Open a cell")
    page.locator("#heatmap canvas").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#opened")).to_be_visible()
    expect(page.locator(".me-invite p")).to_be_hidden()
