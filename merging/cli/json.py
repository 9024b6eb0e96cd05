"""Figures as JSON: frozen dataclasses, their properties, buckets and tensors as plain values."""

import json
import math
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch


def dumps(value: object) -> str:
    """Return one line of JSON; numbers that are not finite become null."""
    return json.dumps(plain(value), allow_nan=False)


def plain(value: object) -> Any:
    """Return a value as JSON knows it.

    Dataclasses become objects of the fields that they show and of those properties that are single
    values; keys that are dataclasses or tuples become words (bucket L3, up: ``"L3 up"``).

    Raises:
        TypeError: There is no such form.
    """
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if is_dataclass(value) and not isinstance(value, type):
        return _object(value)
    if isinstance(value, Mapping):
        return {_word(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(entry) for entry in value]
    if isinstance(value, torch.Tensor):
        return plain(value.tolist())
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no form in JSON")


def _object(value: Any) -> dict[str, Any]:
    shown = (field.name for field in fields(value) if field.repr)
    found = {name: plain(getattr(value, name)) for name in shown}
    for name, member in vars(type(value)).items():
        if isinstance(member, property) and not name.startswith("_"):
            figure = getattr(value, name)
            if figure is None or isinstance(figure, bool | int | float | str):
                found[name] = plain(figure)
    return found


def _word(key: object) -> str:
    if is_dataclass(key) and not isinstance(key, type):
        return " ".join(_word(getattr(key, field.name)) for field in fields(key))
    if isinstance(key, tuple):
        return " ".join(map(_word, key))
    return str(key)
