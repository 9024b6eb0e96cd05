"""Recipes as YAML: round trips, and hostile text that ends in a plain sentence."""

from typing import Any

import pytest
import yaml
from builders import recipes
from hypothesis import given
from hypothesis import strategies as st

from merging.errors import ParameterError, RecipeError, UnknownNameError
from merging.methods.params import WEIGHT
from merging.methods.registry import METHODS
from merging.methods.registry import method as find
from merging.recipe import Expert, Recipe, make_recipe, parse_recipe, write_recipe

HEAD = "format: merge-explorer/1\n"
PLAIN = HEAD + "experts: [digits, letters]\nmethod: ties\n"


def refusal(text: str, kind: type[RecipeError] = RecipeError) -> str:
    with pytest.raises(kind) as caught:
        parse_recipe(text)
    return str(caught.value)


def test_a_recipe_as_people_write_it() -> None:
    text = """
        format: merge-explorer/1
        set: vision
        experts:
          - digits
          - {id: letters, weight: 2, density: 0.5}
        method: ties
        params: {density: 0.3, scale: 1e-1}
        dialect: mergekit
        dtype: bfloat16
        seed: 7
    """
    assert parse_recipe(text) == Recipe(
        method="ties",
        experts=(Expert("digits"), Expert("letters", 2.0, (("density", 0.5),))),
        set="vision",
        params=(("density", 0.3), ("scale", 0.1)),
        dialect="mergekit",
        dtype="bfloat16",
        seed=7,
    )


def test_what_is_written() -> None:
    recipe = make_recipe("dare", {"a": 0.5}, set="vision", params={"scale": 0.4}, seed=3)
    assert write_recipe(recipe) == (
        "format: merge-explorer/1\nset: vision\nexperts:\n- id: a\n  weight: 0.5\n"
        "method: dare\nparams:\n  scale: 0.4\ndialect: paper\nseed: 3\n"
    )


@given(recipes())
def test_round_trip(recipe: Recipe) -> None:
    again = parse_recipe(write_recipe(recipe))
    assert again == recipe
    assert again.key() == recipe.key()


@pytest.mark.parametrize(
    "name",
    [
        *("1e5", "1e-3", "1.5", "12", "0x1F", "null", "~", "yes", "no", "true", "2020-01-01", "="),
        *("*a", "&a", "- a", "a: b", "#a", "'", '"', " a ", "é", "日本", "🙂", "\u2028", "\ufeff"),
        *("../up", "C:\\models", "{a}", "[a]", "!!int 3", "a" * 500, "1_0e2", "12:30:45", "<<"),
    ],
)
def test_any_name_survives_the_round_trip(name: str) -> None:
    recipe = make_recipe("linear", [name], base=name)
    assert parse_recipe(write_recipe(recipe)) == recipe


# --- Refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("parms: {}", "key in the recipe 'parms'. Did you mean 'params'"),
        ("models: []", "key in the recipe 'models'. Did you mean 'experts'"),
        ("seeds: 1", "'seeds'. Did you mean 'seed'"),
        ("dialect: mergekti", "dialect for ties 'mergekti'. Did you mean 'mergekit'"),
        ("params: {lambda: 1}", "parameter of ties 'lambda'. Did you mean 'scale'"),
        ("params: {nonsense: 1}", "parameter of ties 'nonsense'"),
        ("dtype: float23", "dtype 'float23'. Did you mean"),
    ],
)
def test_unknown_names_come_with_the_nearest(line: str, message: str) -> None:
    assert message in refusal(PLAIN + line, UnknownNameError)


def test_unknown_method_and_key_at_an_expert() -> None:
    assert "Did you mean 'ties'" in refusal(HEAD + "experts: [a]\nmethod: tie")
    text = HEAD + "experts: [{id: a, wieght: 1}]\nmethod: ties"
    assert "parameter of ties 'wieght'" in refusal(text)


@pytest.mark.parametrize("version", ["merge-explorer/2", "1", "[]", "null", "mergekit"])
def test_other_versions(version: str) -> None:
    message = refusal(f"format: {version}\nexperts: [a]\nmethod: ties")
    assert "this version reads 'merge-explorer/1'" in message


def test_no_version() -> None:
    ours = refusal("experts: [a]\nmethod: ties")
    assert ours == "The recipe has no line format: merge-explorer/1. Add it at the top."
    assert "python -m merging merge" in refusal("merge_method: ties\nmodels: []")


@pytest.mark.parametrize("key", ["method", "experts"])
def test_missing_keys(key: str) -> None:
    lines = [line for line in PLAIN.splitlines() if not line.startswith(key)]
    assert f"The recipe has no '{key}'" in refusal("\n".join(lines))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "This is not a recipe: its first line must be format: merge-explorer/1"),
        ("just words", "This is not a recipe: its first line must be format: merge-explorer/1"),
        ("- a\n- b", "This is not a recipe: its first line must be format: merge-explorer/1"),
        ("3", "This is not a recipe: its first line must be format: merge-explorer/1"),
        ("a: [", "not valid YAML: line 1"),
        ("a: b: c", "not valid YAML: line 1, column 5"),
        ("\x00", "not valid YAML"),
        ("{1: 2}", "key 1 of the recipe must be a word"),
        ("{[a]: 2}", "of the recipe must be a word"),
        ("a: !!python/object/apply:os.system [id]", "not valid YAML"),
        ("a: !!int ''", "not valid YAML"),
        ("a: !!float ''", "not valid YAML"),
        ("a: !!bool maybe", "not valid YAML"),
        ("a: !!timestamp soon", "not valid YAML"),
        ("a: !!binary é", "not valid YAML"),
        ("--- a\n--- b", "This is not a recipe"),
        ("--- {a: 1}\n--- {b: 2}", "holds 2 documents, one merge after another"),
        ("{<<: {a: 1}}", ""),
    ],
)
def test_text_that_is_no_recipe(text: str, message: str) -> None:
    assert message in refusal(text)


@pytest.mark.parametrize("key", ["method", "seed", "format", "experts"])
def test_a_key_that_stands_twice(key: str) -> None:
    text = PLAIN + "seed: 1\n"
    line = next(line for line in text.splitlines() if line.startswith(key))
    assert f"The key '{key}' stands twice" in refusal(text + line)


def test_a_key_that_stands_twice_further_down() -> None:
    assert "'scale' stands twice" in refusal(PLAIN + "params: {scale: 1, scale: 2}")
    assert "'id' stands twice" in refusal(HEAD + "experts: [{id: a, id: b}]\nmethod: ties")


def test_an_expert_listed_twice() -> None:
    assert "Expert 'a' is listed twice" in refusal(HEAD + "experts: [a, {id: a}]\nmethod: ties")


def test_an_alias_bomb_is_refused_before_it_grows() -> None:
    bomb = "a: &a [x, x]\n" + "".join(
        f"{new}: &{new} [*{old}, *{old}, *{old}]\n"
        for old, new in zip("abcdefgh", "bcdefghi", strict=True)
    )
    assert "uses a YAML alias" in refusal(bomb)


def test_length_is_limited_in_bytes() -> None:
    filler = "# " + "x" * (65_536 - len(PLAIN) - 2)
    assert parse_recipe(PLAIN + filler).method == "ties"
    assert "longer than 64 KiB" in refusal(PLAIN + filler + "x")
    assert "longer than 64 KiB" in refusal(PLAIN + "# " + "é" * 33_000)


@pytest.mark.parametrize("opening", ["[", "{a: ", "- "])
def test_deep_nesting(opening: str) -> None:
    assert "not valid YAML" in refusal(opening * (60_000 // len(opening)))


@pytest.mark.parametrize(
    "seed", ["0x" + "f" * 9000, "1" * 9000, "-1", "1.5", "yes", ".nan", "'1'", "null", "[]"]
)
def test_seeds_that_are_none(seed: str) -> None:
    assert len(refusal(PLAIN + f"seed: {seed}")) < 300


@pytest.mark.parametrize("number", [".nan", ".inf", "-.inf", "yes", "1e999", "'1'", "[1]", "1:30"])
def test_numbers_that_are_none(number: str) -> None:
    assert "density is" in refusal(PLAIN + f"params: {{density: {number}}}", ParameterError)


EDGES = [(m.id, p) for m in METHODS for p in m.params if isinstance(p.default, float)]


@pytest.mark.parametrize(("method", "param"), EDGES, ids=lambda v: getattr(v, "name", v))
def test_every_declared_range_holds_in_text(method: str, param: Any) -> None:
    for bad in (param.minimum - 1, param.maximum + 1):
        few = "[a]" if find(method).needs.most == 1 else "[a, b]"
        text = HEAD + f"experts: {few}\nmethod: {method}\nparams: {{{param.name}: {bad}}}"
        message = refusal(text, ParameterError)
        assert f"method {method}: {param.name} is {bad}; it must be at least" in message


def test_range_of_weights_holds_in_text() -> None:
    text = HEAD + "experts: [{id: a, weight: 11}]\nmethod: ties"
    assert f"weight is 11; it must be at least {WEIGHT.minimum:g}" in refusal(text)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("params: [1]", "params is [1]; it must be a list of names and values"),
        ("params: {weight: 1}", "weight belongs to each expert"),
        ("set: 5", "set is 5"),
        ("set: a\nbase: b", "names a set and a base"),
        ('set: "a\\nb"', "control character"),
        ("dialect: [paper]", "dialect is ['paper']; it must be a word"),
        ("dtype: {}", "dtype is {}; it must be a word"),
        ("dialect: null", "dialect"),
    ],
)
def test_values_of_the_wrong_kind(line: str, message: str) -> None:
    assert message in refusal(PLAIN + line)


@pytest.mark.parametrize(
    ("experts", "message"),
    [
        ("[]", "No expert is chosen"),
        ("null", "experts must be a list"),
        ("{a: 1}", "experts must be a list"),
        ("digits", "experts must be a list"),
        ("[{weight: 1}]", "has no id"),
        ("[[a]]", "has no id"),
        ("[null]", "has no id"),
        ("[{id: 5}]", "expert id is 5"),
        ("[{id: [a]}]", "expert id is ['a']"),
        ('["a\\0"]', "control character"),
        ("[{id: a, weight: null}]", "weight is empty"),
        ("[{id: a, scale: 1}]", "scale is one value for all experts"),
    ],
)
def test_experts_of_the_wrong_kind(experts: str, message: str) -> None:
    assert message in refusal(HEAD + f"experts: {experts}\nmethod: ties")


TOKENS = ["format", "merge-explorer/1", "experts", "method", "ties", "params", "a", "id", "weight"]
MARKS = [
    ": ",
    "\n",
    "  ",
    "- ",
    "[",
    "]",
    "{",
    "}",
    ",",
    "&x ",
    "*x",
    "!!int ",
    "!!set ",
    "1e9",
    "|",
]
MARKS += ["'", '"', "? ", "#", "---\n", "0x", "_", ".inf", "<<", "!!bool ", "%", "@", "\t", "\x07"]


@given(st.lists(st.sampled_from(TOKENS + MARKS), max_size=25).map("".join))
def test_no_text_ends_in_anything_but_a_refusal(text: str) -> None:
    for whole in (text, PLAIN + text):
        try:
            recipe = parse_recipe(whole)
        except RecipeError as error:
            assert 0 < len(str(error)) < 500
        else:
            assert parse_recipe(write_recipe(recipe)) == recipe


def test_yaml_is_written_in_plain_words() -> None:
    """The file can be read by any YAML reader, without our loader."""
    recipe = make_recipe("ties", {"a": 0.1}, params={"density": 0.25})
    data = yaml.safe_load(write_recipe(recipe))
    assert data["experts"] == [{"id": "a", "weight": 0.1}]
    assert data["params"] == {"density": 0.25}
