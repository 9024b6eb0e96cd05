"""The first experiment as a person lives it."""

import re
import zipfile
from pathlib import Path

from playwright.sync_api import Page, expect

from merging.evaluation import normalised
from merging.recipe import parse_recipe, write_recipe
from merging.sets import references
from tests.browser.conftest import Site, choose, press, rest

LAMBDA = "#task_arithmetic-scale input[type=range]"


def merge(page: Page) -> None:
    page.locator("#go").click()
    expect(page.locator("#job .me-job")).to_have_attribute("data-state", "done", timeout=30_000)


def test_first_paint_says_in_numbers_that_the_sum_ruins(visit, site: Site) -> None:
    page = visit().page
    record = site.services.first()
    known = references(record.recipe.set)
    mean = normalised(record.correct, known.own)[1].value
    base = normalised(known.base, known.own)[1].value
    sentence = page.locator("#verdict").inner_text().replace("\xa0", " ")
    assert sentence.startswith("Adding all five experts at full strength keeps")
    assert f"keeps {100 * mean:.0f} %" in sentence
    assert f"the untouched base, which keeps {100 * base:.0f} %" in sentence
    assert mean < 0.65 < base


def test_lambda_moves_sentence_heatmap_and_measured_scores(visit, site: Site) -> None:
    page = visit().page
    before = page.locator("#effect").inner_text()
    press(page, LAMBDA, "ArrowLeft", 14)
    rest(page)
    expect(page.locator("#formula")).to_contain_text("λ = 0.3")
    times = 0.3 * float(re.search(r"is ([\d.]+) ×", before)[1])
    shown = "|".join(f"{times + step / 100:.2f}" for step in (-1, 0, 1)).replace(".", r"\.")
    expect(page.locator("#effect")).to_contain_text(re.compile(rf"is ({shown})\s×"))
    expect(page.locator("#verdict")).to_contain_text("Task arithmetic of five experts at λ = 0.3")
    expect(page.locator("#verdict .me-stale")).to_have_count(0)


def test_density_moves_kept_share(visit) -> None:
    page = visit().page
    choose(page, "TIES", "ties")
    kept = r"\b{}\s% of each expert's changes are kept"
    expect(page.locator("#effect")).to_contain_text(re.compile(kept.format(r"(19\.[89]|20\.[01])")))
    press(page, "#ties-density input[type=range]", "ArrowRight", 5)
    expect(page.locator("#effect")).to_contain_text(re.compile(kept.format(r"(24\.[89]|25\.[01])")))
    expect(page.locator("#verdict .me-note")).to_contain_text("These scores are from Run 1")


def test_drop_rate_and_weight_move_the_sentence(visit) -> None:
    page = visit().page
    choose(page, "DARE", "dare")
    expect(page.locator("#effect")).to_contain_text("10.0 %")
    press(page, "#dare-drop_rate input[type=range]", "ArrowLeft", 5)
    expect(page.locator("#effect")).to_contain_text(re.compile(r"\b(14\.[89]|15\.[012])\s%"))
    before = page.locator("#effect").inner_text()
    press(page, "#weight-digits input[type=range]", "ArrowRight")
    expect(page.locator("#effect")).not_to_have_text(before)


def test_merge_joins_the_list_and_is_drawn_against_the_first(visit, site: Site) -> None:
    page = visit().page
    page.get_by_label("TIES", exact=True).check()
    press(page, "#ties-density input[type=range]", "ArrowRight")
    merge(page)
    expect(page.locator("#verdict")).to_contain_text("TIES of five experts at λ = 1")
    expect(page.locator("#verdict")).to_contain_text("Against Run 1")
    expect(page.locator("#runs tbody tr")).to_have_count(2)
    page.wait_for_function(
        """() => {
          const names = document.querySelector('#scores .me-plot').data.map(({ name }) => name);
          return names.includes('pinned: Run 1') && names.includes('merged');
        }"""
    )


def test_cancel_stops_a_running_merge_and_keeps_nothing(visit, site: Site) -> None:
    page = visit().page
    site.services.gate.clear()
    page.get_by_label("TIES", exact=True).check()
    press(page, "#ties-density input[type=range]", "ArrowRight", 3)
    page.locator("#go").click()
    expect(page.locator("#cancel")).to_be_enabled()
    page.locator("#cancel").click()
    expect(page.locator("#job .me-job")).to_have_attribute("data-state", "cancelled")
    expect(page.locator("#go")).to_be_enabled()
    expect(page.locator("#runs tbody tr")).to_have_count(1)


def test_model_and_recipe_are_downloaded_and_opened_again(visit, tmp_path: Path) -> None:
    page = visit().page
    press(page, LAMBDA, "ArrowLeft", 4)
    with page.expect_download() as model:
        page.locator("#save-model").click()
    model.value.save_as(tmp_path / "model.zip")
    with zipfile.ZipFile(tmp_path / "model.zip") as archive:
        names = {Path(name).name for name in archive.namelist()}
        inside = next(n for n in archive.namelist() if n.endswith("recipe.yaml"))
        recipe = parse_recipe(archive.read(inside).decode())
    weights = {"model.safetensors", "config.json"}
    assert names == weights | {"README.md", "recipe.yaml", "merge_report.json"}
    assert recipe.settings().number("scale") == 0.8
    with page.expect_download() as saved:
        page.locator("#save-recipe").click()
    saved.value.save_as(tmp_path / "recipe.yaml")
    other = visit().page
    other.locator("input[type=file]").first.set_input_files(tmp_path / "recipe.yaml")
    expect(other.locator("#formula")).to_contain_text("λ = 0.8")
    assert parse_recipe((tmp_path / "recipe.yaml").read_text()).key() == recipe.key()


def test_runs_are_shown_and_pinned_from_the_list(visit) -> None:
    page = visit().page
    page.get_by_label("Average", exact=True).check()
    expect(page.locator("#panel-linear")).to_be_visible()
    merge(page)
    expect(page.locator("#verdict")).to_contain_text("Averaging five experts")
    page.get_by_role("button", name="Pin Run 2").click()
    expect(page.locator("#runs tr.is-pinned")).to_contain_text("Run 2")
    page.get_by_role("button", name="Show Run 1").click()
    expect(page.locator("#verdict")).to_contain_text("Against Run 2")
    expect(page.locator("#panel-task_arithmetic")).to_be_visible()
    expect(page.locator("#formula")).to_contain_text("λ = 1")


def test_recipe_round_trip_keeps_weights(visit, site: Site, tmp_path: Path) -> None:
    recipe = site.services.first().recipe.patched(params={"scale": 0.4}, weights={"fashion": 0.5})
    path = tmp_path / "recipe.yaml"
    path.write_text(write_recipe(recipe))
    page = visit().page
    page.locator("input[type=file]").first.set_input_files(path)
    expect(page.locator("#weight-fashion input[type=number]")).to_have_value("0.5")
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", recipe.key())
