"""A real browser on a real server, with a gate that holds merges where a test wants them."""

import os
import shutil
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Playwright, expect, sync_playwright

from merging.jobs import JobRunner, Report, ResultCache
from merging.recipe import Recipe
from scripts.browsing import FLAGS
from tests.browser.profiles import Profiles
from tests.held_measure import HeldMeasure
from ui.app import build_app, launch_options
from ui.services import Services
from ui.studies import Studies
from ui.sweeps import Sweeps

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
expect.set_options(timeout=15_000)
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "/browser/" in str(item.path):
            item.add_marker(pytest.mark.browser)


@dataclass(slots=True)
class GatedServices(Services):
    """Services whose merges wait at an open gate: closing it holds them in the middle."""

    gate: threading.Event = field(default_factory=threading.Event)
    broken: Exception | None = None

    def _work(self, recipe: Recipe, report: Report) -> str:
        report(0.1, "held by the test")
        while not self.gate.wait(0.05):
            report(0.1, "held by the test")
        if self.broken is not None:
            raise self.broken
        return Services._work(self, recipe, report)


@dataclass
class Site:
    """A running app."""

    url: str
    services: GatedServices
    models: Path


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    models = tmp_path_factory.mktemp("models")
    services = GatedServices(JobRunner(), models_dir=str(models))
    services.warm()
    demo = build_app(services)
    _, url, _ = demo.launch(prevent_thread_lock=True, quiet=True, **launch_options(services))
    yield Site(url, services, models)
    demo.close()
    services.close()


@pytest.fixture(autouse=True)
def open_gate(site: Site) -> None:
    site.services.gate.set()
    site.services.broken = None


@pytest.fixture(scope="session")
def playwright() -> Iterator[Playwright]:
    with sync_playwright() as found:
        yield found


@pytest.fixture(scope="session")
def browser(playwright: Playwright) -> Iterator[Browser]:
    found = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
    yield found
    found.close()


@pytest.fixture(scope="session")
def profiles(
    playwright: Playwright, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Profiles]:
    kept = playwright.chromium.launch_persistent_context(
        tmp_path_factory.mktemp("profile"), executable_path=CHROMIUM, args=FLAGS
    )
    yield Profiles(kept, lambda: request.getfixturevalue("browser"))
    kept.close()


class Visitor:
    """One browser profile with one page; any console error is kept."""

    def __init__(self, profiles: Profiles, url: str, query: str = "", **options: object) -> None:
        options = {"viewport": {"width": 1440, "height": 1500}, **options}
        origin = "/".join(url.split("/")[:3])
        self.profile = profiles.take(origin, **options)
        self.url, self.errors = f"{url}?{query}" if query else url, []
        self.page = self.open()

    def open(self) -> Page:
        page = self.profile.new_page()
        page.on("console", lambda m: self.errors.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.goto(self.url)
        self.ready(page)
        return page

    @staticmethod
    def ready(page: Page) -> None:
        """Wait until the page can be used."""
        ready(page)


def ready(page: Page) -> None:
    """Wait until the first paint is complete and the page has restored the visitor."""
    page.wait_for_selector("#scores .me-plot[data-drawn=yes]")
    page.wait_for_selector("#heatmap canvas[data-stamp]", state="attached")
    page.wait_for_function("localStorage.getItem('merge-explorer-owner') !== null")


class OwnVisitor(Visitor):
    """One browser profile on the page of own models."""

    @staticmethod
    def ready(page: Page) -> None:
        """Wait until the page has found the visitor and what can be chosen."""
        page.wait_for_function("localStorage.getItem('merge-explorer-owner') !== null")
        expect(page.locator("#own-base option").nth(4)).to_be_attached()  # none, and four models


def stamp(page: Page) -> str:
    return page.locator("#heatmap canvas").get_attribute("data-stamp") or ""


def slide(page: Page, selector: str, value: float) -> None:
    """Set a slider and wait until the heatmap is of the new recipe."""
    before = stamp(page)
    page.locator(f"{selector} input[type=range]").fill(str(value))
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)


def unfold(page: Page) -> None:
    """Open the recipe of a narrow page."""
    page.locator("#live .me-fold").click()
    expect(page.locator("#set")).to_be_visible()


def rest(page: Page) -> None:
    """Wait until the page's state knows where its sliders came to rest."""
    still = "#link .me-bar:not([data-moving=yes]):not([data-awaited=yes])"
    expect(page.locator(still)).to_have_count(1)


def merge(page: Page, runs: int) -> None:
    """Merge and evaluate, and wait until the list has that many runs."""
    page.locator("#go").click()
    expect(page.locator("#runs tbody tr[data-key]")).to_have_count(runs, timeout=30_000)


def choose(page: Page, name: str, method: str) -> None:
    """Choose one of the methods at hand and wait for its heatmap."""
    before = stamp(page)
    page.get_by_label(name, exact=True).check()
    expect(page.locator(f"#panel-{method}")).to_be_visible()
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)


def press(page: Page, selector: str, key: str, times: int = 1) -> None:
    """Move a slider by the keyboard and wait until the heatmap is of the new recipe."""
    slider = page.locator(selector)
    for _ in range(times):
        before = stamp(page)
        slider.focus()
        slider.press(key)
        expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)


@pytest.fixture
def visit(profiles: Profiles, site: Site) -> Iterator[object]:
    made: list[Visitor] = []

    def new(**options: object) -> Visitor:
        made.append(Visitor(profiles, site.url, **options))
        return made[-1]

    yield new
    for visitor in made:
        visitor.profile.leave()
    assert [error for visitor in made for error in visitor.errors] == []


@pytest.fixture(scope="session")
def models(site: Site) -> Path:
    """The server's folder of models, with tiny ones of all kinds in it."""
    from tests.own_models import make_models

    make_models(site.models)
    site.services.own.list_again()
    return site.models


@pytest.fixture
def visit_own(profiles: Profiles, site: Site, models: Path) -> Iterator[object]:
    made: list[Visitor] = []

    def new(**options: object) -> Visitor:
        made.append(OwnVisitor(profiles, f"{site.url}own", **options))
        return made[-1]

    yield new
    for visitor in made:
        visitor.profile.leave()
    assert [error for visitor in made for error in visitor.errors] == []


@pytest.fixture
def measure(site: Site, monkeypatch: pytest.MonkeyPatch) -> Iterator[HeldMeasure]:
    held = HeldMeasure([t["id"] for t in site.services.sets["gentle"].card["tasks"]])
    studies = Studies(site.services.jobs, ResultCache(100), lambda name: held)
    monkeypatch.setattr(site.services, "studies", studies)
    monkeypatch.setattr(site.services, "sweeps", Sweeps(studies))
    yield held
    held.gate.set()
