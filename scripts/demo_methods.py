"""Every method: the conformance run, the table of scores, and a tour of all in the browser."""

import subprocess
import sys
import time
from pathlib import Path

from playwright.sync_api import Page

from merging.methods.registry import METHODS
from merging.methods.spec import MethodSpec
from merging.sets import missing, open_set
from scripts.story import Story, text, told

SECONDS = 5.0
SLOW = {"Spectral": 20.0, "Aligned": 20.0}


def methods(out: Path, golden: Path) -> bool:
    """Prove, score and visit every method; return whether everything held."""
    with told(out) as story:
        story.check(
            "all golden cases conform", _ran([sys.executable, "-m", "merging.conformance", golden])
        )
        report = [sys.executable, "-m", "scripts.report", "--out", out / "report"]
        story.check("scores of all methods on both families", _ran(report))
        page = story.visit()
        visited = [spec for spec in METHODS if tour(story, page, spec)]
        told_why = [spec for spec in METHODS if spec not in visited]
        opened = open_set("gentle")
        story.check(
            f"{len(visited)} methods ran; {len(told_why)} say what they need",
            told_why == [spec for spec in METHODS if missing(spec, opened)],
        )
    return story.held


def tour(story: Story, page: Page, spec: MethodSpec) -> bool:
    """Choose a method, merge and score it; return False when the set lacks what it needs."""
    page.locator(".me-all-button").click()
    page.locator(".me-search").fill(spec.id)
    entry = page.locator(f".me-method[data-method={spec.id}]")
    if entry.get_attribute("aria-disabled") == "true":
        story.check(f"{spec.label} says what is missing", entry.locator("em").inner_text() != "")
        page.keyboard.press("Escape")
        return False
    entry.click()
    page.wait_for_selector(f"#panel-{spec.id}", state="attached")
    page.wait_for_function(
        "label => document.querySelector('#method :checked')?.parentElement.innerText == label",
        arg=spec.label,
    )
    begin = time.perf_counter()
    page.locator("#go").click()
    page.wait_for_selector(f"#runs tbody tr.is-current:has-text('{spec.label}')", timeout=60_000)
    seconds = time.perf_counter() - begin
    story.report.add(f"{spec.label}: click to scores", seconds, "s", SLOW.get(spec.family, SECONDS))
    fresh = page.locator("#verdict .me-stale").count() == 0
    story.check(f"{spec.label} has its verdict", fresh and " keeps " in text(page, "#verdict"))
    story.shoot(page, f"method-{spec.id}")
    page.wait_for_selector("#go:not([disabled])")
    return True


def _ran(command: list[object]) -> bool:
    return subprocess.run([str(part) for part in command], check=False).returncode == 0
