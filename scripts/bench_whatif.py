"""Time the page's what-ifs in headless Chromium: the first point, stopping, a slider meanwhile."""

import argparse
import sys
import time
from itertools import cycle
from pathlib import Path

from playwright.sync_api import Browser, Page

from scripts.bench_ui import EVENTS, TALL, values
from scripts.browsing import LIVE, Server, choose, chromium, drag, serving, visit
from scripts.figures import Report

BAR, TRY = "#whatif .me-whatif", "#whatif .me-try"
AXES = ("weight.digits", "weight.fashion", "density", "scale", "weight.optical")
BUSY = ("queued", "running")
# What is drawn, as a text: two sweeps may try the same value first, and find other scores.
POINTS = """() => {
  const mean = document.querySelector('#sweep .me-plot').data?.find(({ name }) => name === 'mean');
  return mean?.x.length ? `${mean.x} ${mean.y}` : '';
}"""


def state(page: Page) -> str:
    """Return how the sweep of a page stands."""
    return page.locator(BAR).get_attribute("data-state") or "idle"


def begin(page: Page, axis: str) -> float:
    """Try the values of something else; return when."""
    page.locator("#whatif select[data-field=vary]").select_option(axis)
    page.wait_for_url(lambda url: axis in url)
    page.locator(TRY).click()
    return time.perf_counter()


def ended(page: Page) -> None:
    """Wait until a sweep is over."""
    page.wait_for_selector(f"{BAR}:not([data-state=running]):not([data-state=queued])")


def measure_point_and_stop(browser: Browser, server: Server, report: Report) -> None:
    """Time from the button to the first drawn point, and from Stop to the end."""
    page, _, _ = visit(browser, server.url, viewport=TALL)
    choose(page, "TIES", "ties")
    firsts, stops = [], []
    for axis in AXES[:3]:
        known = page.evaluate(POINTS)
        pressed = begin(page, axis)
        page.wait_for_function(f"(known) => !['', known].includes(({POINTS})())", arg=known)
        firsts.append(time.perf_counter() - pressed)
        pressed = time.perf_counter()
        page.locator(TRY).click()
        ended(page)
        stops.append(time.perf_counter() - pressed)
    report.add("try values, click to the first drawn point", sorted(firsts)[1], "s", 1.0)
    report.add("stop, click to the end, the longest", max(stops), "s", 0.5)
    page.context.close()


def measure_meanwhile(browser: Browser, server: Server, report: Report) -> None:
    """Time a slider in one browser while another one's sweeps keep the worker busy."""
    page, _, _ = visit(browser, server.url, viewport=TALL)
    other, _, _ = visit(browser, server.url)
    choose(page, "TIES", "ties")
    choose(other, "DARE", "dare")
    axes = cycle(("weight.digits", "weight.fashion", "scale", "weight.optical"))
    times: list[float] = []
    for value in values(0.10, 0.01, EVENTS):
        if state(other) not in BUSY:
            begin(other, next(axes))
            other.wait_for_selector(f"{BAR}[data-state=running]")
        times += drag(page, "#ties-density", [value], LIVE)
    report.times("slider to all live charts during a sweep", times, 250, 250)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m scripts.bench_whatif", description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = Report()
    with chromium() as browser, serving() as server:
        measure_point_and_stop(browser, server, report)
        measure_meanwhile(browser, server, report)
    report.write(options.json)
    return 0 if report.reached else 1


if __name__ == "__main__":
    sys.exit(main())
