"""The page of own models in a browser: by pointer, by keyboard alone, on a phone, in the dark."""

import zipfile
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Page, expect
from safetensors.torch import load_file

from tests.browser.test_access import SMALL, tab_to, violations_in_both_themes
from tests.own_models import SCALE

pytestmark = pytest.mark.usefixtures("models")
IDLE = "Choose models"


def take(page: Page, label: str, name: str) -> None:
    page.get_by_label(label, exact=True).select_option(name)


def choose_two(page: Page) -> None:
    """Choose the base, a folder and an adapter, and wait until nothing blocks."""
    take(page, "Base", "base")
    take(page, "Model of expert 1", "one")
    take(page, "Model of expert 2", "lora-a")
    expect(page.locator("#own-findings")).to_contain_text("0 blocks", timeout=30_000)
    expect(page.locator("#own-go")).to_be_enabled()


def merged_folder(page: Page, folder: Path) -> Path:
    """Merge, fetch the archive, unpack it and return the model's folder."""
    page.locator("#own-go").click()
    expect(page.locator("#own-job")).to_contain_text("Merged in", timeout=60_000)
    expect(page.locator("#own-merged")).to_contain_text("all there and finite")
    with page.expect_download() as fetched:
        page.get_by_role("link", name="Download").click()
    fetched.value.save_as(folder / "merged.zip")
    with zipfile.ZipFile(folder / "merged.zip") as packed:
        packed.extractall(folder)
    (found,) = (path for path in folder.iterdir() if path.is_dir())
    return found


def test_choose_read_the_findings_merge_fetch_and_load(visit_own, models, tmp_path) -> None:
    page = visit_own().page
    expect(page.locator("#own-shelf")).to_contain_text("4 models, 2 adapters, 1 delta")
    expect(page.locator("#own-findings")).to_contain_text(IDLE)
    choose_two(page)
    expect(page.locator("#own-findings")).to_contain_text("0 blocks")
    expect(page.locator("#own-findings")).to_contain_text("no licence that we find")
    before = page.locator("#own-findings").inner_text()
    page.get_by_label("Weight of expert 2", exact=True).last.fill("0.5")
    expect(page.locator("#own-go")).to_be_enabled()
    folder = merged_folder(page, tmp_path)
    assert "licence" in before and "weight: 0.5" in (folder / "recipe.yaml").read_text()
    by_transformers_as_by_hand(folder, models)


def by_transformers_as_by_hand(folder: Path, models: Path) -> None:
    """Compare what transformers loads with base + 0.3 (one + 0.5 B·A·scale)."""
    from tiny_models import loaded

    ours = loaded("llama", folder).state_dict()
    base, one = (load_file(models / n / "model.safetensors") for n in ("base", "one"))
    pairs = load_file(models / "lora-a" / "adapter_model.safetensors")
    for name, start in base.items():
        change = one[name] - start
        key = f"base_model.model.{name.removesuffix('.weight')}.lora_"
        if f"{key}A.weight" in pairs:
            change += 0.5 * SCALE * pairs[f"{key}B.weight"] @ pairs[f"{key}A.weight"]
        torch.testing.assert_close(ours[name], start + 0.3 * change, rtol=1e-5, atol=1e-6)


def test_by_keyboard_from_the_first_tab_to_the_download(visit_own) -> None:
    page = visit_own(viewport={"width": 1440, "height": 900}).page
    tab_to(page, ".me-header a")
    tab_to(page, "#own-again")
    tab_to(page, "#own-base")
    page.keyboard.type("base")
    tab_to(page, "select[aria-label='Model of expert 1']")
    page.keyboard.type("one")
    expect(page.get_by_label("Model of expert 1")).to_be_focused()
    tab_to(page, "[aria-label='Weight of expert 1'][type=range]")
    page.keyboard.press("ArrowRight")
    tab_to(page, "select[aria-label='Model of expert 2']")
    page.keyboard.type("two")
    expect(page.get_by_label("Model of expert 2")).to_have_value("two")
    tab_to(page, "#method input[type=radio]")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#panel-ties")).to_be_visible()
    tab_to(page, "#ties-density input[type=range]")
    page.keyboard.press("ArrowRight")
    tab_to(page, "#own-option-dtype")
    page.keyboard.type("bf")
    expect(page.locator("#own-option-dtype")).to_have_value("bfloat16")
    expect(page.locator("#own-go")).to_be_enabled(timeout=30_000)
    tab_to(page, "#own-go")
    page.keyboard.press("Enter")
    expect(page.locator("#own-job")).to_contain_text("Merged in", timeout=60_000)
    expect(page.locator("#own-go")).to_be_focused()  # it was off while the merge ran
    tab_to(page, ".me-fetch")
    with page.expect_download() as fetched:
        page.keyboard.press("Enter")
    assert fetched.value.suggested_filename.startswith("merged-ties-")


def test_a_name_is_typed_whole(visit_own) -> None:
    """Every letter chooses; the next one must go on where the last one was."""
    page = visit_own(viewport={"width": 1440, "height": 900}).page
    tab_to(page, "select[aria-label='Model of expert 1']")
    page.keyboard.type("lora-b")
    expect(page.get_by_label("Model of expert 1")).to_have_value("lora-b")
    expect(page.get_by_label("Model of expert 1")).to_be_focused()
    expect(page.get_by_label("Model under the adapter of expert 1")).to_be_visible()


def test_a_blocked_merge_says_why(visit_own) -> None:
    page = visit_own().page
    choose_two(page)
    take(page, "Model of expert 2", "other/gpt2")
    button = page.locator("#own-go")
    expect(button).to_have_text("Merge (1 finding blocks it)", timeout=30_000)
    expect(button).to_be_disabled()
    expect(page.locator("#own-why")).to_contain_text("'llama' in base and 'gpt2' in other/gpt2")
    expect(page.locator("#own-findings tr.is-blocks").first).to_contain_text("Blocks")
    page.get_by_role("button", name="Take expert 2 off").click()
    expect(page.locator("#own-findings")).to_contain_text("0 blocks", timeout=30_000)
    expect(button).to_be_enabled()
    take(page, "Base", "")
    expect(page.locator("#own-why")).to_contain_text("Task arithmetic needs a base")
    expect(button).to_be_disabled()


RECIPE = """\
merge_method: ties
base_model: base
models:
  - model: one
    parameters: {weight: 0.5, densty: 0.3}
  - model: base+lora-b
    parameters: {weight: 0.25}
parameters: {density: 0.4}
"""


def test_a_recipe_of_mergekit_comes_in_and_goes_out(visit_own, tmp_path: Path) -> None:
    visitor = visit_own()
    page, path = visitor.page, tmp_path / "recipe.yaml"
    path.write_text(RECIPE)
    page.locator("#own-open input[type=file], input[type=file]").first.set_input_files(path)
    expect(page.locator("#own-notes")).to_contain_text("densty")
    expect(page.locator("#own-notes")).to_contain_text("Unknown key")
    expect(page.get_by_label("Model of expert 2")).to_have_value("lora-b")
    expect(page.locator("#ties-density input[type=number]")).to_have_value("0.4")
    with page.expect_download() as fetched:
        page.get_by_role("button", name="Save for mergekit").click()
    text = Path(fetched.value.path()).read_text()
    assert "merge_method: ties" in text and "model: base+lora-b" in text and "densty" not in text
    page.locator("input[type=file]").first.set_input_files(
        {"name": "big.yaml", "mimeType": "text/yaml", "buffer": b"x" * 900_000}
    )
    expect(page.locator("#notice")).to_contain_text("a recipe has at most 64 KiB")
    again = visitor.open()
    expect(again.get_by_label("Model of expert 2")).to_have_value("lora-b")


def test_axe_finds_nothing(visit_own) -> None:
    page = visit_own().page
    assert violations_in_both_themes(page) == []
    choose_two(page)
    take(page, "Model of expert 2", "other/gpt2")
    expect(page.locator("#own-go")).to_contain_text("block", timeout=30_000)
    page.locator("#own-fields select").last.select_option("adapter")
    expect(page.locator("#own-option-rank")).to_be_visible()
    assert violations_in_both_themes(page) == []


def test_the_button_is_in_sight_on_a_small_desk(visit_own) -> None:
    page = visit_own(viewport={"width": 1280, "height": 720}).page
    box = page.locator("#own-go").bounding_box()
    assert box is not None and box["y"] + box["height"] < 720


def test_on_a_phone_everything_fits_and_can_be_touched(visit_own) -> None:
    page = visit_own(viewport={"width": 390, "height": 844}, has_touch=True).page
    choose_two(page)
    page.locator("#own-go").click()
    expect(page.get_by_role("link", name="Download")).to_be_visible(timeout=60_000)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.evaluate(SMALL) == []
