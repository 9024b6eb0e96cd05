"""The JSON Schema of recipes is that of the code, takes what is written and refuses what is not."""

import json
from pathlib import Path

import jsonschema
import pytest
import yaml

from merging.recipe import parse_mergekit, write_recipe
from merging.recipe.schema import recipe_schema
from tests.published import RECIPES

FILE = Path(__file__).parents[2] / "assets" / "recipe.schema.json"
CHECK = jsonschema.Draft202012Validator(recipe_schema())


def test_the_file_is_that_of_the_code() -> None:
    assert json.loads(FILE.read_text("utf-8")) == recipe_schema()


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_fits(name: str) -> None:
    tokens = 'tokens: {"<x>": {source: {kind: zero}, force: true}}'
    tail = f"tokenizer: {{pad_to_multiple_of: 8, {tokens}}}\nchat_template: llama3\n"
    text = write_recipe(parse_mergekit(f"{RECIPES[name]}\n{tail}"))
    assert "tokenizer: union" in text
    assert not list(CHECK.iter_errors(yaml.safe_load(text)))


@pytest.mark.parametrize(
    "change", [{"method": "tie"}, {"seed": -1}, {"params": {"t": [1]}}, {"paramz": {}}]
)
def test_what_is_no_recipe_does_not_fit(change: dict[str, object]) -> None:
    data = yaml.safe_load(write_recipe(parse_mergekit(RECIPES["slerp by module"])))
    assert list(CHECK.iter_errors(data | change))
