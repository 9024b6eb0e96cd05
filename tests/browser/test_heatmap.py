"""The heatmap alone on a page: parts, recipes, keyboard, touch, and what it saves."""

import csv
import io
import json
import re
from collections.abc import Iterator
from typing import Any

import gradio as gr
import pytest
from PIL import Image
from playwright.sync_api import Browser, Download, Page, expect

from merging.checkpoints import Bucket
from tests.unit.conflict_tables import Counts, buckets, random_counts, table
from ui.app import launch_options
from ui.components.heatmap import ConflictHeatmap, heatmap_value
from ui.views.conflict import conflict_view
from ui.views.heatmap_grid import heatmap_groups
from ui.views.models import HeatmapView

Q0, UP0, Q1, EMBED = (
    Bucket("L0", "q"), Bucket("L0", "up"), Bucket("L1", "q"), Bucket("Embed", "embed"),
)  # fmt: skip
NOW = {
    Q0: (1000, 200, 100, 200), UP0: (1000, 100, 50, 50), Q1: (1000, 600, 90, 10),
    EMBED: (1000, 0, 5, 5),
}  # fmt: skip
BEFORE = NOW | {Q0: (1000, 200, 280, 20), Q1: (1000, 600, 60, 40)}
MOVED = NOW | {UP0: (1000, 100, 90, 10)}


def shown(now: dict[Bucket, Counts], before: dict[Bucket, Counts] | None = None) -> HeatmapView:
    grid = heatmap_groups(now)
    pinned = None if before is None else table(grid.groups, before)
    return conflict_view(grid, table(grid.groups, now), pinned, "Run 3")


def deep() -> HeatmapView:
    return shown(random_counts(buckets(30), 1), random_counts(buckets(30), 2))


VALUES: dict[str, dict[str, Any]] = {
    "alone": heatmap_value(shown(NOW)),
    "pinned": heatmap_value(shown(NOW, BEFORE)),
    "moved": heatmap_value(shown(MOVED, BEFORE)),
    "linked": heatmap_value(shown(NOW, BEFORE), "agree", "pinned", "L1 q"),
    "deep": heatmap_value(deep()),
}


@pytest.fixture(autouse=True)
def open_gate() -> None:
    """Instead of the whole app's gate: this page stands alone."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with gr.Blocks(analytics_enabled=False) as demo:
        heatmap = ConflictHeatmap(VALUES["alone"] | {"stamp": "first"}, elem_id="heatmap")
        told = gr.Textbox(label="told", elem_id="told")
        heatmap.select(tell, None, told, queue=False, show_progress="hidden")
        for name, value in VALUES.items():
            button = gr.Button(name)
            answer = json.dumps(value | {"stamp": name})
            button.click(lambda answer=answer: answer, None, heatmap, queue=False)
    _, address, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options())
    yield address
    demo.close()


def tell(event: gr.EventData) -> str:
    return json.dumps(event._data, sort_keys=True)


@pytest.fixture
def visit(browser: Browser, url: str) -> Iterator[Any]:
    opened, errors = [], []

    def new(**options: Any) -> Page:
        context = browser.new_context(**{"viewport": {"width": 1100, "height": 1200}, **options})
        opened.append(context)
        page = context.new_page()
        page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(url)
        page.wait_for_selector("#heatmap canvas[data-stamp=first]")
        return page

    yield new
    for context in opened:
        context.close()
    assert errors == []


def show(page: Page, name: str) -> None:
    page.get_by_role("button", name=name, exact=True).click()
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", name)


def expect_told(page: Page, **event: Any) -> None:
    expect(page.get_by_label("told")).to_have_value(json.dumps(event, sort_keys=True))


def caption(page: Page) -> Any:
    return page.locator("#heatmap figcaption")


def readout(page: Page) -> Any:
    return page.locator("#heatmap .me-readout")


def radio(page: Page, name: str) -> Any:
    return page.get_by_role("radio", name=name)


def pixel(page: Page, column: int, row: int) -> list[int]:
    """Return a cell's colour, near its upper left corner; rows count from the top."""
    return page.evaluate(
        """([column, row]) => {
          const canvas = document.querySelector('#heatmap canvas');
          const ctx = canvas.getContext('2d');
          const names = ['Embed', 'L0', 'L1', 'mean'];
          const left = Math.ceil(Math.max(...names.map((n) => ctx.measureText(n).width))) + 10;
          const cell = (canvas.clientWidth - left - 96) / 3;
          return [...ctx.getImageData(left + cell * column + 4, 26 + 38 * row + 4, 1, 1).data];
        }""",
        [column, row],
    )


def test_a_part_is_chosen_by_the_mouse_and_by_arrow_keys(visit) -> None:
    page = visit()
    said = VALUES["alone"]["sentences"]
    expect(caption(page)).to_have_text(said["contested"]["current"])
    radio(page, "Only one survives").check()
    expect(caption(page)).to_have_text(said["disjoint"]["current"])
    expect_told(page, action="view", part="disjoint", side="current")
    page.keyboard.press("ArrowRight")
    expect(radio(page, "Agree")).to_be_checked()
    expect(caption(page)).to_have_text(said["agree"]["current"])
    expect(page.locator("#heatmap .me-heat-means")).to_contain_text("all point the same way")
    expect_told(page, action="view", part="agree", side="current")


def test_recipes_are_offered_when_one_is_pinned(visit) -> None:
    page = visit()
    expect(radio(page, "Difference")).to_be_hidden()
    show(page, "pinned")
    radio(page, "Difference").check()
    expect(caption(page)).to_have_text(VALUES["pinned"]["sentences"]["contested"]["difference"])
    expect(page.get_by_role("application")).to_have_attribute(
        "aria-label",
        "Sign conflict by layer and module: signs clash, current minus pinned. 3 rows, 3 columns. "
        "Arrow keys move between cells, Enter opens a cell, Escape closes it.",
    )
    expect_told(page, action="view", part="contested", side="difference")
    show(page, "alone")
    expect(radio(page, "Difference")).to_be_hidden()
    expect(caption(page)).to_have_text(VALUES["alone"]["sentences"]["contested"]["current"])
    show(page, "pinned")
    expect(radio(page, "Difference")).to_be_checked()


def test_more_is_blue_and_less_orange_in_the_difference(visit) -> None:
    page = visit()
    show(page, "pinned")
    radio(page, "Difference").check()
    red, _, blue, _ = pixel(page, 1, 1)
    assert blue > red + 60
    red, _, blue, _ = pixel(page, 1, 0)
    assert red > blue + 60
    red, _, blue, _ = pixel(page, 2, 1)
    assert abs(red - blue) < 10


def test_the_scale_stays_while_other_cells_move(visit) -> None:
    page = visit()
    show(page, "pinned")
    before, other = pixel(page, 1, 1), pixel(page, 2, 1)
    show(page, "moved")
    assert pixel(page, 1, 1) == before
    assert pixel(page, 2, 1) != other


def test_cells_are_read_and_opened_by_keys(visit) -> None:
    page = visit()
    radio(page, "Agree").focus()
    page.keyboard.press("Tab")
    expect(page.get_by_role("application")).to_be_focused()
    expect(readout(page)).to_have_text(
        "Embed: too few weights (10) are kept by two or more experts."
    )
    page.keyboard.press("ArrowUp")
    expect(readout(page)).to_have_text("L0 has no embed.")
    page.keyboard.press("End")
    page.keyboard.press("ArrowLeft")
    expect(readout(page)).to_have_text(
        "L0 q: signs clash at 66.7 % of the 300 weights that two or more experts keep; coin tosses "
        "would clash at 50.0 %. Exact."
    )
    page.keyboard.press("Enter")
    expect_told(page, action="cell", row=1, col=1, layer="L0", module="q", block="")
    page.keyboard.press("Escape")
    expect_told(page, action="cell", row=-1, col=-1, layer="", module="", block="")
    page.keyboard.press("PageUp")
    page.keyboard.press("Space")
    expect_told(page, action="cell", row=2, col=1, layer="L1", module="q", block="")
    page.keyboard.press("Home")
    page.keyboard.press("Enter")
    expect(readout(page)).to_have_text("L1 has no embed.")
    expect_told(page, action="cell", row=2, col=1, layer="L1", module="q", block="")


def test_the_readout_compares_with_the_pinned_recipe(visit) -> None:
    page = visit()
    show(page, "pinned")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    expect(readout(page)).to_contain_text("Exact. Pinned: 6.7 % (+60.0 points).")
    radio(page, "Difference").check()
    expect(readout(page)).to_have_text(
        "L0 q: +60.0 points; signs clash at 66.7 % now and 6.7 % in the pinned recipe. That is "
        "beyond the scale."
    )
    radio(page, "Pinned").check()
    expect(readout(page)).to_contain_text("L0 q, pinned recipe: signs clash at 6.7 % of the 300")


def test_a_click_opens_a_cell_and_a_new_answer_leaves_the_view(visit) -> None:
    page = visit()
    show(page, "pinned")
    radio(page, "Only one survives").check()
    box = page.locator("#heatmap canvas").bounding_box()
    assert box is not None
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + 26 + 38 * 0.5)
    expect_told(page, action="cell", row=2, col=1, layer="L1", module="q", block="")
    show(page, "moved")
    expect(radio(page, "Only one survives")).to_be_checked()
    expect(readout(page)).to_contain_text(
        "L1 q: only one expert’s change survives at 60.0 % of the 1,000 weights looked at."
    )


def test_a_link_brings_part_recipe_and_cell(visit) -> None:
    page = visit()
    show(page, "linked")
    expect(radio(page, "Agree")).to_be_checked()
    expect(radio(page, "Pinned")).to_be_checked()
    expect(caption(page)).to_have_text(VALUES["linked"]["sentences"]["agree"]["pinned"])
    page.get_by_role("application").focus()
    page.keyboard.press("Escape")
    expect_told(page, action="cell", row=-1, col=-1, layer="", module="", block="")


def test_a_touch_opens_a_cell_and_keeps_its_numbers_in_sight(visit) -> None:
    page = visit(has_touch=True)
    box = page.locator("#heatmap canvas").bounding_box()
    assert box is not None
    page.touchscreen.tap(box["x"] + box["width"] / 2, box["y"] + 26 + 38 * 1.5)
    expect_told(page, action="cell", row=1, col=1, layer="L0", module="q", block="")
    expect(readout(page)).to_contain_text("L0 q: signs clash at 66.7 %")


def test_on_a_narrow_page_layers_share_at_most_eight_rows(visit) -> None:
    page = visit(viewport={"width": 390, "height": 1000})
    show(page, "deep")
    expect(page.get_by_role("application")).to_have_attribute("aria-label", re_rows(8))
    expect(page.locator("#heatmap .me-heat-means")).to_contain_text("5 layers a row.")
    page.get_by_role("application").focus()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowRight")
    counts = random_counts(buckets(30), 1)
    five = [counts[Bucket(f"L{layer}", "q")] for layer in range(5)]
    met = sum(agree + clash for _, _, agree, clash in five)
    clashes = sum(clash for *_, clash in five)
    expect(readout(page)).to_contain_text(
        f"L0-L4 q: signs clash at {100 * clashes / met:.1f} % of the {met:,} weights"
    )
    page.keyboard.press("Enter")
    expect_told(page, action="cell", row=1, col=1, layer="L0", module="q", block="L0-L4")
    expect(readout(page)).to_contain_text("Opened: L0 q.")
    page.set_viewport_size({"width": 1100, "height": 1200})
    expect(page.get_by_role("application")).to_have_attribute("aria-label", re_rows(32))


def re_rows(count: int) -> Any:
    return re.compile(rf"\. {count} rows, 9 columns\.")


def saved(page: Page, button: str) -> Download:
    with page.expect_download() as waiting:
        page.get_by_role("button", name=button).click()
    return waiting.value


def test_numbers_are_saved_as_csv_and_shown_as_a_table(visit) -> None:
    page = visit()
    show(page, "pinned")
    file = saved(page, "Save CSV")
    assert file.suggested_filename == "conflict.csv"
    head, *lines = csv.reader(io.StringIO(file.path().read_text("utf-8")))
    assert head[:6] == [
        "Layer", "Module", "Contested, %", "95 % interval", "Coin toss, %", "Kept by two or more",
    ]  # fmt: skip
    assert head[11] == "Pinned: Contested, %" and len(head) == 20
    assert [line[:2] for line in lines] == [
        ["Embed", "embed"], ["L0", "q"], ["L0", "up"], ["L1", "q"],
        ["Embed", "all"], ["L0", "all"], ["L1", "all"],
        ["all", "embed"], ["all", "q"], ["all", "up"], ["all", "all"],
    ]  # fmt: skip
    assert lines[0][2:6] == ["too few", "", "", "10"]
    assert lines[1][2:12] == [
        "66.7", "exact", "50.0", "300", "20.0", "exact", "10.0", "exact", "1000", "6.7",
    ]  # fmt: skip
    page.locator("#heatmap summary").click()
    expect(page.locator("#heatmap tbody tr")).to_have_count(11)
    expect(page.locator("#heatmap tbody tr").nth(1).locator("td").nth(1)).to_have_text("66.7")


@pytest.mark.parametrize(("scheme", "panel"), [("light", "#ffffff"), ("dark", "#1a1f26")])
def test_the_picture_is_saved_at_twice_its_size(visit, scheme: str, panel: str) -> None:
    page = visit(color_scheme=scheme)
    size = page.locator("#heatmap canvas").bounding_box()
    file = saved(page, "Save image")
    assert file.suggested_filename == "conflict.png" and size is not None
    with Image.open(file.path()) as image:
        assert image.format == "PNG"
        assert image.size == (round(2 * size["width"]), round(2 * size["height"]))
        assert "#{:02x}{:02x}{:02x}".format(*image.convert("RGB").getpixel((0, 0))) == panel
