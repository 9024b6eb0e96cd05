"""For everyone: axe-core in three states and both themes, the keyboard alone, a phone, the dark."""

import re
from typing import Any

from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, choose, slide, unfold

RULES = {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}
COLOURS = {"type": "rule", "values": ["color-contrast", "link-in-text-block"]}
STILL = "document.getAnimations().every((found) => !(found instanceof CSSTransition))"


def violations(page: Page, rules: dict[str, Any] = RULES) -> list[str]:
    """Return what axe-core finds, one line for each element."""
    found: Any = Axe().run(page, options={"runOnly": rules, "resultTypes": ["violations"]})
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


def violations_in_both_themes(page: Page) -> list[str]:
    """Return what axe-core finds, and what of the other theme's colours."""
    found = violations(page)
    page.evaluate("document.body.classList.toggle('dark')")
    page.wait_for_function(STILL)
    found += violations(page, COLOURS)
    page.evaluate("document.body.classList.toggle('dark')")
    page.wait_for_function(STILL)
    return found


def test_axe_finds_nothing_in_three_states(visit, site: Site) -> None:
    page = visit().page
    assert violations_in_both_themes(page) == []
    choose(page, "TIES", "ties")
    page.locator("#heatmap canvas").focus()
    open_by_keys(page)
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    expect(page.locator("#heatmap .me-heat-sides")).to_be_visible()
    assert violations_in_both_themes(page) == []
    site.services.gate.clear()
    slide(page, "#ties-density", 0.31)
    page.locator("#go").click()
    expect(page.locator("#job")).to_contain_text("Held by the test")
    page.locator("#weight-digits input[type=number]").fill("99")
    expect(page.locator("#weight-digits .me-typed")).to_contain_text("99 does not count")
    assert violations_in_both_themes(page) == []


def open_by_keys(page: Page) -> None:
    """Open a cell by the keyboard."""
    for key in ("ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)


FOCUS = """() => {
  const node = document.activeElement;
  const shown = node.matches('input[type=radio]') ? node.closest('label') : node;
  const box = shown.getBoundingClientRect();
  return {
    name: node.getAttribute('aria-label') ?? node.textContent.trim() ?? '',
    id: node.closest('[id]')?.id ?? '',
    outlined: getComputedStyle(shown).outlineStyle === 'solid',
    inSight: box.width > 0 && box.bottom > 0 && box.top < innerHeight,
  };
}"""


def tab_to(page: Page, wanted: str, most: int = 60) -> None:
    """Press Tab until something is focused; every stop on the way has to be seen."""
    for _ in range(most):
        page.keyboard.press("Tab")
        here = page.evaluate(FOCUS)
        assert here["outlined"] and here["inSight"], here
        if page.evaluate("(wanted) => document.activeElement.matches(wanted)", wanted):
            return
    raise AssertionError(f"{wanted} is not reached by {most} tabs; last: {here}")


def test_by_keyboard_from_the_first_tab_to_a_merged_and_pinned_run(visit) -> None:
    page = visit(viewport={"width": 1440, "height": 900}).page
    tab_to(page, ".me-header a")
    tab_to(page, "#on-digits input")
    page.keyboard.press("Space")
    expect(page.locator("#on-digits input")).not_to_be_checked()
    tab_to(page, "#method input[type=radio]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-ties")).to_be_visible()
    expect(page.get_by_label("TIES", exact=True)).to_be_focused()
    tab_to(page, "#ties-density input[type=range]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#formula")).to_contain_text("d = 0.21")
    tab_to(page, "#go")
    page.keyboard.press("Enter")
    expect(page.locator("#runs tr[data-key]")).to_have_count(2, timeout=30_000)
    expect(page.locator("#verdict")).to_contain_text("TIES of four experts")
    expect(page.locator("#go")).to_be_focused()  # it was off while the merge ran
    tab_to(page, "#heatmap input[type=radio]")
    tab_to(page, "#heatmap canvas")
    open_by_keys(page)
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    tab_to(page, "#runs button[data-action=pin]", most=90)
    page.keyboard.press("Enter")
    expect(page.locator(".me-pinned")).to_have_text("These settings are pinned.")
    expect(page.locator("#runs tr.is-pinned")).to_contain_text("Run 2")
    expect(page.get_by_role("button", name="Unpin Run 2")).to_be_focused()


def test_single_letters_pin_and_swap_unless_switched_off(visit) -> None:
    page = visit().page
    slide(page, "#task_arithmetic-scale", 0.4)
    page.locator("#heatmap canvas").focus()
    page.keyboard.press("s")
    expect(page.locator("#task_arithmetic-scale input[type=number]")).to_have_value("1")
    page.keyboard.press("p")
    expect(page.locator(".me-pinned")).to_have_text("These settings are pinned.")
    page.get_by_text("Keys", exact=True).click()
    page.get_by_label("Single letters are shortcuts").uncheck()
    page.locator("#heatmap canvas").focus()
    page.keyboard.press("p")
    page.keyboard.press("Control+z")
    expect(page.locator("#task_arithmetic-scale input[type=number]")).to_have_value("0.4")
    expect(page.locator(".me-pinned")).to_contain_text("Pinned: Task arithmetic · λ 1")


SMALL = """() => [...document.querySelectorAll('button, summary, input, canvas, a, [role=button]')]
  .filter((node) => node.checkVisibility({ visibilityProperty: true })
    && node.type !== 'file' && !node.closest('p'))
  .map((node) => (node.matches('[type=radio], [type=checkbox]') && node.closest('label') || node))
  .map((node) => [node, node.getBoundingClientRect()])
  .filter(([, box]) => box.width > 1 && box.height > 0 && box.height < 43.5)
  .map(([node, box]) => `${node.closest('[id]')?.id} ${node.tagName} ${node.className} `
    + `${node.textContent.trim().slice(0, 20)} ${box.height}`)"""


def test_on_a_phone_everything_fits_and_can_be_touched(visit) -> None:
    page = visit(
        viewport={"width": 390, "height": 844}, has_touch=True, query="method=ties&cell=L0+q"
    ).page
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    unfold(page)
    page.locator("#panel summary").click()
    plots = page.locator(".me-plot:visible")
    for plot in plots.all():
        expect(plot).to_have_attribute("data-drawn", "yes")
        box = plot.bounding_box()
        assert box is not None and 200 < box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SMALL) == []
    box = page.locator("#heatmap canvas").bounding_box()
    assert box is not None and box["width"] > 300
    page.locator("#heatmap canvas").tap(position={"x": box["width"] / 2, "y": box["height"] / 2})
    expect(page).not_to_have_url(re.compile(r"cell=L0\+q"))
    expect(page).to_have_url(re.compile("cell="))
    expect(page.locator("#twelve tbody tr")).to_have_count(12)


def test_in_the_dark_every_chart_has_dark_colours(visit) -> None:
    page = visit(color_scheme="dark", query="method=ties&cell=L0+q").page
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    expect(page.locator("body")).to_have_class(re.compile("dark"))
    for plot in page.locator(".me-plot:visible").all():
        expect(plot).to_have_attribute("data-drawn", "yes")
        colours = plot.evaluate("(host) => [host.layout.font.color, host.layout.paper_bgcolor]")
        assert colours[0] == "#e7ebf0"
        assert colours[1].replace(" ", "") == "rgba(0,0,0,0)"
    corner = page.evaluate(
        "getComputedStyle(document.querySelector('.me-results')).backgroundColor"
    )
    assert corner == "rgb(26, 31, 38)"
