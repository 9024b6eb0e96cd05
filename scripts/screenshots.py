"""Take the README's pictures of the page in headless Chromium, each under 200 kB."""

import argparse
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from playwright.sync_api import Browser, Page

from scripts.browsing import chromium, serving, visit

HERE = Path(__file__).resolve().parents[1] / "assets" / "screenshots"
DESK = {"width": 1440, "height": 900}
PHONE = {"width": 390, "height": 844}
LARGEST = 200_000
COLOURS = (256, 128, 64, 32)
STRIP, LINE = 44, 72  # pixels of what stays on top, on a desk and on a phone

DRAWN = """[...document.querySelectorAll('.me-figure:not([hidden]) .me-plot:not([hidden])')]
  .every((plot) => plot.dataset.drawn === 'yes')"""


def as_it_opens(page: Page) -> None:
    """Leave the page as it is."""


def cell_opened(page: Page) -> None:
    """Bring the opened cell into view, below its row of the heatmap."""
    page.wait_for_selector("#twelve table")
    page.wait_for_selector("#cell .me-plot[data-drawn=yes]", state="attached")
    _scroll_to(page, "#section-conflict", STRIP)


def cured(page: Page) -> None:
    """Score milder settings beside the pinned first experiment."""
    page.locator("#go").click()
    page.wait_for_function("document.querySelectorAll('#runs tbody tr').length === 2")


def recipe_folded(page: Page) -> None:
    """Fold the recipe column, so that the scores are in sight."""
    page.locator("#live .me-fold").click()
    _scroll_to(page, "#section-scores", LINE)


@dataclass(frozen=True)
class Shot:
    """One picture: where the page starts, and what is done there."""

    name: str
    query: str
    size: dict[str, int]
    act: Callable[[Page], None]


SHOTS = (
    Shot("first", "", DESK, as_it_opens),
    Shot("cell", "?v=1&method=ties&cell=L2 q", DESK, cell_opened),
    Shot("compare", "?v=1&scale=0.15", DESK, cured),
    Shot("phone", "", PHONE, recipe_folded),
)


def main() -> None:
    """Take all pictures, or those named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"of {', '.join(s.name for s in SHOTS)}")
    parser.add_argument("--out", type=Path, default=HERE)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    wanted = [shot for shot in SHOTS if not args.names or shot.name in args.names]
    with serving() as server, chromium() as browser:
        for shot in wanted:
            for scheme in ("light", "dark"):
                path = args.out / f"{shot.name}-{scheme}.png"
                path.write_bytes(small(taken(browser, server.url, shot, scheme)))
                print(path.name, f"{path.stat().st_size / 1000:.0f} kB")


def taken(browser: Browser, url: str, shot: Shot, scheme: str) -> bytes:
    """Return the picture of a new visitor's page, as PNG.

    Raises:
        SystemExit: The page wrote an error to the console.
    """
    page, _, errors = visit(browser, url + shot.query, viewport=shot.size, color_scheme=scheme)
    shot.act(page)
    page.mouse.move(0, 0)
    page.wait_for_function(DRAWN)
    picture = page.screenshot(animations="disabled")
    page.context.close()
    if errors:
        raise SystemExit(f"{shot.name}: {errors[0]}")
    return picture


def small(picture: bytes) -> bytes:
    """Return a PNG of at most 200 kB: with fewer colours, where it needs that."""
    whole = Image.open(io.BytesIO(picture)).convert("RGB")
    for colours in COLOURS:
        file = io.BytesIO()
        whole.quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        if file.tell() <= LARGEST:
            break
    return file.getvalue()


def _scroll_to(page: Page, selector: str, above: int) -> None:
    page.evaluate(
        "([selector, above]) => scrollTo(0, scrollY - above"
        " + document.querySelector(selector).getBoundingClientRect().top)",
        [selector, above],
    )


if __name__ == "__main__":
    main()
