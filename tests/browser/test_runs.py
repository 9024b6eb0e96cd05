"""The run list as people use it: jobs that outlive a reload, browsers side by side, files."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from merging.evaluation import compare
from merging.sets import references
from tests.browser.conftest import Site, choose, merge, ready, slide
from ui.runbook import RunBook
from ui.views.sentences import signed

SCALE = "#task_arithmetic-scale"
ROWS = "#runs tr[data-key]"


def names(page: Page) -> list[str]:
    """Return the names of the listed runs, newest first."""
    return [text.splitlines()[0] for text in page.locator(f"{ROWS} th").all_inner_texts()]


def done(page: Page) -> None:
    expect(page.locator("#job .me-job")).to_have_attribute("data-state", "done", timeout=30_000)


def test_a_reload_in_the_middle_of_a_job_finds_it_again(visit, site: Site) -> None:
    page = visit().page
    site.services.gate.clear()
    choose(page, "TIES", "ties")
    slide(page, "#ties-density", 0.22)
    page.locator("#go").click()
    expect(page.locator("#job")).to_contain_text("Held by the test")
    page.reload()
    ready(page)
    expect(page.locator("#job")).to_contain_text("Held by the test")
    expect(page.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "10")
    expect(page.locator("#go")).to_be_disabled()
    expect(page.locator("#cancel")).to_be_enabled()
    expect(page.locator("#formula")).to_contain_text("d = 0.22")
    expect(page.locator(ROWS)).to_have_count(1)
    site.services.gate.set()
    done(page)
    expect(page.locator(ROWS)).to_have_count(2)
    expect(page.locator("#verdict")).to_contain_text("TIES of five experts")
    expect(page.locator("#verdict")).to_contain_text("Against Run 1")
    expect(page.locator("#go")).to_be_enabled()


def test_two_browsers_hear_nothing_of_each_other(visit, site: Site) -> None:
    first, second = visit().page, visit().page
    site.services.gate.clear()
    for page, density in ((first, 0.24), (second, 0.25)):
        choose(page, "TIES", "ties")
        slide(page, "#ties-density", density)
    first.locator("#go").click()
    expect(first.locator("#job")).to_contain_text("Held by the test")
    assert second.locator("#job").inner_text().strip() == ""
    second.locator("#go").click()
    expect(second.locator("#job")).to_contain_text("Waiting, place 1")
    second.get_by_role("button", name="Pin this").click()
    expect(second.locator(".me-pinned")).to_have_text("These settings are pinned.")
    site.services.gate.set()
    for page, density in ((first, 0.24), (second, 0.25)):
        done(page)
        expect(page.locator(ROWS)).to_have_count(2)
        expect(page.locator(ROWS).first).to_contain_text(f"TIES · d {density}")
        expect(page.locator("#formula")).to_contain_text(f"d = {density}")
    expect(first.locator("tr.is-pinned")).to_contain_text("Run 1")
    expect(second.locator("tr.is-pinned")).to_contain_text("Run 2")


def merge_at(page: Page, *scales: float) -> None:
    """Merge and evaluate at each strength; the list begins with the first experiment."""
    for runs, scale in enumerate(scales, 2):
        slide(page, SCALE, scale)
        merge(page, runs)


def test_two_runs_stand_side_by_side_with_paired_intervals(visit, site: Site) -> None:
    page = visit().page
    merge_at(page, 0.3, 0.25)
    page.get_by_label("Compare Run 1").check()
    expect(page.locator(".me-beside")).to_contain_text("Choose two to four runs")
    page.get_by_label("Compare Run 2").check()
    beside = page.locator(".me-beside")
    expect(beside.locator("thead th")).to_have_text(["", "Run 1", "Run 2"])
    first = site.services.first()
    record = site.services.shipped[first.recipe.patched(params={"scale": 0.3}).key()]
    gap = compare(record.correct, first.correct, references("gentle").own).mean[1]
    interval = f"({signed(gap.low)} to {signed(gap.high)})"
    expect(beside).to_contain_text(
        f"Run 2 keeps {100 * gap.value:.1f} points more than Run 1 {interval}."
    )
    expect(beside.locator("tbody tr").first).to_have_text(re.compile("λ|strength", re.I))
    expect(beside.locator("tbody tr").last).to_contain_text(f"+{100 * gap.value:.1f} points")
    page.get_by_label("Compare Run 1").uncheck()
    page.get_by_label("Compare Run 3").check()
    expect(beside).to_contain_text("are within noise of each other")
    expect(beside.locator("tbody tr").last).to_contain_text("within noise")


def test_runs_are_named_deleted_exported_and_imported(visit, tmp_path: Path) -> None:
    page = visit().page
    merge_at(page, 0.5, 0.6)
    page.get_by_role("button", name="Rename Run 2").click()
    field = page.get_by_label("New name of Run 2")
    expect(field).to_be_focused()
    field.fill("Half λ")
    field.press("Enter")
    expect(page.get_by_role("button", name="Rename Half λ")).to_be_visible()
    page.get_by_role("button", name="Delete Run 1").click()
    expect(page.locator(ROWS)).to_have_count(3)
    page.get_by_text("Really delete").click()
    expect(page.locator(ROWS)).to_have_count(2)
    assert [name.removesuffix("shown") for name in names(page)] == ["Run 3", "Half λ"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Export runs").click()
    path = tmp_path / "runs.json"
    waiting.value.save_as(path)
    assert [run["name"] for run in json.loads(path.read_text())["runs"]] == ["Half λ", "Run 3"]
    with page.expect_download() as waiting:
        page.locator("#runs").get_by_role("button", name="Save CSV").click()
    lines = list(csv.reader(io.StringIO(waiting.value.path().read_text("utf-8"))))
    assert [line[0] for line in lines] == ["run", "Run 3", "Half λ"]
    other = visit().page
    other.locator("#runs input[type=file]").set_input_files(path)
    expect(other.locator(ROWS)).to_have_count(3)
    other.get_by_role("button", name="Show Half λ").click()
    expect(other.locator("#formula")).to_contain_text("λ = 0.5")
    expect(other.locator("tr.is-current")).to_contain_text("Half λ")
    path.write_text("no runs")
    other.locator("#runs input[type=file]").set_input_files(path)
    expect(other.locator("#notice")).to_contain_text("This is no list of runs.")
    expect(other.locator(ROWS)).to_have_count(3)


def test_runs_outlive_a_reload_and_a_new_server(
    visit, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that has forgotten everything gets the list back from the browser."""
    page = visit().page
    choose(page, "TIES", "ties")
    slide(page, "#ties-density", 0.27)
    merge(page, 2)
    page.get_by_role("button", name="Rename Run 2").click()
    page.get_by_label("New name of Run 2").fill("Mine")
    page.keyboard.press("Enter")
    expect(page.locator(ROWS).first).to_contain_text("Mine")
    shown = page.locator(ROWS).first.inner_text()
    page.reload()
    ready(page)
    expect(page.locator(ROWS).first).to_contain_text("Mine")
    monkeypatch.setattr(site.services, "runs", RunBook())
    monkeypatch.setattr(site.services, "results", type(site.services.results)(512))
    page.reload()
    ready(page)
    expect(page.locator(ROWS)).to_have_count(2)
    assert page.locator(ROWS).first.inner_text() == shown
    expect(page.locator("#verdict")).to_contain_text("TIES of five experts")
    expect(page.locator("#verdict .me-stale")).to_have_count(0)
