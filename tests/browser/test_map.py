"""The map of weight space: drawn by keyboard, stopped, found again, on a phone."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from merging.search.plane import Frame, Plane
from tests.browser.conftest import Site, ready
from tests.browser.test_access import SMALL, violations_in_both_themes
from tests.held_ground import HeldGround
from ui.maps import Maps
from ui.studies import Studies

PLACE = """([column, row]) => {
  const plot = document.querySelector('#landscape .me-plot');
  const { x, y } = plot.data.find(({ name }) => name === 'places');
  const { xaxis, yaxis } = plot._fullLayout;
  const box = plot.getBoundingClientRect();
  return {
    x: x[column], y: y[row],
    left: box.left + xaxis._offset + xaxis.d2p(x[column]),
    top: box.top + yaxis._offset + yaxis.d2p(y[row]),
  };
}"""
BAR, SAID = "#map .me-study", "#map .me-whatif-said"


@pytest.fixture
def ground(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldGround]:
    services = site.services
    held = HeldGround("gentle")
    studies = Studies(services.jobs, services.answers, services.measure)
    monkeypatch.setattr(services, "studies", studies)
    monkeypatch.setattr(services, "maps", Maps(studies, services.intermediates, lambda name: held))
    yield held
    held.gate.set()


def ends(page: Page, name: str = "map", state: str = "done") -> None:
    bar = page.locator(f"#{name} .me-study")
    expect(bar).to_have_attribute("data-state", state, timeout=60_000)


def ground_frame(ground: HeldGround) -> Frame:
    base, first, second = (ground.weights(name) for name in ("base", "digits", "fashion"))
    return Plane.through(base, first, second, ("digits", "fashion")).frame


def places(page: Page, count: int) -> None:
    """Wait until the chart has so many measured places."""
    page.wait_for_function(
        """(count) => document.querySelector('#landscape .me-plot').data
          ?.find(({ name }) => name === 'places')?.z.flat().filter((v) => v !== null)
          .length === count""",
        arg=count,
        timeout=60_000,
    )


def test_a_map_is_drawn_and_stopped_by_keyboard(visit, ground: HeldGround) -> None:
    page = visit().page
    ground.free = 14
    expect(page.locator("#landscape .me-figure")).to_be_hidden()
    page.get_by_label("and to").select_option("scripts")
    expect(page).to_have_url(re.compile(r"plane=digits,scripts"))
    page.get_by_label("and to").select_option("fashion")
    expect(page.get_by_label("From the base to")).to_have_value("digits")
    button = page.locator("#map .me-try")
    button.focus()
    page.keyboard.press("Enter")
    expect(button).to_have_text("Stop")
    places(page, 9)
    expect(page.locator("#landscape .me-caption")).to_contain_text("not measured yet")
    expect(button).to_be_focused()
    page.keyboard.press("Enter")
    ends(page)
    expect(page.locator(SAID)).to_contain_text("Stopped: 9 of 441 places were judged and are kept.")
    ground.gate.set()
    page.keyboard.press("Enter")
    places(page, 441)
    ends(page)
    expect(page.locator(SAID)).to_contain_text("at 0.50 × A Digits + 0.50 × B Clothing")
    expect(page.locator("#map .me-job-said")).to_contain_text("Highest on this plane")


def test_a_click_on_the_map_takes_the_weights_of_that_place(visit, ground: HeldGround) -> None:
    page = visit().page
    page.locator("#map .me-try").click()
    places(page, 441)
    ends(page)
    page.locator("#landscape").scroll_into_view_if_needed()
    expect(page.locator("#landscape .me-plot .nsewdrag")).to_be_visible()
    at = page.evaluate(PLACE, [12, 7])
    page.mouse.move(at["left"], at["top"])
    page.mouse.click(at["left"], at["top"])
    expect(page.locator("#verdict .me-stale")).to_have_count(1)
    frame = ground_frame(ground)
    wanted = [round(w, 3) for w in frame.shares(at["x"], at["y"])]
    for expert, weight in zip(("digits", "fashion"), wanted, strict=True):
        expect(page.locator(f"#weight-{expert} input[type=number]")).to_have_value(f"{weight:g}")
    expect(page.locator("#on-optical input")).not_to_be_checked()
    expect(page.locator("#landscape .me-caption")).not_to_contain_text("Drawn pale")


def test_a_path_and_a_hull_by_keyboard(visit, ground: HeldGround) -> None:
    page = visit().page
    page.locator("#path select").nth(1).select_option("stranger/stranger")
    expect(page).to_have_url(re.compile(r"ends=digits,stranger"))
    page.get_by_role("button", name="Walk the path").focus()
    page.keyboard.press("Enter")
    ends(page, "path")
    expect(page.locator("#path .me-whatif-said")).to_contain_text(
        "between A Digits and Stranger: Stranger"
    )
    expect(page.locator("#straight .me-plot")).to_have_attribute("data-drawn", "yes")
    page.get_by_role("button", name="Draw models inside").focus()
    page.keyboard.press("Enter")
    ends(page, "hull")
    expect(page.locator("#hull .me-whatif-said")).to_contain_text("24 models drawn inside: ")
    expect(page.locator("#region .me-plot")).to_contain_text("centroid")
    expect(page.locator("#clusters .me-caption")).to_contain_text("Most alike: ")


def test_one_expert_spans_no_hull_and_the_page_says_so_aloud(visit, ground: HeldGround) -> None:
    page = visit(query="?v=1&experts=digits,fashion").page
    go = page.get_by_role("button", name="Draw models inside")
    expect(go).to_be_enabled()
    page.locator("#on-fashion input").uncheck()
    expect(go).to_be_disabled()
    expect(go).to_have_accessible_description("One expert spans no region. Switch another one on.")
    expect(page.locator("#hull .me-job-said[aria-live]")).to_have_text(
        "One expert spans no region. Switch another one on."
    )
    page.locator("#on-fashion input").check()
    expect(go).to_be_enabled()


def test_a_reload_in_the_middle_finds_it_again(visit, ground: HeldGround) -> None:
    """On a phone, where everything fits, can be touched and is read out."""
    page = visit(viewport={"width": 390, "height": 844}).page
    ground.free = 14
    page.locator("#map .me-try").click()
    places(page, 9)
    page.reload()
    ready(page)
    ends(page, state="running")
    places(page, 9)
    expect(page.get_by_role("progressbar", name="Drawing the map")).to_be_visible()
    ground.gate.set()
    places(page, 441)
    ends(page)
    assert violations_in_both_themes(page) == []
    mine = ("map", "landscape", "path", "straight", "hull", "region", "clusters")
    assert [found for found in page.evaluate(SMALL) if found.startswith(mine)] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
