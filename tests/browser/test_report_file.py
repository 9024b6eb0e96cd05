"""Reports from the page: each one file, opened without a network; light, dark and on paper."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.held_measure import HeldMeasure

RUNS, FILES = "#runs .me-tools", "#whatif .me-whatif-files"


class Reader:
    """Opens files in a browser that has no network; keeps what it asks for and complains of."""

    def __init__(self, browser: Browser) -> None:
        self.browser, self.asked, self.errors = browser, [], []

    def __call__(self, path: Path, scheme: str = "light", width: int = 1200) -> Page:
        view = {"width": width, "height": 900}
        page = self.browser.new_context(offline=True, color_scheme=scheme, viewport=view).new_page()
        page.on("request", lambda r: self.asked.append(r.url))
        page.on("console", lambda m: self.errors.append(m.text))
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("dialog", lambda d: self.errors.append(d.message))
        page.goto(path.as_uri())
        for chart in page.locator(".chart").all():
            expect(chart).to_have_attribute("data-drawn", "yes")
        return page


@pytest.fixture
def reader(browser: Browser) -> Iterator[Reader]:
    made = Reader(browser)
    yield made
    assert made.errors == [] and all(url.startswith("file:") for url in made.asked)


def saved(page: Page, bar: str, name: str, folder: Path) -> Path:
    with page.expect_download() as waiting:
        page.locator(bar).get_by_role("button", name=name).click()
    path = folder / waiting.value.suggested_filename
    waiting.value.save_as(path)
    return path


LIGHT, DARK = "#1a2029", "#e7ebf0"  # ink
CHARTS = "[...document.querySelectorAll('.chart')]"
DRAWN = f"() => {CHARTS}.map(c => JSON.stringify([c.data, c.layout]))"


def in_ink(page: Page, ink: str) -> bool:
    """Whether all charts are drawn in the ink of a theme, and none in the other's."""
    other = DARK if ink == LIGHT else LIGHT
    drawn = page.evaluate(DRAWN)
    return all(other not in chart and "var(" not in chart for chart in drawn) and any(
        ink in chart for chart in drawn
    )


def test_a_run_with_a_hostile_name(visit, reader: Reader, tmp_path: Path) -> None:
    page = visit().page
    page.get_by_role("button", name="Rename Run 1").click()
    name = "</script><img src=x onerror=alert(1)>"
    page.get_by_label("New name of Run 1").fill(name)
    page.keyboard.press("Enter")
    path = saved(page, RUNS, f"Report of {name} (HTML)", tmp_path)
    light, dark = reader(path), reader(path, "dark")
    for shown, want in ((light, LIGHT), (dark, DARK)):
        expect(shown.locator("h1")).to_have_text(f"{name}: Task arithmetic, set Gentle")
        expect(shown.locator(".chart")).to_have_count(7)
        expect(shown.locator("img")).to_have_count(0)
        expect(shown.locator("pre")).to_contain_text("format: merge-explorer/1")
        assert in_ink(shown, want)
        found = Axe().run(shown, options={"runOnly": ["wcag2a", "wcag2aa"]})
        assert found.response["violations"] == []
    dark.emulate_media(media="print")
    dark.wait_for_function(
        "([dark]) => [...document.querySelectorAll('.chart')]"
        ".every(c => !JSON.stringify([c.data, c.layout]).includes(dark))",
        arg=[DARK],
    )
    assert in_ink(dark, LIGHT)
    small = reader(path, width=390)
    assert small.evaluate("document.documentElement.scrollWidth") == 390


def test_runs_side_by_side_and_their_scores(visit, reader: Reader, tmp_path: Path) -> None:
    page = visit(query="method=linear").page
    page.locator("#go").click()
    expect(page.locator("#runs tbody tr")).to_have_count(2, timeout=60_000)
    for name in ("Run 1", "Run 2"):
        page.get_by_label(f"Compare {name}").check()
    page.locator("#runs .me-beside table").wait_for()
    path = saved(page, RUNS, "Report of 2 runs (HTML)", tmp_path)
    shown = reader(path)
    expect(shown.locator("h2")).to_have_text(["Side by side: what differs", "Run 1", "Run 2"])
    expect(shown.locator(".chart")).to_have_count(2)
    table = saved(page, RUNS, "Scores of 2 runs (CSV)", tmp_path)
    rows = list(csv.DictReader(io.StringIO(table.read_text("utf-8"))))
    assert len(rows) == 12 and {row["run"] for row in rows} == {"Run 1", "Run 2"}


def test_a_sweep(visit, measure: HeldMeasure, reader: Reader, tmp_path: Path) -> None:
    page = visit().page
    expect(page.locator(FILES)).to_be_hidden()
    page.locator("#whatif .me-try").click()
    expect(page.locator("#whatif .me-whatif")).to_have_attribute(
        "data-state", "done", timeout=30_000
    )
    shown = reader(saved(page, FILES, "Report (HTML)", tmp_path))
    expect(shown.locator("h2").nth(2)).to_have_text(
        "The best, on images that were not looked at while choosing"
    )
    expect(shown.locator(".chart")).to_have_count(1)
    rows = csv.DictReader(io.StringIO(saved(page, FILES, "CSV", tmp_path).read_text("utf-8")))
    assert {row["half"] for row in rows} == {"tuning", "reporting"}
    page.locator("#whatif [data-field=way]").select_option("find")
    expect(page.locator(FILES)).to_be_hidden()
