"""Time the page in headless Chromium on localhost: start, first chart, sliders idle and busy.

On a virtual machine whose host gives its processors to others, what is timed is timed again, up to
five times: the round from which least was stolen is told, with what was.

Sliders are timed until the last of all live charts has drawn its answer: heatmap, sizes, winners,
and where a cell is open its parts, curves and twelve weights. The page is made so tall that all of
them are in view: what nobody sees is drawn when the slider pauses.
"""

import argparse
import gzip
import itertools
import sys
import time
from pathlib import Path

from playwright.sync_api import Browser, Page

from scripts.bench_crowd import measure_crowd
from scripts.browsing import (
    LIVE,
    OPENED,
    Server,
    choose,
    chromium,
    drag,
    first_chart,
    serving,
    state,
    visit,
    wait_for,
)
from scripts.figures import Report
from scripts.stolen import Timed, least_disturbed, loop_seconds

EVENTS = 50
TALL = {"width": 1440, "height": 5600}
METHODS = {
    "lambda of task arithmetic": ("Task arithmetic", "task_arithmetic", "scale", 0.05, 0.0),
    "density of TIES": ("TIES", "ties", "density", 0.01, 0.10),
    "drop rate of DARE": ("DARE", "dare", "drop_rate", 0.01, 0.30),
    "drop rate of DARE + TIES": ("DARE + TIES", "dare_ties", "drop_rate", 0.01, 0.30),
}
MOST_ASSETS = 400
APART = 400  # ms between one cell and the next
REST = 1500  # ms between one drag and the next
# Opens the next cell of the heatmap and resolves with the milliseconds until it is drawn.
OPEN = """async (key) => {
  const canvas = document.querySelector('#heatmap canvas');
  const press = (name) => canvas.dispatchEvent(
    new KeyboardEvent('keydown', { key: name, bubbles: true }));
  canvas.focus();
  press(key);
  return await new Promise((resolve, reject) => {
    const begin = performance.now();
    const seen = new MutationObserver(() => {
      seen.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - begin));
    });
    seen.observe(document.querySelector('#twelve'), { childList: true, subtree: true });
    press('Enter');
    setTimeout(() => reject(new Error('no cell')), 30000);
  });
}"""


def values(start: float, step: float, count: int) -> list[float]:
    """Return positions up the slider and down again, each different from the one before."""
    up = [round(start + step * i, 2) for i in range(20)]
    there_and_back = up + up[-2:0:-1]
    return [there_and_back[i % len(there_and_back)] for i in range(count)]


def dragged(
    page: Page, selector: str, places: list[float], charts: tuple[str, ...]
) -> Timed[list[float]]:
    """Time a drag; the page comes to rest before each round."""

    def work() -> list[float]:
        page.wait_for_timeout(REST)
        return drag(page, selector, places, charts)

    return least_disturbed(work)


def measure_idle(page: Page, report: Report) -> None:
    """Time every slider while nothing else runs."""
    for name, (label, panel, param, step, start) in METHODS.items():
        choose(page, label, panel)
        timed = dragged(page, f"#{panel}-{param}", values(start, step, EVENTS), LIVE)
        report.times(f"slider to all live charts, {name}", timed.found, 60, 120, timed.note)


def measure_cells(page: Page, report: Report) -> None:
    """Time the opening of cells, and a slider with one open."""
    choose(page, "TIES", "ties")
    page.locator("#heatmap canvas").focus()
    page.keyboard.press("ArrowUp")
    page.evaluate(OPEN, "ArrowRight")
    cells = least_disturbed(lambda: _open_cells(page))
    report.times("a cell to its detail", cells.found, 120, 120, cells.note)
    timed = dragged(page, "#ties-density", values(0.1, 0.01, EVENTS), (*LIVE, *OPENED))
    report.times("slider to all live charts, a cell open", timed.found, 60, 120, timed.note)


def _open_cells(page: Page) -> list[float]:
    steps = ["ArrowRight", "ArrowUp", "ArrowLeft", "ArrowDown"]
    times = []
    for i in range(EVENTS):
        page.wait_for_timeout(APART)
        times.append(page.evaluate(OPEN, steps[i % 4]) / 1e3)
    return times


def measure_big(browser: Browser, report: Report) -> None:
    """Time sliders on the sketch of a 135 M Llama with four experts."""
    with serving(("-m", "scripts.big_page")) as server:
        page, _, _ = visit(browser, server.url, viewport=TALL)
        timed = dragged(page, "#ties-density", values(0.1, 0.01, EVENTS), LIVE)
        name = "slider to all live charts, 30 layers, 4 experts"
        report.times(name, timed.found, 80, 150, timed.note)


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
    fresh = itertools.cycle(range(41, 95))

    def work() -> list[float]:
        times: list[float] = []
        for value in values(0.10, 0.01, EVENTS):
            if state(other) not in ("queued", "running"):
                drag(other, "#ties-density", [next(fresh) / 100])
                other.locator("#go").click()
                wait_for(other, "running")
            times += drag(page, "#ties-density", [value], LIVE)
        return times

    timed = least_disturbed(work)
    report.times("slider to all live charts while a merge runs", timed.found, 250, 250, timed.note)
    other.context.close()


def assets() -> float:
    """Return the size of our own css and js and of the first paint's data, compressed, in kB."""
    from ui.components.assets import head_html
    from ui.services import build_services
    from ui.theme import page_css

    services = build_services()
    from ui.app import build_app

    demo = build_app(services)
    parts = [page_css(), head_html()]
    for block in demo.blocks.values():
        parts += [str(getattr(block, name, "") or "") for name in ("js_on_load", "html_template")]
        parts.append(str(getattr(block, "value", "") or ""))
    services.close()
    return len(gzip.compress("\n".join(parts).encode())) / 1e3


def measure_start(browser: Browser, server: Server, report: Report) -> None:
    """Time the way to the first chart, and in turn that of a Gradio page with one component."""
    with serving(("-m", "scripts.bare_page")) as bare:

        def visits() -> list[tuple[float, float]]:
            return [
                (
                    first_chart(browser, server.url, viewport=TALL),
                    first_chart(browser, bare.url, viewport=TALL),
                )
                for _ in range(3)
            ]

        visits()  # the servers' first answers are their slowest
        timed = least_disturbed(visits)
    charts, least = (sorted(times)[1] for times in zip(*timed.found, strict=True))
    name = "navigation to first meaningful chart (heatmap)"
    report.add(name, charts, "s", 1.5, timed.note)
    report.add("the same of a Gradio page with one component", least, "s", note=timed.note)
    report.add("first chart over that page's", charts / least, "x")
    plots = least_disturbed(lambda: _first_plot(browser, server))
    report.add("navigation to the dot plot (plotly)", plots.found, "s", note=plots.note)


def _first_plot(browser: Browser, server: Server) -> float:
    page, seconds, _ = visit(browser, server.url, viewport=TALL)
    page.context.close()
    return seconds


def measure(browser: Browser, server: Server, report: Report) -> list[str]:
    """Measure everything; return console errors."""
    report.add(
        "python app.py to first answered request", server.start_seconds, "s", 12, server.note
    )
    measure_start(browser, server, report)
    page, _, errors = visit(browser, server.url, viewport=TALL)
    report.add("idle server, resident memory", server.memory_mb(), "MB", 900)
    measure_idle(page, report)
    measure_merges(page, report)
    measure_busy(browser, server, page, report)
    measure_cells(page, report)
    page.context.close()
    measure_crowd(browser, server, report)
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(prog="scripts/bench-ui", description=__doc__)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    report = Report()
    report.add("ten million steps of a Python loop", loop_seconds(), "s")
    report.add("our css, js and first data, compressed", assets(), "kB", MOST_ASSETS)
    with chromium() as browser:
        with serving() as server:
            errors = measure(browser, server, report)
        measure_big(browser, report)
    report.add("the same loop in the end", loop_seconds(), "s")
    report.write(options.json)
    for error in errors:
        print(f"console error: {error}")
    return 0 if report.reached and not errors else 1


if __name__ == "__main__":
    sys.exit(main())
