"""For everyone: axe-core in three states and both themes, the keyboard alone, a phone, the dark."""

from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, choose, slide

RULES = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}


def violations(page: Page) -> list[str]:
    """Return what axe-core finds, one line for each element."""
    found: Any = Axe().run(page, options=RULES | {"resultTypes": ["violations"]})
    return [
        f"{rule['id']}: {' '.join(map(str, node['target']))}: {node['failureSummary']}"
        for rule in found.response["violations"]
        for node in rule["nodes"]
    ]


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_in_three_states(visit, site: Site, scheme: str) -> None:
    page = visit(color_scheme=scheme).page
    assert violations(page) == []
    choose(page, "TIES", "ties")
    page.locator("#heatmap canvas").focus()
    press_in_heatmap(page)
    expect(page.locator("#twelve tbody tr")).to_have_count(12)
    expect(page.locator("#heatmap .me-heat-sides")).to_be_visible()
    assert violations(page) == []
    site.services.gate.clear()
    slide(page, "#ties-density", {"light": 0.31, "dark": 0.32}[scheme])
    page.locator("#go").click()
    expect(page.locator("#job")).to_contain_text("Held by the test")
    page.locator("#weight-digits input[type=number]").fill("99")
    expect(page.locator("#notice")).to_contain_text("at most 10")
    assert violations(page) == []


def press_in_heatmap(page: Page) -> None:
    """Open a cell by the keyboard."""
    for key in ("ArrowUp", "ArrowRight", "Enter"):
        page.keyboard.press(key)
