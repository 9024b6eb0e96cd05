"""Time the page in headless Chromium on localhost: start, first chart, sliders idle and busy."""

import argparse
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from scripts.browsing import Server, choose, chromium, drag, serving, state, visit, wait_for
from scripts.figures import Report

EVENTS = 50
METHODS = {
    "lambda of task arithmetic": ("Task arithmetic", "task_arithmetic", "scale", 0.05, 0.0),
    "density of TIES": ("TIES", "ties", "density", 0.01, 0.10),
    "drop rate of DARE": ("DARE", "dare", "drop_rate", 0.01, 0.30),
    "drop rate of DARE + TIES": ("DARE + TIES", "dare_ties", "drop_rate", 0.01, 0.30),
}


def values(start: float, step: float, count: int) -> list[float]:
    """Return positions up the slider and down again, each different from the one before."""
    up = [round(start + step * i, 2) for i in range(20)]
    there_and_back = up + up[-2:0:-1]
    return [there_and_back[i % len(there_and_back)] for i in range(count)]


def measure_idle(page: Page, report: Report) -> None:
    """Time every slider while nothing else runs."""
    for name, (label, panel, param, step, start) in METHODS.items():
        choose(page, label, panel)
        times = drag(page, f"#{panel}-{param}", values(start, step, EVENTS))
        report.times(f"slider to heatmap, {name}", times, 80, 150)


def measure_merges(page: Page, report: Report) -> None:
    """Time merge and evaluation from the click to the scores."""
    choose(page, "TIES", "ties")
    times = []
    for density in (0.31, 0.32, 0.33):
        drag(page, "#ties-density", [density])
        begin = time.perf_counter()
        page.locator("#go").click()
        page.wait_for_selector(f"#runs td:has-text('d {density:g} ')", timeout=60_000)
        times.append(time.perf_counter() - begin)
    report.add("merge and evaluate all tasks, click to scores", sorted(times)[1], "s", 3.0)


def measure_busy(browser: Browser, server: Server, page: Page, report: Report) -> None:
    """Time a slider in one browser while another one's merges keep the worker busy."""
    other, _, _ = visit(browser, server.url)
    choose(other, "TIES", "ties")
    times: list[float] = []
    density = 0.40
    for value in values(0.10, 0.01, EVENTS):
        if state(other) not in ("queued", "running"):
            density = round(density + 0.01, 2)
            drag(other, "#ties-density", [density])
            other.locator("#go").click()
            wait_for(other, "running")
        times += drag(page, "#ties-density", [value])
    report.times("slider to heatmap, density, while a merge runs", times, 300, 300)


def measure(browser: Browser, server: Server, report: Report) -> list[str]:
    """Measure everything; return console errors."""
    report.add("python app.py to first answered request", server.start_seconds, "s", 12)
    visit(browser, server.url)[0].context.close()
    charts, plots = [], []
    for _ in range(3):
        page, seconds, errors = visit(browser, server.url)
        plots.append(seconds)
        charts.append(page.evaluate("window.firstChart") / 1e3)
    report.add("navigation to first meaningful chart (heatmap)", sorted(charts)[1], "s", 2)
    report.add("navigation to the dot plot (plotly)", sorted(plots)[1], "s")
    report.add("idle server, resident memory", server.memory_mb(), "MB", 900)
    measure_idle(page, report)
    measure_merges(page, report)
    measure_busy(browser, server, page, report)
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench-ui", description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = Report()
    with serving() as server, chromium() as browser:
        errors = measure(browser, server, report)
    report.write(options.json)
    for error in errors:
        print(f"console error: {error}")
    return 0 if report.reached and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
