"""Our components on a page of their own: marks that follow a slider, tables, saved numbers."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from playwright.sync_api import Browser, Page, expect

from merging.analysis import Figure
from merging.checkpoints import Bucket
from merging.sketch.answers import OpenedCell, TracedWeight
from tests.browser.conftest import rest
from ui.app import launch_options
from ui.charts.cell import cell_figure, twelve_table
from ui.charts.parts import moving, words_only
from ui.charts.tables import plain_table
from ui.components.plot_host import PlotHost
from ui.components.table import PlainTable
from ui.components.weights import TwelveWeights
from ui.views.cell import CellView, cell_view

TRACED = TracedWeight(
    "layers.3.up.weight", (4, 17), -0.05, (0.004, -0.008), (True, False), (0.004, 0.0), 1,
    (True, False), 0.002,
)  # fmt: skip
MARKS = """() => {
  const { data, layout } = document.querySelector('#bar .me-plot');
  return [data.map((t) => t.x[0]), layout.shapes.map((s) => s.label.text),
          data[2].marker.pattern.shape];
}"""


def opened(*five: float) -> CellView:
    parts = tuple(Figure(v, v, v, True, 1000) for v in five)
    cell = OpenedCell(Bucket("L3", "up"), (), ("a", "b"), parts, (), (TRACED,))
    return cell_view(cell, {"a": "First", "b": "Second"}, ("a", "b"))


BEFORE, AFTER = opened(0.3, 0.2, 0.16, 0.15, 0.19), opened(0.1, 0.1, 0.3, 0.1, 0.4)
SENT: dict[str, Any] = {
    "drag": moving(cell_figure(AFTER)),
    "other": moving(cell_figure(BEFORE)) | {"revision": 5},
    "empty": words_only("Nobody is here.", "none"),
    "back": cell_figure(BEFORE),
}


def build() -> gr.Blocks:
    table = plain_table("Numbers", "One differs.", ["Name", "Value"], [["a", "−1.5"]], "plain")
    with gr.Blocks() as demo:
        bar = PlotHost(cell_figure(BEFORE), elem_id="bar")
        TwelveWeights(twelve_table(BEFORE), elem_id="twelve")
        PlainTable(table, elem_id="plain")
        for name, value in SENT.items():
            gr.Button(name).click(lambda value=value: value, outputs=bar, queue=False)
    return demo


@dataclass
class Shown:
    """The page and its console errors."""

    page: Page
    errors: list[str]


@pytest.fixture(autouse=True)
def open_gate() -> None:
    """No merges here."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    demo = build()
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield url
    demo.close()


@pytest.fixture
def shown(browser: Browser, address: str) -> Iterator[Shown]:
    page = browser.new_context(viewport={"width": 900, "height": 1200}).new_page()
    errors: list[str] = []
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#bar .me-plot[data-drawn=yes]")
    yield Shown(page, errors)
    assert errors == []
    page.context.close()


def marks_of(view: CellView) -> list[Any]:
    figure = cell_figure(view)
    notes = [line["label"]["text"] for line in figure["patch"]["shapes"]]
    return [[t["x"][0] for t in figure["data"]], notes, "/"]


def press(page: Page, name: str, caption: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator("#bar .me-caption")).to_have_text(caption)


def drag(page: Page) -> None:
    """Move the slider and wait until the marks have followed."""
    press(page, "drag", AFTER.sentence)
    settle(page, AFTER)


def settle(page: Page, view: CellView) -> None:
    """Wait until plotly has heard of where the marks of a view are."""
    wanted = f"(wanted) => JSON.stringify(({MARKS})()[0]) === JSON.stringify(wanted)"
    page.wait_for_function(wanted, arg=marks_of(view)[0])


def test_a_drag_moves_marks_without_drawing_the_figure_again(shown: Shown) -> None:
    page = shown.page
    assert page.evaluate(MARKS) == marks_of(BEFORE)
    page.evaluate("() => { Plotly.react = () => { throw new Error('drawn again'); }; }")
    drag(page)
    assert page.evaluate(MARKS) == marks_of(AFTER)


def test_moved_marks_stay_when_the_theme_changes(shown: Shown) -> None:
    page = shown.page
    drag(page)
    colour = "document.querySelector('#bar .me-plot').data[0].marker.color"
    assert page.evaluate(colour) == "#2166ac"
    page.evaluate("document.body.classList.add('dark')")
    page.wait_for_function(f"{colour} === '#7fb2e5'")
    assert page.evaluate(MARKS) == marks_of(AFTER)


def test_marks_of_another_figure_are_left_alone(shown: Shown) -> None:
    page = shown.page
    drag(page)
    press(page, "other", AFTER.sentence)
    press(page, "back", BEFORE.sentence)
    settle(page, BEFORE)
    assert page.evaluate(MARKS) == marks_of(BEFORE)


def test_without_a_layout_there_is_only_the_sentence(shown: Shown) -> None:
    page = shown.page
    press(page, "empty", "Nobody is here.")
    expect(page.locator("#bar .me-plot")).to_be_hidden()
    expect(page.locator("#bar .me-tools")).to_be_hidden()
    press(page, "back", BEFORE.sentence)
    expect(page.locator("#bar .me-plot")).to_be_visible()
    assert page.evaluate(MARKS) == marks_of(BEFORE)


def test_numbers_are_saved_as_a_file_that_programs_read(shown: Shown) -> None:
    with shown.page.expect_download() as saved:
        shown.page.locator("#plain").get_by_role("button", name="Save CSV").click()
    assert saved.value.suggested_filename == "plain.csv"
    text = Path(saved.value.path()).read_text("utf-8")
    assert text.splitlines() == ['"Name","Value"', '"a","-1.5"']


def test_the_twelve_weights_are_a_table_with_names_for_all_it_draws(shown: Shown) -> None:
    region = shown.page.get_by_role("region", name="Weights of L3 up on their way")
    table = region.get_by_role("table", name="Weights of L3 up on their way")
    expect(table.get_by_role("rowheader")).to_have_text("up.weight[4, 17]")
    assert table.get_by_role("columnheader").all_inner_texts()[-5:] == [
        "A First", "B Second", "sign", "who agrees", "change",
    ]  # fmt: skip
    cells = table.get_by_role("cell")
    expect(cells.nth(1).get_by_role("img", name="up")).to_be_visible()
    expect(cells.nth(2)).to_have_text("−0.00800 dropped")
    expect(cells.nth(2).locator("s")).to_have_text("−0.00800")
    expect(cells.nth(3)).to_have_text("+plus")
    expect(cells.nth(4)).to_have_text("A")
    heights = region.locator(".me-arrow").evaluate_all(
        "found => found.map((svg) => svg.lastChild.getBBox().height)"
    )
    assert heights[1] > heights[0] > heights[2]


def test_wide_tables_scroll_inside_their_own_region(shown: Shown) -> None:
    page = shown.page
    page.set_viewport_size({"width": 390, "height": 900})
    region = page.locator("#twelve .me-scroll")
    page.wait_for_function("document.documentElement.scrollWidth <= 390")
    assert region.evaluate("node => node.scrollWidth > node.clientWidth")
    region.focus()
    expect(region).to_be_focused()


# Moves the density and tells what the winners' chart shows at once and what plotly has heard.
DRAGGED = """(value) => new Promise((resolve) => {
  const host = document.querySelector('#who-won .me-plot');
  const drawn = () => [
    ...[...host.querySelectorAll('.barlayer path')].map((path) => path.getAttribute('d')),
    ...[...host.querySelectorAll('.bartext')].map((text) => text.getAttribute('transform')),
    ...[...host.querySelectorAll('.scatterlayer .point')].map((p) => p.getAttribute('transform')),
    host.querySelector('.js-line').getAttribute('d'),
  ].map((text) => text.match(/-?[0-9.]+/g).map(Number));
  window.drawnBars = drawn;
  const seen = new MutationObserver(() => {
    seen.disconnect();
    resolve({ first: host.data[0].x, marks: drawn() });
  });
  seen.observe(host, { attributeFilter: ['data-stamp'] });
  const slider = document.querySelector('#ties-density input[type=range]');
  slider.value = value;
  slider.dispatchEvent(new Event('input', { bubbles: true }));
})"""


def test_winners_move_where_plotly_will_draw_them(visit) -> None:
    page = visit(viewport={"width": 1440, "height": 5600}, query="method=ties").page
    page.wait_for_selector("#who-won .barlayer path")
    still = page.evaluate(DRAGGED, "0.3")
    page.wait_for_function(
        "(x) => document.querySelector('#who-won .me-plot').data[0].x.join() !== x.join()",
        arg=still["first"],
    )
    rest(page)
    dragged = page.evaluate(DRAGGED, "0.45")
    page.wait_for_function(
        "(x) => document.querySelector('#who-won .me-plot').data[0].x.join() !== x.join()",
        arg=dragged["first"],
    )
    rest(page)
    settled = page.evaluate("window.drawnBars()")
    assert len(dragged["marks"]) == len(settled) > 60
    for moved, laid_out in zip(dragged["marks"], settled, strict=True):
        assert moved == pytest.approx(laid_out, abs=0.02)
    assert dragged["marks"] != still["marks"]


# The ends of every line and area, where its words stand, and the words.
SHAPES = """(chart) => [...document.querySelectorAll(`${chart} .shape-group`)].map((shape) => {
  const words = shape.querySelector('text');
  const at = ['x', 'y'].map((name) => words?.getAttribute(name) ?? 0);
  const ends = shape.querySelector('path').getAttribute('d').match(/-?[0-9.]+/g);
  return [[...ends, ...at].map(Number), words?.textContent ?? ''];
})"""
CALLS = """() => {
  window.heard = 0;
  ['react', 'relayout', 'restyle', 'update'].forEach((name) => {
    const work = Plotly[name];
    Plotly[name] = (...given) => { window.heard += 1; return work(...given); };
  });
}"""


def test_cuts_and_their_words_move_where_plotly_will_draw_them(visit) -> None:
    query = "v=1&method=ties&density=0.3&cell=L1+up"
    page = visit(viewport={"width": 1440, "height": 5600}, query=query).page
    charts = ["#magnitudes", "#curves", "#cell"]
    for chart in charts:
        expect(page.locator(f"{chart} .shape-group").first).to_be_attached()
    rest(page)
    before = [page.evaluate(SHAPES, chart) for chart in charts]
    page.evaluate(CALLS)
    page.evaluate(DRAGGED, "0.45")
    moved = [page.evaluate(SHAPES, chart) for chart in charts]
    assert page.evaluate("window.heard") == 0
    page.wait_for_function("window.heard >= 4")  # these three and the winners
    for first, dragged, chart in zip(before, moved, charts, strict=True):
        settled = page.evaluate(SHAPES, chart)
        assert len(dragged) == len(settled) >= 5
        assert [words for _, words in dragged] == [words for _, words in settled]
        for (places, _), (laid_out, _) in zip(dragged, settled, strict=True):
            assert places == pytest.approx(laid_out, abs=0.02)
        assert dragged != first


def test_charts_in_view_are_drawn_first_and_the_others_without_being_looked_at(visit) -> None:
    noted = """window.drawn = [];
    new MutationObserver((changes) => changes.forEach(({ target }) => {
      if (target.dataset.drawn) window.drawn.push(target.closest('[id]:not([id^=html-])').id);
    })).observe(document, { subtree: true, attributeFilter: ['data-drawn'] });"""
    visitor = visit(viewport={"width": 1440, "height": 900})
    page, held = visitor.profile.new_page(), []
    page.add_init_script(noted)
    page.route(re.compile("plotly"), lambda route: held.append(route))
    page.goto(visitor.url)
    expect(page.locator("#magnitudes .me-caption")).not_to_be_empty()
    page.locator("#magnitudes .me-plot").scroll_into_view_if_needed()
    page.evaluate("new Promise((seen) => requestAnimationFrame(() => requestAnimationFrame(seen)))")
    shown = "[...document.querySelectorAll('.me-plot')].filter((node) => node.offsetWidth)"
    seen = page.evaluate(
        f"{shown}.filter((node) => {{ const {{ top, bottom }} = node.getBoundingClientRect();"
        " return top < innerHeight && bottom > 0; })"
        ".map((node) => node.closest('[id]:not([id^=html-])').id)"
    )
    page.wait_for_function("document.querySelector('script[src*=plotly]')")
    held[0].continue_()
    page.wait_for_function(f"{shown}.every((node) => node.dataset.drawn)")
    order = page.evaluate("window.drawn")
    assert "magnitudes" in seen and "scores" not in seen and len(set(order)) > len(seen) + 3
    assert set(order[: len(seen)]) == set(seen)
