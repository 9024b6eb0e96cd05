"""Values by layer and own data on the page of own models, in a browser: by keyboard, on a phone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from safetensors.torch import load_file

from merging.checkpoints import open_folder
from merging.evaluation.own_data import read_own_data
from merging.evaluation.own_models import open_model
from merging.evaluation.own_scores import score_own
from merging.recipe import parse_recipe
from tests.browser.conftest import Site
from tests.browser.test_access import violations

PHONE = {"width": 390, "height": 844}
BLOCKS, CAPTION = "#own-blocks", "#own-blocks .me-caption"
NAMES = ("start", "left", "right")


@pytest.fixture(scope="module")
def readers(site: Site, models: Path) -> Iterator[Path]:
    """Three models that can read, in the server's folder while these stories go on."""
    from reading_models import reading

    folder = models / "reading"
    for seed, name in enumerate(NAMES):
        reading("llama", folder / name, seed)
    site.services.own.list_again()
    yield folder
    shutil.rmtree(folder)
    site.services.own.list_again()


@pytest.fixture
def own(visit_own, readers):
    """A page with the three models chosen and nothing that blocks."""

    def opened(**options: object) -> Page:
        page = visit_own(**options).page
        labels = ("Base", "Model of expert 1", "Model of expert 2")
        for label, name in zip(labels, NAMES, strict=True):
            choice = page.get_by_label(label, exact=True)
            expect(choice.locator(f"option[value='reading/{name}']")).to_have_count(1)
            choice.select_option(f"reading/{name}")
        expect(page.locator("#own-go")).to_be_enabled(timeout=30_000)
        return page

    return opened


def merged(page: Page) -> None:
    page.locator("#own-go").click()
    expect(page.locator("#own-job")).to_contain_text("Merged in", timeout=60_000)


def newest(site: Site) -> Path:
    return site.services.own.outputs._kept[-1].folder


def hand_in(page: Page, path: Path) -> None:
    with page.expect_file_chooser() as chooser:
        page.locator("#own-data-open").press("Enter")
    chooser.value.set_files(path)


def texts_file(folder: Path) -> Path:
    from reading_models import texts

    path = folder / "mine.jsonl"
    path.write_bytes(texts(40))
    return path


def test_a_gradient_by_keyboard_then_own_scores(own, site: Site, readers: Path, tmp_path) -> None:
    page = own()
    expect(page.locator(CAPTION)).to_have_text("Weight of left: 1 everywhere.")
    page.locator("#own-blocks select").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # the second preset: ramp up
    up = page.locator(f"{BLOCKS} [data-preset=up]")
    expect(up).to_have_attribute("aria-pressed", "true")
    expect(up).to_be_focused()
    expect(page.locator(CAPTION)).to_contain_text("from 0 at the first layer to 1 at the last")
    page.locator("#own-local summary").first.press("Enter")
    rows = page.locator("#own-local .me-table tbody tr")
    expect(rows).to_have_text(["Embeddings0", "00", "11", "Final0"])

    cell = page.get_by_label("Weight of left, Final norm and head, Other")
    cell.focus()
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("0.5")
    page.keyboard.press("Enter")
    expect(rows).to_have_text(["Embeddings0", "00", "11", "Final0.5"])
    expect(cell).to_be_focused()
    expect(page.locator("#own-go")).to_be_enabled(timeout=30_000)

    merged(page)
    recipe = parse_recipe((newest(site) / "recipe.yaml").read_text())
    (local,) = recipe.local
    assert (local.param, local.expert) == ("weight", "reading/left")
    weights_by_hand(newest(site), readers)

    data = texts_file(tmp_path)
    hand_in(page, data)
    expect(page.locator("#own-data")).to_contain_text(f"Your data, {data.name}: 40 plain texts")
    page.locator("#own-score").click()
    table = page.locator("#own-scores-table tbody tr")
    expect(table).to_have_count(4, timeout=60_000)
    data = read_own_data(texts_file(tmp_path).read_bytes(), "a.jsonl")
    folders = [*(readers / name for name in NAMES), newest(site)]
    for row, folder in zip(table.all(), folders, strict=True):
        value = score_own(open_model(open_folder(folder)), data).perplexity().value
        expect(row.locator("td").nth(1)).to_contain_text(f"{value:.4g} (")


def weights_by_hand(folder: Path, readers: Path) -> None:
    """Compare with start + 0.3 (w (left - start) + (right - start)), w by layer."""
    start, left, right, ours = (
        load_file(path / "model.safetensors") for path in (*(readers / n for n in NAMES), folder)
    )
    for name, base in start.items():
        final = name in ("model.norm.weight", "lm_head.weight")
        weight = 0.5 if final else 1.0 if ".layers.1." in name else 0.0
        wanted = base + 0.3 * (weight * (left[name] - base) + right[name] - base)
        assert (ours[name] - wanted).abs().max() < 1e-5, name


def test_without_data_outputs_are_compared_and_bad_data_is_told(own, tmp_path) -> None:
    page = own()
    merged(page)
    (tmp_path / "bad.csv").write_text("text,label\nalone\n")
    hand_in(page, tmp_path / "bad.csv")
    expect(page.get_by_role("alert").first).to_contain_text("line 2: 1 fields")
    page.locator("#own-compare").click()
    expect(page.locator("#own-scores-table tbody tr")).to_have_count(3, timeout=60_000)
    expect(page.locator("#own-scores-table")).to_contain_text("answers most like")
    expect(page.locator("#own-scores .me-plot")).to_have_attribute("data-drawn", "yes")


@pytest.mark.parametrize("size", [{}, {"viewport": PHONE, "color_scheme": "dark"}])
def test_the_sections_are_named_and_fit(own, size: dict) -> None:
    page = own(**size)
    page.locator(f"{BLOCKS} [data-preset=middle]").click()
    expect(page.locator(f"{BLOCKS} [data-preset=middle]")).to_have_attribute("aria-pressed", "true")
    expect(page.locator("#own-local .me-plot")).to_have_attribute("data-drawn", "yes")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_a_number_out_of_range_is_told_beside_the_table(own) -> None:
    page = own()
    cell = page.get_by_label("Weight of left, Embeddings, Other")
    cell.fill("99")
    cell.press("Enter")
    expect(page.locator(f"{BLOCKS} [role=status]")).to_contain_text("99 is above 10.")
    expect(page.locator(CAPTION)).to_have_text("Weight of left: 1 everywhere.")
    cell.fill("2")
    cell.press("Enter")
    expect(page.locator(CAPTION)).to_contain_text("from 1 to 2, by layer and module")
