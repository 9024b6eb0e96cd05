"""What the style sheets and the words of the page promise."""

import re

import pytest

from ui.components.assets import STYLES, read_asset
from ui.components.section_links import SECTIONS, SectionLinks
from ui.link import HIDEABLE
from ui.sections import read_fold
from ui.studies import STUDIED
from ui.views import glossary


@pytest.mark.parametrize("word", HIDEABLE)
def test_every_word_of_hide_leaves_something_out(word: str) -> None:
    rule = re.search(r"(body\[data-hide[^{]*)\{\s*display: none !important;\s*\}", _tokens())
    assert rule is not None
    assert f'body[data-hide~="{word}"] ' in rule[1]


def test_nothing_is_left_out_that_no_link_can_name() -> None:
    assert set(re.findall(r'data-hide~="(\w+)"', _tokens())) == set(HIDEABLE)


@pytest.mark.parametrize("name", [name for name in SECTIONS if name != "lesson"])
def test_a_section_left_out_takes_its_link_along(name: str) -> None:
    assert f':is(#section-{name}, [href="#section-{name}"])' in _tokens()
    assert f'<a href="#section-{name}">' in SectionLinks().html_template


@pytest.mark.parametrize("name", STYLES)
def test_sheets_that_gradio_splits_hold_no_comma_inside_a_selector(name: str) -> None:
    text = re.sub(r"/\*.*?\*/", "", read_asset(name), flags=re.S)
    selectors = re.findall(r"([^{}]+)\{", text)
    assert [s for s in selectors if re.search(r"\([^()]*,[^()]*\)", s)] == []
    assert "body[" not in text and ":root" not in text


@pytest.mark.parametrize("name", [*STYLES, "tokens.css"])
def test_no_rule_asks_again_for_every_mark_that_moves(name: str) -> None:
    """A rule of what a block *has* is asked again whenever that block changes: here lie charts."""
    large = r"(?:\.gradio-container|\.me-columns|\.me-results|\.me-section|body)"
    text = re.sub(r"/\*.*?\*/", "", read_asset(name), flags=re.S)
    assert re.findall(large + r"(?::not\()?:has\((?!> )[^{]*", text) == []


def test_every_symbol_of_the_first_methods_is_explained() -> None:
    words = " ".join(word for word, _ in glossary.RECIPE)
    for symbol in ("θ", "θ₀", "τᵢ", "δ", "mᵢ", "w", "λ", "d", "p"):
        assert symbol in words.replace(",", "").split()
    assert set(glossary.SECTIONS) <= set(SECTIONS)
    terms = {word for said in glossary.SECTIONS.values() for word, _ in said}
    assert {"|δ|", "Coin toss", "Contested"} <= terms


def test_a_fold_holds_its_words_as_text() -> None:
    assert read_fold("Read", (("a < b", "c & d"),)) == (
        '<details class="me-read"><summary>Read</summary>'
        "<dl><dt>a &lt; b</dt><dd>c &amp; d</dd></dl></details>"
    )


def _tokens() -> str:
    return read_asset("tokens.css")


def test_how_many_images_choose_is_told_as_it_is() -> None:
    said = dict(glossary.SECTIONS["whatif"])["Images for choosing"]
    assert said.startswith(f"{STUDIED} of each task,")
