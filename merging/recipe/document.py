"""YAML documents of recipes: hostile text to a mapping of words, and a mapping to text."""

import re
from collections.abc import Callable, Hashable, Mapping
from typing import Any

import yaml

from merging.errors import RecipeError

MOST_BYTES = 65_536
LONGEST_NUMBER = 40


class _Loader(yaml.SafeLoader):
    """Safe YAML without aliases or repeated keys; 1e-5 is a number."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise RecipeError("The recipe uses a YAML alias (*name). Write the value out.")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Hashable, Any]:
        mapping: dict[Hashable, Any] = {}
        for key_node, value_node in node.value:
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, str):
                raise RecipeError(f"The key {key!r:.60} of the recipe must be a word.")
            if key in mapping:
                raise RecipeError(f"The key {key!r:.60} stands twice in the recipe. Keep one.")
            mapping[key] = self.construct_object(value_node, deep=True)
        return mapping


class _Dumper(yaml.SafeDumper):
    """Safe YAML that puts quotes around every text that ``_Loader`` would read as a number."""


def _whole_number(loader: _Loader, node: yaml.ScalarNode) -> int:
    digits = loader.construct_scalar(node)
    if len(digits) > LONGEST_NUMBER:
        raise RecipeError(f"The number {digits[:20]}... of the recipe is too long.")
    return loader.construct_yaml_int(node)


_Loader.add_constructor("tag:yaml.org,2002:int", _whole_number)
for _side in (_Loader, _Dumper):
    _side.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"^[-+]?(\d[\d_]*)(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )

# What PyYAML lets through when a value does not fit its tag, as in ``!!bool maybe``.
_MISFITS = (LookupError, AttributeError, TypeError)


def read_document(text: str, otherwise: str) -> dict[str, Any]:
    """Read one YAML mapping whose keys, at every depth, are words that stand once.

    Args:
        text: At most 64 KiB.
        otherwise: Message where the text is YAML but no mapping.

    Raises:
        RecipeError: It is none, too long, or uses an alias.
    """
    data = read_documents(text, otherwise, MOST_BYTES)
    if len(data) > 1:
        raise RecipeError(
            f"The recipe holds {len(data)} documents, one merge after another; here one is meant. "
            "Keep one, or have them done in order: python -m merging merge RECIPE --out DIR."
        )
    return data[0]


def read_documents(text: str, otherwise: str, most: int) -> list[dict[str, Any]]:
    """Read several YAML mappings that stand in one text; empty documents are left out.

    Raises:
        RecipeError: As ``read_document``, or there are more than ``most``.
    """
    found = _loaded(text, lambda: list(yaml.load_all(text, Loader=_Loader)))
    data = [document for document in found if document is not None]
    if not data or not all(isinstance(document, dict) for document in data):
        raise RecipeError(otherwise)
    if len(data) > most:
        raise RecipeError(f"The file has {len(data)} documents; at most {most} are read.")
    return data


def _loaded(text: str, load: Callable[[], Any]) -> Any:
    """What YAML makes of a text, its errors in our words."""
    if len(text.encode("utf-8", "replace")) > MOST_BYTES:
        raise RecipeError("The recipe is longer than 64 KiB. Is it the right file?")
    try:
        return load()
    except (yaml.YAMLError, ValueError, RecursionError, *_MISFITS) as error:
        raise RecipeError(f"The recipe is not valid YAML: {_first_line(error)}") from error


def write_document(data: Mapping[str, Any]) -> str:
    """Write a mapping as YAML that ``read_document`` reads back to an equal one."""
    return yaml.dump(dict(data), Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def _first_line(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        mark = error.problem_mark
        return f"line {mark.line + 1}, column {mark.column + 1}: {error.problem}."
    if isinstance(error, _MISFITS):
        return "a value does not fit its tag (!!name)."
    return str(error).splitlines()[0][:200] if str(error) else type(error).__name__
