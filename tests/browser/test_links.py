"""Links: a damaged one, a teacher's, and one that brings a whole view back."""

import re

from playwright.sync_api import expect

from tests.browser.conftest import slide, stamp

DAMAGED = (
    "v=7&method=ties&density=1.4&scale=abc&densty=0.3&experts=digits,nobody,fashion:0.5"
    "&side=left&hide=runs,moon&pin.method=tise&seed=-1&cell=L0+q&nonsense=<img src=x>"
)
PROBLEMS = (
    "v=7: this page knows links of version 1.",
    "density=1.4: ",
    "scale=abc: it must be a number.",
    "densty=0.3: unknown; did you mean density?",
    "experts=nobody: the set has no such expert.",
    "side=left: it must be one of current, pinned, difference.",
    "hide=moon: it can be",
    "pin.method=tise: Unknown method 'tise'. Did you mean 'ties'?",
    "seed=-1: it must be a whole number.",
    "nonsense=<img src=x>: unknown.",
)


def test_a_damaged_link_is_told_in_one_notice_and_the_page_works(visit) -> None:
    page = visit(query=DAMAGED).page
    notice = page.locator("#notice .me-notice-text")
    for problem in PROBLEMS:
        expect(notice).to_contain_text(problem)
    expect(page.locator(".me-notice-box:visible")).to_have_count(1)
    expect(page.locator("#panel-ties")).to_be_visible()
    expect(page.locator("#ties-density input[type=number]")).to_have_value("0.2")
    expect(page.locator("#weight-fashion input[type=number]")).to_have_value("0.5")
    expect(page.locator("#on-optical input")).not_to_be_checked()
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    expect(page.locator("#section-runs")).to_be_hidden()
    page.get_by_role("button", name="Dismiss").click()
    expect(notice).to_be_hidden()
    before = stamp(page)
    page.locator("#ties-density input[type=range]").fill("0.5")
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)
    expect(page.locator("#formula")).to_contain_text("d = 0.5")
    expect(page).to_have_url(re.compile(r"density=0\.5"))
    assert "nonsense" not in page.url and "densty" not in page.url


HIDDEN = {
    "set": "#set",
    "experts": ".me-expert",
    "method": "#method",
    "settings": "#panel",
    "seed": "#new-draw",
    "files": "#save-recipe",
    **{
        name: f"#section-{name}"
        for name in ("sizes", "agreement", "winners", "dialects", "whatif", "map", "runs")
    },
}  # fmt: skip


def test_a_teachers_link_leaves_parts_out(visit) -> None:
    shown = visit(query="method=dare").page
    for selector in HIDDEN.values():
        expect(shown.locator(selector).first).to_be_visible()
    page = visit(query=f"method=dare&hide={','.join(HIDDEN)}").page
    for selector in HIDDEN.values():
        expect(page.locator(selector).first).to_be_hidden()
    expect(page.locator("#section-scores")).to_be_visible()
    expect(page.locator("#section-conflict")).to_be_visible()
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()
    expect(page.locator("#go")).to_be_visible()
    assert page.url.endswith("hide=" + ",".join(sorted(HIDDEN)))


def test_a_link_brings_the_whole_view_to_another_browser(visit) -> None:
    """What one visitor looks at, the next one sees through the link: also from an empty one."""
    query = (
        "v=1&method=ties&experts=digits:0.5,fashion,optical&density=0.35&scale=0.8"
        "&pin.scale=0.3&part=disjoint&side=difference&cell=L1+up&units=accuracy&kind=down"
    )
    page = visit(query=query).page
    expect(page.locator("#formula")).to_contain_text("d = 0.35")
    expect(page.locator("#weight-digits input[type=number]")).to_have_value("0.5")
    expect(page.locator("#on-scripts input")).not_to_be_checked()
    expect(page.get_by_role("radio", name="Only one survives")).to_be_checked()
    expect(page.get_by_role("radio", name="Difference")).to_be_checked()
    expect(page.get_by_role("radio", name="Accuracy")).to_be_checked()
    expect(page.get_by_role("radio", name="MLP out")).to_be_checked()
    expect(page.locator("#twelve caption")).to_contain_text("L1 up")
    expect(page.locator(".me-pinned")).to_contain_text("Task arithmetic · λ 0.3")
    expect(page).to_have_url(re.compile("kind=down"))
    other = visit(query=page.url.partition("?")[2]).page
    expect(other.locator("#heatmap canvas")).to_have_attribute("data-stamp", stamp(page))
    expect(other.locator("#notice .me-notice-box")).to_be_hidden()
    expect(other).to_have_url(page.url)


def test_going_back_keeps_the_settings(visit) -> None:
    page = visit(query="method=ties").page
    page.get_by_role("navigation", name="Sections").get_by_role("link", name="Winners").click()
    expect(page).to_have_url(re.compile("#section-winners$"))
    slide(page, "#ties-density", 0.45)
    expect(page).to_have_url(re.compile(r"density=0\.45#section-winners$"))
    page.go_back()
    expect(page).to_have_url(re.compile(r"density=0\.45$"))
    assert page.locator("#ties-density input[type=number]").input_value() == "0.45"


def test_the_last_of_two_cells_opened_at_once_stays_open(visit) -> None:
    page = visit(query="v=1&method=ties").page
    page.locator("#heatmap canvas").focus()
    for key in ("ArrowUp", "ArrowRight", "Enter", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(page).to_have_url(re.compile(r"cell=L0\+k"))
    expect(page.locator("#twelve caption")).to_contain_text("Weights of L0 k")
    expect(page.locator("#cell .me-caption")).to_contain_text("L0 k")


def test_a_cell_can_be_closed_while_its_bars_still_move(visit) -> None:
    """They settle half a second after the slider; a console error fails the test."""
    page = visit(viewport={"width": 1440, "height": 5600}, query="v=1&method=ties&cell=L1+up").page
    expect(page.locator("#cell .me-plot")).to_have_attribute("data-drawn", "yes")
    page.evaluate(
        """() => {
          const host = document.querySelector('#cell .me-plot');
          const seen = new MutationObserver(() => {
            seen.disconnect();
            const canvas = document.querySelector('#heatmap canvas');
            canvas.dispatchEvent(new KeyboardEvent('keydown', { key: 'Escape', bubbles: true }));
          });
          seen.observe(host, { attributeFilter: ['data-stamp'] });
          const later = window.setTimeout;
          window.settled = 0;
          window.setTimeout = (work, wait, ...rest) => later(() => {
            if (wait === 500) window.settled += 1;
            work(...rest);
          }, wait);
        }"""
    )
    slide(page, "#ties-density", 0.35)
    expect(page.locator("#opened")).to_be_hidden()
    page.wait_for_function("window.settled >= 2")  # the winners' bars and the cell's
