"""Take pictures of the page of own models, with tiny models on it, and list what it weighs."""

import argparse
import os
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from scripts.browsing import chromium, serving
from tests.own_models import make_models

SIZES = {"desk": (1440, 1000), "tablet": (900, 1100), "phone": (390, 844)}


def chosen(page: Page) -> None:
    """Choose a base, a folder and an adapter and merge them."""
    page.get_by_label("Base", exact=True).select_option("base")
    page.get_by_label("Model of expert 1").select_option("one")
    page.get_by_label("Model of expert 2").select_option("lora-a")
    expect(page.locator("#own-findings")).to_contain_text("0 blocks", timeout=30_000)
    page.locator("#own-go").click()
    expect(page.locator("#own-job")).to_contain_text("Merged in", timeout=60_000)


def blocked(page: Page) -> None:
    """Put a model of another architecture in."""
    page.get_by_label("Model of expert 2").select_option("other/gpt2")
    expect(page.locator("#own-go")).to_contain_text("block", timeout=30_000)


def main() -> None:
    """Take all pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out/own"))
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MODELS_DIR"] = str(make_models(Path(folder)))
        with serving() as server, chromium() as browser:
            for scheme in ("light", "dark"):
                for name, (width, height) in SIZES.items():
                    take(browser, server.url, out, (name, width, height), scheme)


def take(browser: Browser, url: str, out: Path, size: tuple[str, int, int], scheme: str) -> None:
    """Take the pictures of one size and theme.

    Raises:
        SystemExit: The page wrote an error to the console.
    """
    name, width, height = size
    errors: list[str] = []
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    page.on("console", lambda m: errors.append(m.text) if m.type == "error" else None)
    page.goto(f"{url}own")
    expect(page.locator("#own-base option")).to_have_count(5)
    for act in (chosen, blocked):
        act(page)
        path = out / f"own-{act.__name__}-{name}-{scheme}.png"
        page.screenshot(path=path, full_page=True, animations="disabled")
        print(path.name, f"{path.stat().st_size / 1000:.0f} kB")
    context.close()
    if errors:
        raise SystemExit(f"{name}: {errors[0]}")


if __name__ == "__main__":
    main()
