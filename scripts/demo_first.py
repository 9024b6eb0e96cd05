"""The first experiment as a person lives it, with every figure that was promised for it."""

import json
import re
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page

from merging.recipe import parse_recipe
from scripts import bench_ui
from scripts.browsing import choose, drag, state, wait_for
from scripts.story import Story, text, told


def runs(page: Page) -> int:
    """Return the number of listed runs."""
    return page.locator("#runs tbody tr").count()


def first_paint(story: Story, page: Page) -> None:
    card = json.loads(Path("assets/zoo/gentle/card.json").read_text())
    kept = card["claims"]["sum"]["mean"]["value"]
    base = card["scores"]["reporting"]["base_normalised"]["value"]
    sentence = text(page, "#verdict")
    story.check(
        "the first sentence has the card's figure of the sum", f"{100 * kept:.0f} %" in sentence
    )
    story.check("and the card's figure of the base", f"keeps {100 * base:.0f} %" in sentence)
    story.check("one hint points at lambda", "Drag λ" in text(page, ".me-hint-text"))
    story.shoot(page, "1-first-paint")


def dragging(story: Story, page: Page) -> None:
    before = text(page, "#effect")
    drag(page, "#task_arithmetic-scale", [0.9, 0.6, 0.35])
    story.check("dragging lambda changes the sentence", text(page, "#effect") != before)
    story.check("and shows measured scores", "at λ = 0.35" in text(page, "#verdict"))
    story.shoot(page, "2-lambda-dragged")
    for method, panel, param, value in (
        ("TIES", "ties", "density", 0.3),
        ("DARE", "dare", "drop_rate", 0.8),
    ):
        choose(page, method, panel)
        before = text(page, "#effect")
        drag(page, f"#{panel}-{param}", [value])
        story.check(f"dragging {param} changes the kept share", text(page, "#effect") != before)
    before = text(page, "#effect")
    drag(page, "#weight-digits", [0.4])
    story.check("dragging a weight changes the sentence", text(page, "#effect") != before)


def merging(story: Story, page: Page) -> None:
    choose(page, "TIES", "ties")
    drag(page, "#ties-density", [0.15])
    listed = runs(page)
    page.locator("#go").click()
    wait_for(page, "done")
    page.wait_for_selector(f"#runs tbody tr:nth-child({listed + 1})")
    story.check("the run joined the list", runs(page) == listed + 1)
    story.check("it is compared with the first", "Against Run 1" in text(page, "#verdict"))
    story.shoot(page, "3-second-run")


def cancelling(story: Story, page: Page) -> None:
    """Cancel until one cancel met a live job: a merge takes about a second."""
    for density in (0.51, 0.52, 0.53, 0.54, 0.55):
        drag(page, "#ties-density", [density])
        listed = runs(page)
        page.locator("#go").click()
        page.wait_for_selector("#cancel:not([disabled])")
        begin = time.perf_counter()
        page.locator("#cancel").click()
        page.wait_for_selector("#go:not([disabled])")
        seconds = time.perf_counter() - begin
        if state(page) == "cancelled":
            story.report.add("cancel, click to stopped", seconds, "s", 0.5)
            story.check("a cancelled merge leaves nothing", runs(page) == listed)
            return
    story.check("a merge was cancelled", False)


def reloading(story: Story, page: Page) -> None:
    drag(page, "#ties-density", [0.6])
    listed = runs(page)
    page.locator("#go").click()
    page.wait_for_selector("#cancel:not([disabled])")
    page.reload()
    page.wait_for_selector("#heatmap canvas[data-stamp]")
    page.wait_for_selector(f"#runs tbody tr:nth-child({listed + 1})", timeout=30_000)
    story.check("after a reload the job is found and its run joins", runs(page) == listed + 1)
    page.wait_for_selector("#panel-ties", state="visible")
    story.check("and the recipe is there again", "d = 0.6" in text(page, "#formula"))
    story.shoot(page, "4-after-reload")


def second_browser(story: Story, page: Page) -> None:
    other = story.visit()
    story.check("a second browser sees only the first experiment", runs(other) == 1)
    story.check("and no job", text(other, "#job").strip() == "")
    other.context.close()


def downloads(story: Story, page: Page) -> None:
    with page.expect_download() as model:
        page.locator("#save-model").click()
    model.value.save_as(story.out / "model.zip")
    with zipfile.ZipFile(story.out / "model.zip") as archive:
        names = {Path(n).name for n in archive.namelist()}
    wanted = {"model.safetensors", "config.json", "recipe.yaml"}
    story.check("weights, config and recipe are downloaded", wanted <= names)
    with page.expect_download() as recipe:
        page.locator("#save-recipe").click()
    recipe.value.save_as(story.out / "recipe.yaml")
    saved = parse_recipe((story.out / "recipe.yaml").read_text())
    other = story.visit()
    other.locator("input[type=file]").first.set_input_files(story.out / "recipe.yaml")
    other.wait_for_selector(f"#heatmap canvas[data-stamp='{saved.key()}']")
    shown = re.search(r"d = ([\d.]+)", text(other, "#formula"))
    story.check("a recipe opens again", shown is not None and float(shown[1]) == 0.6)
    other.context.close()


def looks(story: Story, page: Page) -> None:
    for width in (1440, 820, 390):
        for scheme in ("light", "dark"):
            view = story.visit(viewport={"width": width, "height": 1000}, color_scheme=scheme)
            wide = view.evaluate("document.documentElement.scrollWidth")
            story.check(f"{width} px, {scheme}: nothing is wider than the page", wide <= width)
            story.shoot(view, f"look-{width}-{scheme}")
            view.context.close()


FIRST: tuple[Callable[[Story, Page], None], ...] = (
    first_paint, dragging, merging, cancelling, reloading, second_browser, downloads, looks,
)  # fmt: skip


def first(out: Path) -> bool:
    """Live the first experiment; return whether everything held."""
    with told(out) as story:
        page = story.visit()
        for step in FIRST:
            step(story, page)
        page.context.close()
        story.errors += bench_ui.measure(story.browser, story.server, story.report)
    return story.held
