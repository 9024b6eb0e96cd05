"""Recipes: what is merged and how, as a frozen checked value and as YAML."""

from merging.recipe.formats import read_recipe
from merging.recipe.mergekit import parse_mergekit
from merging.recipe.model import DTYPES, FORMAT, Expert, Recipe, make_recipe
from merging.recipe.text import parse_recipe, write_recipe

__all__ = [
    "DTYPES",
    "FORMAT",
    "Expert",
    "Recipe",
    "make_recipe",
    "parse_mergekit",
    "parse_recipe",
    "read_recipe",
    "write_recipe",
]
