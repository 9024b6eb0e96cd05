"""What the stories of ``scripts/demo`` share: checks, screenshots, figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Page

from scripts.browsing import Server, chromium, serving, visit
from scripts.figures import Report


class Story:
    """One run through the app: steps that check, screenshots, figures."""

    def __init__(self, server: Server, browser: Browser, out: Path) -> None:
        self.server, self.browser, self.out = server, browser, out
        self.report = Report()
        self.failures: list[str] = []
        self.errors: list[str] = []

    @property
    def held(self) -> bool:
        """Whether every check held and every figure reached its target."""
        return self.report.reached and not self.failures

    def visit(self, **options: object) -> Page:
        page, _, errors = visit(self.browser, self.server.url, **options)
        self.errors = errors if not self.errors else self.errors + errors
        return page

    def check(self, what: str, holds: bool) -> None:
        print(f"{'ok    ' if holds else 'FAILED'} {what}", flush=True)
        if not holds:
            self.failures.append(what)

    def shoot(self, page: Page, name: str) -> None:
        page.screenshot(path=self.out / f"{name}.png", full_page=True)


def text(page: Page, selector: str) -> str:
    """Return the text of an element, with plain spaces."""
    return page.locator(selector).inner_text().replace("\xa0", " ")


@contextmanager
def told(out: Path) -> Iterator[Story]:
    """Start the app and a browser, and write the figures at the end; errors count as misses."""
    out.mkdir(parents=True, exist_ok=True)
    with serving() as server, chromium() as browser:
        story = Story(server, browser, out)
        yield story
    story.report.write(out / "figures.json")
    for error in story.errors:
        story.check(f"console error: {error}", False)
