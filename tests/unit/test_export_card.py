"""Model cards: front matter, words, and foreign text that stays text."""

from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from merging.export import Companions, ScoreLine
from merging.export.card import CardFacts, card_text, model_names
from merging.export.licence import common_licence
from merging.export.markdown import fenced, plain
from merging.recipe import make_recipe, write_recipe

RECIPE = make_recipe(
    "ties", {"org/a": 1.0, "/home/me/b": 0.5}, base="base", params={"density": 0.3}
)


def front(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text.split("---\n")[1])
    return found


def card(**more: Any) -> str:
    return card_text(CardFacts(RECIPE, [("w", "merge", "over 2 experts")], **more))


def test_front_matter() -> None:
    text = card(config={"model_type": "llama"}, licences={"base": "mit", "a": "mit", "b": "mit"})
    assert front(text) == {
        "base_model": ["base", "org/a", "b"],
        "base_model_relation": "merge",
        "library_name": "transformers",
        "license": "mit",
        "tags": ["merge", "merge-explorer", "ties"],
    }
    assert "All models that were merged are under mit." in text


@pytest.mark.parametrize(
    ("config", "files", "library"),
    [
        ({}, {}, None),
        ({"_class_name": "UNet"}, {}, "diffusers"),
        ({"model_type": "bert"}, {"modules.json": b"[]"}, "sentence-transformers"),
    ],
)
def test_library(config: dict[str, Any], files: dict[str, bytes], library: str | None) -> None:
    found = front(card(config=config, companions=Companions(files)))
    assert found.get("library_name") == library


def test_what_was_done_is_told() -> None:
    text = card(
        config={},
        companions=Companions({}, {"vocab.txt": "base"}, {"merges.txt": "it is a link"}, ("N1.",)),
        notes=("N2.",),
        scores=(ScoreLine("digits", "accuracy", 0.91234, 0.9, 0.92, 500),),
        device="cpu",
    )
    for line in (
        "| base | base |  |",
        "| org/a | expert | 1 |",
        "| b | expert | 0.5 |",
        "- density: 0.3",
        "- 1 tensors merged",
        "- Byte for byte from base: vocab.txt",
        "- Not taken: merges.txt, because it is a link",
        "- N1.",
        "- N2.",
        "| digits | accuracy | 0.9123 | 0.9 to 0.92 | 500 |",
        "[arXiv:2306.01708](https://arxiv.org/abs/2306.01708)",
    ):
        assert line in text.splitlines() or line in text, line
    assert write_recipe(RECIPE) in text and RECIPE.key() in text
    assert "was not scored" in card(config={}) and "was not scored" not in text


def test_a_sets_models_are_named_with_it() -> None:
    recipe = make_recipe("linear", ["digits", "fashion"], set="bold")
    assert model_names(recipe) == ("bold/base", "bold/digits", "bold/fashion")


@given(st.text(max_size=400))
def test_foreign_text_is_one_line_without_markup(text: str) -> None:
    said = plain(text)
    assert "\n" not in said and "<" not in said and len(said) <= 2 * 300 + 20 * 300
    bare = said.replace("\\\\", "")
    for sign in "`*_[]#|$":
        assert bare.count(sign) == bare.count(f"\\{sign}")
    assert not said.startswith(("-", "+", "="))


def test_foreign_text_by_hand() -> None:
    assert plain("a*b <c>\n# x") == "a\\*b &lt;c&gt; \\# x"
    assert plain("1. one") == "1\\. one" and plain("0.3") == "0.3"
    assert plain("http://x www.y") == "http\\://x www\\.y"
    assert plain("x" * 400) == "x" * 299 + "…"


def test_hostile_names_stay_names() -> None:
    name = "x\u0060\u0060\u0060\u0060 | <script>alert(1)</script> ![i](http://e)"
    recipe = make_recipe("linear", [name, "b"])
    text = card_text(CardFacts(recipe, [(name, "copy", name)], {}))
    assert front(text)["base_model"] == [name, "b"]
    head, code = text.split("`````yaml\n")
    body = head.split("---\n", 2)[2]
    assert "<script>" not in body and "![" not in body and "````" not in body
    assert code.split("\n`````\n")[0] + "\n" == write_recipe(recipe)


def test_a_fence_is_longer_than_what_it_holds() -> None:
    assert fenced("a\n", "sh") == "```sh\na\n```"
    assert fenced("a ````` b", "") == "``````\na ````` b\n``````"


def test_the_licence_of_a_merge() -> None:
    assert common_licence({"a": "mit", "b": "mit"})[0] == "mit"
    name, said = common_licence({"a": "mit", "b": "apache-2.0"})
    assert name == "other" and "a: mit; b: apache-2.0" in said
    _, said = common_licence({"a": "cc-by-nc-4.0", "b": "", "c": "mit"})
    assert said.endswith("Of the others: a: cc-by-nc-4.0; c: mit.")
    name, said = common_licence({"a": "mit", "b": ""})
    assert name == "other" and said.startswith("The licence of b is not known")
    assert common_licence({"a": "other", "b": "other"})[1].startswith("The licence of a, b is not")
