"""The JSON Schema of our recipes, made from the declarations; ``assets/recipe.schema.json``."""

import math
from typing import Any

from merging.methods.params import WEIGHT, Param
from merging.methods.registry import METHODS
from merging.recipe.model import DTYPES, FORMAT, MOST_SEED
from merging.recipe.token_rows import MOST_ROWS, MOST_TOKENS
from merging.recipe.tokens import LONGEST_TEMPLATE, MOST_PADDING, SHORTEST_TEMPLATE, TEMPLATES

Schema = dict[str, Any]
TEXT: Schema = {"type": "string", "minLength": 1, "maxLength": 500}
JINJA: Schema = {"type": "string", "minLength": SHORTEST_TEMPLATE, "maxLength": LONGEST_TEMPLATE}


def recipe_schema() -> Schema:
    """Return the schema of a recipe: names, kinds and ranges of everything."""
    methods = [
        {"properties": {"method": {"const": spec.id}, "params": _params(spec.params),
                        "dialect": {"enum": list(spec.dialects)},
                        "experts": _experts(tuple(p for p in spec.params if p.per_expert))}}
        for spec in METHODS
    ]  # fmt: skip
    fields: Schema = {
        "format": {"const": FORMAT},
        "set": TEXT,
        "base": TEXT,
        "base_layers": _runs(),
        "experts": {"type": "array"},
        "method": {"enum": [spec.id for spec in METHODS]},
        "params": {"type": ["object", "null"]},
        "dialect": {"type": "string"},
        "dtype": {"enum": [*DTYPES, None]},
        "seed": {"type": "integer", "minimum": 0, "maximum": MOST_SEED},
        "tokenizer": TEXT,
        "pad_to_multiple_of": {"type": "integer", "minimum": 1, "maximum": MOST_PADDING},
        "tokens": {
            "type": "object",
            "maxProperties": MOST_TOKENS,
            "additionalProperties": _token_row(),
        },
        "chat_template": {"anyOf": [{"enum": list(TEMPLATES)}, JINJA]},
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Recipe {FORMAT}",
        "type": "object",
        "properties": fields,
        "required": ["format", "experts", "method"],
        "additionalProperties": False,
        "oneOf": methods,
    }


def _params(params: tuple[Param, ...]) -> Schema:
    return {
        "type": ["object", "null"],
        "properties": {p.name: _local(_value(p)) for p in params},
        "additionalProperties": False,
    }


def _experts(own: tuple[Param, ...]) -> Schema:
    fields = {p.name: _local(_value(p)) for p in (WEIGHT, *own)}
    entry = {
        "type": "object",
        "properties": {"id": TEXT, "layers": _runs(), **fields},
        "required": ["id"],
        "additionalProperties": False,
    }
    return {"type": "array", "minItems": 1, "maxItems": 64, "items": {"anyOf": [TEXT, entry]}}


def _value(param: Param) -> Schema:
    if param.choices:
        return {"enum": list(param.choices)}
    if isinstance(param.default, bool):
        return {"type": "boolean"}
    if isinstance(param.default, str):
        return {"type": "string", "maxLength": 2000}
    found: Schema = {"type": "number" if isinstance(param.default, float) else "integer"}
    if math.isfinite(param.minimum):
        found["minimum"] = param.minimum
    if math.isfinite(param.maximum):
        found["exclusiveMaximum" if param.exclusive else "maximum"] = param.maximum
    return found


def _local(value: Schema) -> Schema:
    """A plain value, a curve, or a table of both."""
    curve = {"type": "array", "items": value, "minItems": 2, "maxItems": 512}
    run = {"type": "array", "items": {"type": "integer", "minimum": 0}, "minItems": 2,
           "maxItems": 2}  # fmt: skip
    entry = {
        "type": "object",
        "properties": {
            "filter": {"type": "string", "maxLength": 200},
            "layers": run,
            "value": {"anyOf": [value, curve]},
        },
        "required": ["value"],
        "additionalProperties": False,
    }
    return {"anyOf": [value, curve, {"type": "array", "items": entry, "minItems": 1}]}


def _token_row() -> Schema:
    row = {"type": "integer", "minimum": 0, "exclusiveMaximum": MOST_ROWS}
    fields = {"model": TEXT, "like": TEXT, "row": row, "force": {"type": "boolean"}}
    return {
        "type": "object",
        "properties": {**fields, "zero": {"const": True}},
        "oneOf": [{"required": ["model"]}, {"required": ["zero"]}],
        "additionalProperties": False,
    }


def _runs() -> Schema:
    number = {"type": "integer", "minimum": 0, "maximum": 10_000}
    run = {
        "type": "object",
        "properties": {"model": TEXT, "from": number, "to": number},
        "required": ["model", "from", "to"],
        "additionalProperties": False,
    }
    return {"type": "array", "items": run, "minItems": 1}
