"""Start the app as a user does and drive it in headless Chromium; shared by bench-ui and demo."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from playwright.sync_api import Browser, Page, sync_playwright

from scripts.stolen import once

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

# Moves a slider and resolves with the milliseconds until each of some charts shows the answer.
MOVE = """async ([selector, value, charts]) => {
  const nodes = charts.map((chart) => document.querySelector(chart));
  const before = nodes.map((node) => node.dataset.stamp);
  const slider = document.querySelector(selector + ' input[type=range]');
  const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
  return await new Promise((resolve, reject) => {
    const begin = performance.now();
    const seen = new MutationObserver(() => {
      if (nodes.some((node, i) => node.dataset.stamp === before[i])) return;
      seen.disconnect();
      requestAnimationFrame(() => resolve(performance.now() - begin));
    });
    nodes.forEach((node) => seen.observe(node, { attributeFilter: ['data-stamp'] }));
    set.call(slider, String(value));
    slider.dispatchEvent(new Event('input', { bubbles: true }));
    setTimeout(() => reject(new Error('no answer to ' + value)), 30000);
  });
}"""
HEATMAP = ("#heatmap canvas",)
LIVE = (*HEATMAP, "#magnitudes .me-plot", "#who-won .me-plot")
OPENED = ("#cell .me-plot", "#curves .me-plot", "#twelve .me-weights")


# Notes when the heatmap is first drawn, in milliseconds since navigation.
NOTE_FIRST_CHART = """new MutationObserver((_, seen) => {
  if (!document.querySelector('#heatmap canvas[data-stamp]')) return;
  window.firstChart = performance.now();
  seen.disconnect();
}).observe(document, { subtree: true, childList: true, attributes: true });"""


@dataclass(frozen=True)
class Server:
    """A running app."""

    url: str
    process: subprocess.Popen
    start_seconds: float
    note: str

    def memory_mb(self) -> float:
        """Return resident memory."""
        with open(f"/proc/{self.process.pid}/status") as file:
            line = next(row for row in file if row.startswith("VmRSS"))
        return int(line.split()[1]) / 1024


@contextmanager
def serving(program: tuple[str, ...] = ("app.py",)) -> Iterator[Server]:
    """Run ``python app.py``, or another program, on a free port until the end of the block."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *program, "--port", str(port)],
        stdout=subprocess.DEVNULL,
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
    )
    try:
        url = f"http://127.0.0.1:{port}/"
        started = once(lambda: _wait(url, process))
        yield Server(url, process, time.perf_counter() - begin, started.note)
    finally:
        process.terminate()
        process.wait(20)


def _wait(url: str, process: subprocess.Popen) -> None:
    end = time.perf_counter() + 120
    while time.perf_counter() < end:
        if process.poll() is not None:
            raise SystemExit(f"the app ended with code {process.returncode}")
        try:
            urllib.request.urlopen(url, timeout=1).read()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("the app did not answer within 120 s")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Run the system's Chromium."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        raise SystemExit("Chromium is not installed (Debian: apt-get install chromium).")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=FLAGS)
        yield browser
        browser.close()


def visit(browser: Browser, url: str, **options: object) -> tuple[Page, float, list[str]]:
    """Open the page as a new visitor; return it, the seconds to its dot plot, console errors."""
    errors: list[str] = []
    options = {"viewport": {"width": 1440, "height": 1500}, **options}
    page = browser.new_context(accept_downloads=True, **options).new_page()
    page.add_init_script(NOTE_FIRST_CHART)
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    begin = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_selector("#scores .me-plot[data-drawn=yes]", state="attached")
    seconds = time.perf_counter() - begin
    page.wait_for_selector("#heatmap canvas[data-stamp]")
    page.wait_for_function("localStorage.getItem('merge-explorer-owner') !== null")
    return page, seconds, errors


def first_chart(browser: Browser, url: str, **options: object) -> float:
    """Return the seconds from a new visitor's navigation to the heatmap."""
    page = browser.new_context(**options).new_page()
    page.add_init_script(NOTE_FIRST_CHART)
    page.goto(url, wait_until="commit")
    page.wait_for_function("window.firstChart")
    seconds = float(page.evaluate("window.firstChart")) / 1e3
    page.context.close()
    return seconds


def drag(
    page: Page, selector: str, values: list[float], charts: tuple[str, ...] = HEATMAP
) -> list[float]:
    """Move a slider through values, waiting for the answer of all charts; return the seconds."""
    return [page.evaluate(MOVE, [selector, value, list(charts)]) / 1e3 for value in values]


def choose(page: Page, method: str, panel: str) -> None:
    """Choose a method and wait for its controls and its heatmap."""
    radio = page.get_by_label(method, exact=True)
    if radio.is_checked():
        return
    before = page.locator("#heatmap canvas").get_attribute("data-stamp")
    radio.check()
    page.wait_for_selector(f"#panel-{panel}", state="visible")
    page.wait_for_selector(f"#heatmap canvas:not([data-stamp='{before}'])")


def state(page: Page) -> str:
    """Return the state of the job line."""
    return page.locator("#job .me-job").get_attribute("data-state") or "idle"


def wait_for(page: Page, wanted: str, seconds: float = 60) -> None:
    """Wait until the job line is in a state."""
    selector = f"#job .me-job[data-state={wanted}]"
    page.wait_for_selector(selector, state="attached", timeout=seconds * 1e3)
