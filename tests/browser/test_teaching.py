"""The sets for teaching: folded until asked for, chosen by keyboard, merged as any other."""

from playwright.sync_api import expect

from tests.browser.conftest import Site


def test_a_set_for_teaching_is_found_by_keyboard_and_merged(visit, site: Site) -> None:
    page = visit().page
    shown = page.locator("#set label:visible")
    expect(shown).to_have_text(["Gentle", "Bold", "Stranger"])
    page.get_by_text("Sets for lessons").focus()
    page.keyboard.press("Enter")
    expect(shown).to_have_text([s.card["label"] for s in site.services.sets.values()])
    page.get_by_role("radio", name="Checkpoints").focus()
    page.keyboard.press("Space")
    expect(page.locator("#set")).to_contain_text("one training run of a narrow scripts expert")
    expect(page.locator("#on-expert-6")).to_contain_text("F Step 900")
    expect(page.locator("#on-expert-6 input")).to_be_checked()
    page.get_by_text("Sets for lessons").click()
    expect(shown).to_have_text(["Gentle", "Bold", "Stranger", "Checkpoints"])
    page.get_by_role("button", name="Reset").click()
    expect(page.locator("#live")).to_contain_text("Average · 6 experts")
    page.locator("#on-expert-6 input").uncheck()
    expect(page.locator("#live")).to_contain_text("Average · 5 experts")
    page.locator("#go").click()
    expect(page.locator("#verdict")).to_contain_text("Averaging five experts", timeout=30_000)
