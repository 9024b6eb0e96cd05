"""The page as people use it: the first visit, fail and cure, pin and compare, a cell, undo."""

import re

import pytest
from playwright.sync_api import APIResponse, Page, Route, expect

from merging.evaluation import normalised
from merging.evaluation.record import RunRecord
from merging.recipe import Recipe
from merging.sets import references
from tests.browser.conftest import Site, choose, rest, slide, stamp

SCALE = "#task_arithmetic-scale"
SECTIONS = (
    "scores", "conflict", "sizes", "agreement", "winners", "dialects", "whatif", "parts", "runs",
)  # fmt: skip
PLOTS = ("scores", "magnitudes", "relative", "who-agrees", "ranks", "overlap", "who-won")


def kept(record: RunRecord) -> str:
    """Return the mean share that a run keeps, as the page says it."""
    mean = normalised(record.correct, references(record.recipe.set or "").own)[1]
    return f"{100 * mean.value:.0f} %"


def shipped(site: Site, scale: float) -> RunRecord:
    """Return the first experiment's run at another strength."""
    recipe: Recipe = site.services.first().recipe.patched(params={"scale": scale})
    return site.services.shipped[recipe.key()]


def said(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text().replace("\xa0", " ")


def trace_names(page: Page) -> list[str]:
    return page.evaluate(
        "document.querySelector('#scores .me-plot').data.map(({ name }) => name ?? '')"
    )


def expect_trace(page: Page, name: str, there: bool = True) -> None:
    """Wait until the dot plot has marks of that name, or has none."""
    page.wait_for_function(
        """([name, there]) => there === document.querySelector('#scores .me-plot').data
          .some((trace) => trace.name === name)""",
        arg=[name, there],
    )


def test_first_visit_finds_a_finished_experiment(visit, site: Site) -> None:
    page = visit().page
    first = site.services.first()
    expect(page).to_have_title("Merge explorer")
    assert f"keeps {kept(first)} of what its experts can do" in said(page, "#verdict")
    for name in PLOTS:
        expect(page.locator(f"#{name} .me-plot")).to_have_attribute("data-drawn", "yes")
        assert len(said(page, f"#{name} .me-caption")) > 20
    expect(page.locator("#dialects tbody tr")).not_to_have_count(0)
    expect(page.locator("#runs tbody tr")).to_have_count(1)
    expect(page.locator("#runs tbody th")).to_contain_text("Run 1")
    for name in SECTIONS:
        section = page.locator(f"#section-{name}")
        expect(section.get_by_role("heading").first).to_be_visible()
        assert not re.search(r"\b(undefined|NaN|null|None|nan)\b", section.inner_text())
    expect(page.locator("#go")).to_be_enabled()
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()
    expect(page.locator("#opened .me-figure").first).to_be_hidden()
    assert page.locator("#job").inner_text().strip() == ""
    assert page.url.endswith("?v=1")


def test_fail_and_cure(visit, site: Site) -> None:
    """λ of 1 ruins the merge; dragged down, the scores of shipped runs follow at once."""
    page = visit().page
    ruin, cure = shipped(site, 1), shipped(site, 0.3)
    assert f"keeps {kept(ruin)}" in said(page, "#verdict")
    slider = page.locator(f"{SCALE} input[type=range]")
    slider.scroll_into_view_if_needed()
    box = slider.bounding_box()
    assert box is not None
    middle = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, middle)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.2, middle, steps=6)
    page.mouse.up()
    slide(page, SCALE, 0.3)
    expect(page.locator("#verdict")).to_contain_text(re.compile(r"at λ = 0\.3 "))
    assert f"keeps {kept(cure)}" in said(page, "#verdict")
    gap = float(kept(cure)[:-2]) - float(kept(ruin)[:-2])
    found = re.search(r"Against Run 1: \+([\d.]+) points", said(page, "#verdict"))
    assert found and abs(float(found[1]) - gap) <= 1
    expect(page.locator("#verdict .me-stale")).to_have_count(0)
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", cure.key)
    expect_trace(page, "pinned: Run 1")


def test_pin_compare_swap_and_unpin(visit, site: Site) -> None:
    page = visit().page
    sides = page.locator("#heatmap .me-heat-sides")
    expect(sides).to_be_hidden()
    expect(page.locator(".me-pinned")).to_have_text("These settings are pinned.")
    slide(page, SCALE, 0.3)
    expect_trace(page, "pinned: Run 1")
    expect(page.locator(".me-pinned")).to_contain_text("Pinned: Task arithmetic · λ 1")
    expect(sides).to_be_visible()
    page.get_by_role("radio", name="Difference").check()
    expect(page).to_have_url(re.compile("side=difference"))
    page.get_by_role("radio", name="Pinned", exact=True).check()
    expect(page).to_have_url(re.compile("side=pinned"))
    page.get_by_role("button", name="Swap with pinned").click()
    expect(page.locator(f"{SCALE} input[type=number]")).to_have_value("1")
    expect(page.locator(".me-pinned")).to_contain_text("Pinned: Task arithmetic · λ 0.3")
    expect(page).to_have_url(re.compile(r"pin\.scale=0\.3"))
    cured = kept(shipped(site, 0.3))
    expect(page.locator("#verdict")).to_contain_text("Against your pinned settings: −")
    expect_trace(page, "pinned: your pinned settings")
    assert cured not in said(page, "#verdict")
    page.get_by_role("button", name="Pin this").click()
    page.get_by_role("button", name="Unpin", exact=True).click()
    expect(page.locator(".me-pinned")).to_have_text("Nothing is pinned.")
    expect(sides).to_be_hidden()
    page.wait_for_function(
        """() => !document.querySelector('#scores .me-plot').data
          .some(({ name }) => name?.startsWith('pinned'))"""
    )
    expect(page).to_have_url(re.compile("pin=none"))
    expect(page.get_by_role("button", name="Swap with pinned")).to_be_disabled()


def merged_changes(page: Page) -> list[float]:
    """Return the last column of the twelve weights."""
    cells = page.locator("#twelve tbody tr td:last-child .me-change > :last-child")
    return [float(text.replace("−", "-")) for text in cells.all_inner_texts()]


def test_a_cell_is_opened_and_its_twelve_weights_follow_the_slider(visit) -> None:
    page = visit().page
    rows = page.locator("#twelve tbody tr")
    canvas = page.locator("#heatmap canvas")
    canvas.focus()
    for key in ("ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)
    expect(rows).to_have_count(12)
    expect(page).to_have_url(re.compile(r"cell=L0\+q"))
    expect(page.locator("#cell .me-plot")).to_have_attribute("data-drawn", "yes")
    expect(page.locator("#curves .me-plot")).to_have_attribute("data-drawn", "yes")
    before = merged_changes(page)
    slide(page, SCALE, 0.5)
    expect(page.locator("#twelve .me-weights")).to_have_attribute("data-stamp", stamp(page))
    halved = merged_changes(page)
    assert halved == pytest.approx([value / 2 for value in before], rel=0.02, abs=1e-5)
    canvas.focus()
    page.keyboard.press("Escape")
    expect(page.locator("#twelve .me-weights")).to_be_hidden()
    expect(page.locator("#cell .me-figure")).to_be_hidden()
    expect(page).not_to_have_url(re.compile("cell="))
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(rows).to_have_count(12)
    expect(page).to_have_url(re.compile(r"cell=L\d\+\w+"))


def test_undo_and_redo(visit, monkeypatch) -> None:
    """A drag is one step, by the buttons and by the keys."""
    monkeypatch.setattr("ui.state.DRAG", 60.0)
    page = visit().page
    undo, redo = (page.get_by_role("button", name=name, exact=True) for name in ("Undo", "Redo"))
    number = page.locator(f"{SCALE} input[type=number]")
    expect(undo).to_be_disabled()
    start = stamp(page)
    for value in (0.9, 0.7, 0.4):
        slide(page, SCALE, value)
    expect(page).to_have_url(re.compile(r"scale=0\.4$"))
    rest(page)
    dragged = stamp(page)
    slide(page, "#weight-digits", 0.5)
    expect(page).to_have_url(re.compile(r"digits:0\.5"))
    rest(page)
    choose(page, "TIES", "ties")
    undo.click()
    expect(page.locator("#panel-task_arithmetic")).to_be_visible()
    undo.click()
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", dragged)
    expect(page.locator("#weight-digits input[type=number]")).to_have_value("1")
    page.locator("#heatmap canvas").focus()
    page.keyboard.press("Control+z")
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", start)
    expect(number).to_have_value("1")
    expect(undo).to_be_disabled()
    page.keyboard.press("Control+Shift+Z")
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", dragged)
    expect(number).to_have_value("0.4")
    redo.click()
    expect(page.locator("#weight-digits input[type=number]")).to_have_value("0.5")
    redo.click()
    expect(page.locator("#panel-ties")).to_be_visible()
    expect(redo).to_be_disabled()
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", start)
    undo.click()
    expect(page.locator("#panel-ties")).to_be_visible()


def test_an_answer_that_comes_too_late_is_drawn_over(visit) -> None:
    """The rest of a drag is answered after what was chosen next: the page asks once more."""
    page = visit().page
    late: list[tuple[Route, APIResponse]] = []

    def hold(route: Route) -> None:
        if '"settled"' in (route.request.post_data or "") and not late:
            late.append((route, route.fetch()))
        else:
            route.continue_()

    page.route("**/run/predict*", hold)
    with page.expect_request(lambda request: '"settled"' in (request.post_data or "")):
        slide(page, SCALE, 0.3)
    page.get_by_role("radio", name="Difference").check()
    expect(page).to_have_url(re.compile("side=difference"))
    for _ in range(1000):
        if late:
            break
        page.evaluate("new Promise(requestAnimationFrame)")  # the held answer comes meanwhile
    with page.expect_request(lambda request: '"again"' in (request.post_data or "")):
        late[0][0].fulfill(response=late[0][1])
    expect(page).to_have_url(re.compile("scale=0.3&side=difference"))
    expect(page.get_by_role("radio", name="Difference")).to_be_checked()
