"""Every section hands out its numbers as CSV, and its pictures as images."""

import csv
import io

import pytest
from playwright.sync_api import Download, Page, expect

PICTURES = {
    "scores": "svg", "heatmap": "png", "cell": "svg", "curves": "svg", "magnitudes": "svg",
    "relative": "svg", "who-agrees": "svg", "ranks": "svg", "overlap": "svg", "who-won": "svg",
}  # fmt: skip
TABLES = ("twelve", "dialects", "runs")


@pytest.fixture
def page(visit) -> Page:
    found: Page = visit(query="method=ties&cell=L0+q").page
    expect(found.locator("#twelve tbody tr")).to_have_count(12)
    return found


def saved(page: Page, host: str, button: str) -> Download:
    with page.expect_download() as waiting:
        page.locator(f"#{host}").get_by_role("button", name=button).click()
    return waiting.value


# A page may begin ten downloads in a row, the browser drops the next.
@pytest.mark.parametrize("hosts", [tuple(PICTURES), TABLES], ids=["pictures", "tables"])
def test_every_table_is_saved_as_csv(page: Page, hosts: tuple[str, ...]) -> None:
    names = set()
    for host in hosts:
        file = saved(page, host, "Save CSV")
        head, *lines = csv.reader(io.StringIO(file.path().read_text("utf-8")))
        assert len(head) > 1 and lines, host
        assert {len(line) for line in lines} == {len(head)}, host
        names.add(file.suggested_filename)
    assert len(names) == len(hosts), names


def test_every_picture_is_saved_as_an_image(page: Page) -> None:
    names = set()
    for host, kind in PICTURES.items():
        plot = page.locator(f"#{host} .me-plot")
        if kind == "svg":
            expect(plot).to_have_attribute("data-drawn", "yes")
        file = saved(page, host, "Save image")
        assert file.suggested_filename.endswith(f".{kind}"), host
        begin = file.path().read_bytes()[:4]
        assert begin == (b"<svg" if kind == "svg" else b"\x89PNG"), host
        names.add(file.suggested_filename)
    assert len(names) == len(PICTURES), names
