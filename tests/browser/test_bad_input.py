"""Whatever comes in: a sentence in the page, nothing lost, nobody else bothered."""

import re
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from merging.errors import ResourceError
from tests.browser.conftest import Site, press


def hand_in(page: Page, path: Path, text: str) -> None:
    path.write_text(text)
    page.locator("input[type=file]").first.set_input_files(path)


HEAD = "format: merge-explorer/1\n"
BROKEN = {
    "an unknown method": (
        HEAD + "set: gentle\nmethod: tise\nexperts: [digits]\n",
        "Unknown method 'tise'. Did you mean 'ties'?",
    ),
    "an unknown expert": (
        HEAD + "set: gentle\nmethod: ties\nexperts: [digit]\n",
        "Unknown expert in the set gentle 'digit'. Did you mean 'digits'?",
    ),
    "another set": (
        HEAD + "set: gentel\nmethod: ties\nexperts: [digits]\n",
        "Unknown set 'gentel'. Did you mean 'gentle'?",
    ),
    "folders": (
        HEAD + "base: /etc\nmethod: ties\nexperts: [/etc/passwd]\n",
        "This recipe names folders of its own.",
    ),
    "not a number": (
        HEAD + "set: gentle\nmethod: ties\nexperts: [digits]\nparams: {density: .nan}\n",
        "method ties: density is nan; it must be a finite number.",
    ),
    "no expert": (
        HEAD + "set: gentle\nmethod: ties\nexperts: []\n",
        "No expert is chosen. Pick at least one.",
    ),
    "not YAML": ("method: [", "The recipe is not valid YAML: line 1"),
    "markup": (
        HEAD + "set: <img src=x onerror=alert(1)>\nmethod: ties\nexperts: [digits]\n",
        "Unknown set '<img src=x onerror=alert(1)>'",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_broken_recipe_is_refused_in_words(visit, tmp_path: Path, name: str) -> None:
    page = visit().page
    text, sentence = BROKEN[name]
    before = page.locator("#effect").inner_text()
    hand_in(page, tmp_path / "recipe.yaml", text)
    expect(page.locator("#notice")).to_contain_text(sentence)
    assert page.locator("#effect").inner_text() == before
    page.get_by_role("button", name="Dismiss").click()
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()


def test_weight_out_of_range_then_back(visit) -> None:
    page = visit().page
    box = page.locator("#weight-digits input[type=number]")
    said = page.locator("#weight-digits .me-typed")
    before = page.locator("#formula").inner_text()
    box.fill("99")
    expect(said).to_have_text("99 does not count: this slider goes from 0 to 2.")
    expect(box).to_have_attribute("aria-invalid", "true")
    box.fill("0.5")
    expect(said).to_have_count(0)
    expect(box).not_to_have_attribute("aria-invalid", "true")
    expect(page).to_have_url(re.compile("digits:0.5"))
    assert before == page.locator("#formula").inner_text()
    box.fill("99")
    box.press("Enter")
    expect(said).to_have_text("This slider goes from 0 to 2: 99 became 2.")
    expect(page).to_have_url(re.compile("digits:2"))
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()


@pytest.mark.parametrize(
    ("typed", "counts", "sentence"),
    [
        ("5", "2", "This slider goes from 0 to 2: 5 became 2."),
        ("-1", "0", "This slider goes from 0 to 2: -1 became 0."),
        ("", "1", "A number is needed here. Back to 1."),
    ],
)
def test_a_number_beyond_the_slider_is_moved_back_with_a_word(
    visit, typed: str, counts: str, sentence: str
) -> None:
    """What the page shows is always of the number that stands in the box."""
    page = visit().page
    block = page.locator("#task_arithmetic-scale")
    box = block.locator("input[type=number]")
    box.focus()
    box.fill(typed)
    expect(block.locator(".me-typed")).not_to_have_count(0)
    expect(page.locator("#formula")).to_contain_text("λ = 1\n")
    box.blur()
    expect(block.locator(".me-typed")).to_have_text(sentence)
    expect(box).to_have_value(counts)
    expect(page.locator("#formula")).to_contain_text(f"λ = {counts}\n")
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()
    block.locator("input[type=range]").fill("0.5")
    expect(block.locator(".me-typed")).to_have_count(0)


def test_no_expert_then_one(visit) -> None:
    page = visit().page
    for name in ("digits", "fashion", "optical", "scripts", "pictograms"):
        page.locator(f"#on-{name} input").uncheck()
    expect(page.locator("#notice")).to_contain_text("No expert is chosen. Pick at least one.")
    expect(page.locator("#effect")).to_contain_text("The charts below are of the last settings")
    expect(page.locator("#heatmap .me-heat")).to_have_css("opacity", "0.5")
    page.locator("#on-digits input").check()
    expect(page.locator("#effect")).to_contain_text("With one expert there is nobody to disagree")
    expect(page.locator("#heatmap canvas")).to_be_hidden()
    page.get_by_label("Only one survives", exact=True).check()
    expect(page.locator("#heatmap canvas")).to_be_visible()


def test_what_is_said_of_no_expert_goes_when_undo_brings_them_back(visit) -> None:
    """One step: the last box comes back. The server ticks it, and no box tells of that."""
    page = visit().page
    for name in ("digits", "fashion", "optical", "scripts", "pictograms"):
        page.locator(f"#on-{name} input").uncheck()
    said = page.locator("#live .me-line-recipe")
    expect(page.locator(".me-empty")).to_be_visible()
    expect(said).to_have_text("No expert is chosen.")
    page.get_by_role("button", name="Undo", exact=True).click()
    expect(page.locator("#on-pictograms input")).to_be_checked()
    expect(page.locator(".me-empty")).to_be_hidden()
    expect(said).to_contain_text("1 expert")
    expect(page.locator(".me-expert input:checked")).to_have_count(1)
    expect(page.locator("#notice .me-notice-box")).to_be_hidden()
    expect(page.locator("#effect")).not_to_contain_text("The charts below are of")


PROBLEMS = (
    (RuntimeError("secret detail"), "Something broke on our side"),
    (MemoryError(), "Memory ran out. Nothing was lost."),
    (ResourceError("Not enough memory on cpu for 5 experts."), "Not enough memory on cpu"),
)


def test_worker_that_raises_is_told_and_works_on(visit, site: Site) -> None:
    page, other = visit().page, visit().page
    page.get_by_label("DARE + TIES", exact=True).check()
    expect(page.locator("#panel-dare_ties")).to_be_visible()
    press(page, "#dare_ties-drop_rate input[type=range]", "ArrowLeft")
    for problem, sentence in PROBLEMS:
        site.services.broken = problem
        page.locator("#go").click()
        expect(page.locator("#job")).to_contain_text(sentence)
        assert "secret detail" not in page.locator("body").inner_text()
    site.services.broken = None
    assert other.locator("#job").inner_text().strip() == ""
    page.locator("#go").click()
    expect(page.locator("#job .me-job")).to_have_attribute("data-state", "done", timeout=30_000)


def test_double_click_and_second_tab_make_one_job(visit, site: Site) -> None:
    visitor = visit()
    page = visitor.page
    site.services.gate.clear()
    page.get_by_label("DARE", exact=True).check()
    expect(page.locator("#panel-dare")).to_be_visible()
    page.locator("#go").dblclick()
    expect(page.locator("#job")).to_contain_text("Held by the test")
    tab = visitor.open()
    expect(tab.locator("#job")).to_contain_text("Held by the test")
    expect(tab.locator("#go")).to_be_disabled()
    site.services.gate.set()
    for view in (page, tab):
        expect(view.locator("#job .me-job")).to_have_attribute("data-state", "done", timeout=30_000)
        expect(view.locator("#runs tbody tr")).to_have_count(2)
