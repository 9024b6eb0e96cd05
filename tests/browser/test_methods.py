"""Choosing among all methods, and the controls that each brings."""

import re

from playwright.sync_api import Page, expect

from tests.browser.conftest import Site, press, ready, stamp


def pick(page: Page, name: str, method: str) -> None:
    """Choose a method by the search box and wait for its picture."""
    before = stamp(page)
    page.get_by_role("button", name=re.compile(r"All \d+ methods")).click()
    page.get_by_label("Search methods").fill(name)
    page.keyboard.press("Enter")
    expect(page.locator(f"#panel-{method}")).to_be_visible()
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)


def test_search_finds_by_name_idea_and_author(visit) -> None:
    page = visit().page
    page.get_by_role("button", name=re.compile(r"All \d+ methods")).click()
    box = page.get_by_label("Search methods")
    expect(box).to_be_focused()
    found = page.locator(".me-method:visible b")
    box.fill("tall masks")
    expect(found).to_have_text(["TALL masks"])
    box.fill("ainsworth")
    expect(found).to_have_text(["Git Re-Basin"])
    box.fill("zzz")
    expect(page.locator(".me-found")).to_have_text("No found")
    box.press("Escape")
    expect(box).to_be_hidden()
    expect(page.get_by_role("button", name=re.compile(r"All \d+ methods"))).to_be_focused()


def test_enter_takes_the_method_of_that_name(visit) -> None:
    page = visit().page
    pick(page, "slerp", "slerp")
    expect(page.locator("#notice")).to_contain_text("SLERP takes 2 of the experts: A Digits and B")
    expect(page.locator("#on-optical input")).not_to_be_checked()
    expect(page.locator("#weight-digits")).to_be_hidden()
    expect(page.get_by_label("SLERP", exact=True)).to_be_checked()
    page.get_by_label("TIES", exact=True).check()
    expect(page.locator("#weight-digits")).to_be_visible()
    expect(page.locator("#on-optical input")).to_be_checked()


def test_a_method_without_its_data_is_listed_with_what_is_missing(visit) -> None:
    page = visit().page
    page.get_by_role("button", name=re.compile(r"All \d+ methods")).click()
    page.get_by_label("Search methods").fill("fisher averaging")
    entry = page.locator(".me-method:visible")
    expect(entry).to_have_attribute("aria-disabled", "true")
    expect(entry).to_contain_text("Fisher")
    page.keyboard.press("Enter")
    entry.click(force=True)
    expect(entry).to_be_visible()
    expect(page.locator("#panel-task_arithmetic")).to_be_visible()


def test_one_value_each_and_back(visit) -> None:
    page = visit().page
    page.get_by_label("TIES", exact=True).check()
    expect(page.locator("#panel-ties")).to_be_visible()
    before = stamp(page)
    page.get_by_role("button", name="Density: one value for each expert").click()
    press(page, "#ties-density-fashion input[type=range]", "ArrowRight", 3)
    expect(page.locator("#formula")).to_contain_text("d = 0.2 to 0.23")
    expect(page.locator(".me-presets")).to_contain_text("changed: Density")
    page.get_by_role("button", name="Density: one value for all experts").click()
    expect(page.locator("#heatmap canvas")).to_have_attribute("data-stamp", before)


def test_presets_fill_in_and_say_what_was_changed_since(visit) -> None:
    page = visit().page
    page.get_by_label("TIES", exact=True).check()
    press(page, "#ties-density input[type=range]", "ArrowRight")
    expect(page.locator(".me-presets")).to_contain_text("changed: Density")
    page.get_by_role("button", name="mergekit", exact=True).click()
    expect(page.locator("#ties-density input[type=number]")).to_have_value("1")
    expect(page.locator("#formula")).to_contain_text("Unlike the formula: trim over: tensor")
    page.get_by_role("button", name="As in the paper").click()
    expect(page.locator("#ties-density input[type=number]")).to_have_value("0.2")
    expect(page.locator("#formula")).not_to_contain_text("Unlike the formula")


def test_settings_of_a_method_wait_while_another_is_chosen(visit) -> None:
    page = visit().page
    press(page, "#task_arithmetic-scale input[type=range]", "ArrowLeft", 2)
    page.get_by_label("DARE", exact=True).check()
    expect(page.locator("#panel-dare")).to_be_visible()
    page.get_by_label("Task arithmetic", exact=True).check()
    expect(page.locator("#task_arithmetic-scale input[type=number]")).to_have_value("0.9")


def test_a_switch_brings_its_controls(visit) -> None:
    page = visit().page
    page.locator("#panel summary").click()
    shallow = page.locator("#task_arithmetic-shallow")
    expect(shallow).to_be_hidden()
    before = stamp(page)
    page.get_by_label("Scale by depth").check()
    expect(shallow).to_be_visible()
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)
    expect(page.locator("#formula")).to_contain_text("Unlike the formula: scale by depth")


def test_order_is_changed_by_keyboard(visit, site: Site) -> None:
    page = visit().page
    pick(page, "checkpoint ema", "checkpoint_ema")
    later = page.get_by_role("button", name="A Digits: later")
    later.focus()
    before = stamp(page)
    page.keyboard.press("Enter")
    expect(page.locator("#heatmap canvas")).not_to_have_attribute("data-stamp", before)
    expect(page.locator(".me-order li span").first).to_have_text("B Clothing")
    expect(page.get_by_role("button", name="A Digits: later")).to_be_focused()


def test_a_run_of_a_new_method_is_found_again_after_a_reload(visit, site: Site) -> None:
    page = visit().page
    pick(page, "model stock", "model_stock")
    page.locator("#go").click()
    expect(page.locator("#job .me-job")).to_have_attribute("data-state", "done", timeout=30_000)
    expect(page.locator("#verdict")).to_contain_text("Model Stock of five experts")
    page.reload()
    ready(page)
    expect(page.locator("#panel-model_stock")).to_be_visible()
    expect(page.get_by_label("Model Stock", exact=True)).to_be_checked()


def test_the_reference_is_a_page_of_the_app(visit) -> None:
    page = visit().page
    page.get_by_role("link", name="Method reference").click()
    expect(page.get_by_role("heading", name="TIES", exact=True)).to_be_visible()
    page.get_by_role("link", name="Back to Merge explorer").click()
    ready(page)
